#include "pipeline/exporter_engine.h"

#include <algorithm>
#include <cmath>

#include "otlp/split.h"
#include "otlp/validate.h"

namespace naru::pipeline {
namespace {

const Error kShutdown{Code::kCancelled, true, Duration{0}, "the exporter is shutting down"};

}  // namespace

// A batch on its way to the backend, through all of its attempts.
struct Request {
  Batch batch;
  uint64_t cost = 0;  // by the queue's sizer
  uint64_t items = 0;
  MonoTime first{};       // of the first attempt
  Duration interval{0};   // next back-off
  bool examined = false;  // was refused for good once, and its bad records were cut out
  net::Timer timer;       // of the next attempt, on `timer_loop`
  net::Loop* timer_loop = nullptr;
};
using RequestPtr = std::shared_ptr<Request>;

struct ExporterEngine::Shared : std::enable_shared_from_this<ExporterEngine::Shared> {
  Shared(ExporterContext c, EngineOptions o, SenderFactory f)
      : context(std::move(c)), options(std::move(o)), factory(std::move(f)), senders(context.host->loops().size()) {
    Ledger& l = context.host->ledger();
    Owner owner{"exporter", context.id, std::string(otlp::Names(context.signal).name), "", ""};
    sent = l.Open(owner, Entry::kSent);
    refused_full = l.Open(owner, Entry::kRefused, "queue_full");
    refused_shutdown = l.Open(owner, Entry::kRefused, "shutdown");
    refused_failed = l.Open(owner, Entry::kRefused, "send_failed");
    held_queue = l.Open(owner, Entry::kHeld, "queue");
    held_flight = l.Open(owner, Entry::kHeld, "in_flight");
    this->owner = owner;
    Metrics& m = context.host->metrics();
    Attributes a = {{"exporter", context.id}, {"data_type", std::string(otlp::Names(context.signal).name)}};
    capacity_metric = m.GetSum({"otelcol_exporter_queue_capacity", "Fixed capacity of the retry queue (in batches).",
                                "{batches}", Metrics::Kind::kGauge, MetricLevel::kBasic},
                               a);
    size_metric = m.GetSum({"otelcol_exporter_queue_size", "Current size of the retry queue (in batches).", "{batches}",
                            Metrics::Kind::kGauge, MetricLevel::kBasic},
                           a);
    flight_metric = m.GetSum({"otelcol_exporter_in_flight_requests", "Requests being sent now.", "{requests}",
                              Metrics::Kind::kUpDown, MetricLevel::kDetailed},
                             {{"exporter", context.id}});
    if (options.queue.enabled) capacity_metric->Set(options.queue.queue_size);
  }

  Counter Dropped(std::string_view reason) { return context.host->ledger().Open(owner, Entry::kDropped, reason); }

  uint64_t Cost(const Batch& b) const {
    if (options.queue.sizer == "items") return b.items();
    if (options.queue.sizer == "bytes") return b.bytes();
    return 1;
  }
  uint64_t BatchSize(const Batch& b) const { return batch_bytes ? b.bytes() : b.items(); }

  void Consume(Batch&& batch);
  void Admit(Batch&& batch);
  void Accept(Batch&& batch, std::vector<RequestPtr>& start);
  void AddToPartition(RequestPtr r, std::vector<RequestPtr>& start);
  std::string PartitionKey(const Batch& b) const;
  void Ready(RequestPtr r, std::vector<RequestPtr>& start);
  void FlushPartition(const std::string& key, std::vector<RequestPtr>& start);
  std::vector<RequestPtr> Cut(RequestPtr r);
  void Begin(const std::vector<RequestPtr>& start);
  void Attempt(const RequestPtr& r);
  void Attempted(const RequestPtr& r, SendResult result);
  void Retry(const RequestPtr& r, const Error& error);
  void GiveUp(const RequestPtr& r, const Error& error, std::string_view reason);
  void Examine(const RequestPtr& r, const Error& error);
  void Deliver(const RequestPtr& r, SendResult result);
  void Finished(const RequestPtr& r);
  void FlushAll(std::vector<RequestPtr>& start);
  void CheckDrained();
  void Expire();
  void LogFailure(const Error& error, uint64_t items, std::string_view what);

  ExporterContext context;
  EngineOptions options;
  SenderFactory factory;
  PerLoop<Sender> senders;
  Owner owner;
  Counter sent, refused_full, refused_shutdown, refused_failed, held_queue, held_flight;
  Sum *capacity_metric, *size_metric, *flight_metric;
  bool batch_bytes = false;

  std::mutex mutex;  // guards what follows
  std::deque<RequestPtr> ready;
  struct Partition {
    RequestPtr request;
    net::Timer flush;  // on `loop`
    net::Loop* loop = nullptr;
    uint64_t generation = 0;
  };
  std::map<std::string, Partition> partitions;
  uint64_t generations = 0;
  std::deque<Batch> blocked;  // with block_on_overflow: senders that wait
  uint64_t size = 0;          // by the sizer, of everything that is not finished
  int64_t in_flight = 0;
  bool closing = false, expired = false;
  std::function<void()> drained;
  std::vector<std::weak_ptr<Request>> retrying;
  net::Timer deadline;
  // Failures are logged once a cause and then at most every ten seconds.
  std::map<std::string, std::pair<MonoTime, uint64_t>> failures;
};

using Shared = ExporterEngine::Shared;

ExporterEngine::ExporterEngine(ExporterContext context, EngineOptions options, SenderFactory factory)
    : shared_(std::make_shared<Shared>(std::move(context), std::move(options), std::move(factory))) {
  if (auto& b = shared_->options.queue.batch) {
    shared_->batch_bytes = b->sizer == "bytes" || (b->sizer.empty() && shared_->options.queue.sizer == "bytes");
  }
}

ExporterEngine::~ExporterEngine() = default;

Status ExporterEngine::Start(Host&) {
  return {};
}

void ExporterEngine::Consume(Batch&& batch) {
  shared_->Consume(std::move(batch));
}

void Shared::Consume(Batch&& batch) {
  uint64_t n = batch.items(), cost = Cost(batch);
  {
    std::unique_lock lock(mutex);
    if (closing) {
      lock.unlock();
      refused_shutdown.Add(static_cast<int64_t>(n));
      return batch.Refused(kShutdown);
    }
    if (options.queue.enabled) {
      auto room = static_cast<uint64_t>(options.queue.queue_size);
      // An element that can never fit is let in when the queue is empty: refusing it for ever would be a loss.
      if (size > 0 && size + cost > room) {
        if (options.queue.block_on_overflow && blocked.size() < 10000) {
          context.host->ledger().Post({{held_queue, static_cast<int64_t>(n)}});
          blocked.push_back(std::move(batch));
          return;
        }
        lock.unlock();
        refused_full.Add(static_cast<int64_t>(n));
        // No delay is named: room may come at any moment, and a batcher that waits inside the process shall see it soon.
        // Receivers tell their clients a delay of their own.
        return batch.Refused(Error{Code::kUnavailable, true, Duration{0}, "sending queue is full"});
      }
    }
    size += cost;
  }
  context.host->ledger().Post({{held_queue, static_cast<int64_t>(n)}});
  Admit(std::move(batch));
}

// Room was reserved. Without the mutex: resolving tokens runs the receivers' code.
void Shared::Admit(Batch&& batch) {
  if (options.queue.enabled && !options.queue.wait_for_result) batch.StoreTokens();
  std::vector<RequestPtr> start;
  {
    std::lock_guard lock(mutex);
    Accept(std::move(batch), start);
  }
  Begin(start);
}

// With the mutex held. Tokens are resolved by Begin's caller paths only after the lock is gone; stored tokens may run
// receivers' code, so they are collected and resolved below.
void Shared::Accept(Batch&& batch, std::vector<RequestPtr>& start) {
  auto r = std::make_shared<Request>();
  r->items = batch.items();
  r->cost = Cost(batch);
  r->batch = std::move(batch);
  size_metric->Set(static_cast<int64_t>(size));
  if (options.queue.enabled && options.queue.batch) {
    AddToPartition(std::move(r), start);
  } else {
    for (auto& piece : Cut(std::move(r))) Ready(std::move(piece), start);
  }
}

std::string Shared::PartitionKey(const Batch& b) const {
  std::string key;
  for (auto& k : options.queue.batch->partition.metadata_keys) {
    std::string lower = k;
    for (char& c : lower) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    }
    if (b.client()) {
      auto it = b.client()->metadata.find(lower);
      if (it != b.client()->metadata.end()) {
        for (auto& v : it->second) key += v + '\x1f';
      }
    }
    key += '\x1e';
  }
  return key;
}

void Shared::AddToPartition(RequestPtr r, std::vector<RequestPtr>& start) {
  std::string key = PartitionKey(r->batch);
  if (partitions.size() >= 10000 && !partitions.count(key)) key.clear();  // bounded: the rest shares one
  Partition& p = partitions[key];
  if (!p.request) {
    p.request = std::move(r);
    p.generation = ++generations;
    p.loop = net::Loop::Current();
    auto weak = weak_from_this();
    p.flush = p.loop->AddTimer(options.queue.batch->flush_timeout, [weak, key, generation = p.generation] {
      auto s = weak.lock();
      if (!s) return;
      std::vector<RequestPtr> start;
      {
        std::lock_guard lock(s->mutex);
        auto it = s->partitions.find(key);
        if (it == s->partitions.end() || it->second.generation != generation) return;
        s->FlushPartition(key, start);
      }
      s->Begin(start);
    });
  } else {
    p.request->items += r->items;
    p.request->cost += r->cost;
    p.request->batch.Append(std::move(r->batch));
  }
  if (static_cast<int64_t>(BatchSize(p.request->batch)) >= std::max<int64_t>(1, options.queue.batch->min_size))
    FlushPartition(key, start);
}

void Shared::FlushPartition(const std::string& key, std::vector<RequestPtr>& start) {
  auto it = partitions.find(key);
  if (it == partitions.end()) return;
  RequestPtr r = std::move(it->second.request);
  // A timer belongs to the loop that made it; on another one it is left to fire and find nothing.
  if (it->second.loop == net::Loop::Current()) {
    partitions.erase(it);
  } else {
    net::Loop* loop = it->second.loop;
    auto timer = std::make_shared<net::Timer>(std::move(it->second.flush));
    partitions.erase(it);
    loop->Post([timer] { timer->Cancel(); });
  }
  for (auto& piece : Cut(std::move(r))) Ready(std::move(piece), start);
}

// Cuts a request that is larger than it may be. What cannot be cut goes as it is: the backend will say.
std::vector<RequestPtr> Shared::Cut(RequestPtr r) {
  otlp::SplitLimits limits;
  if (options.queue.enabled && options.queue.batch && options.queue.batch->max_size > 0) {
    (batch_bytes ? limits.max_bytes : limits.max_items) = static_cast<uint64_t>(options.queue.batch->max_size);
  }
  if (options.max_request_bytes && (!limits.max_bytes || options.max_request_bytes < limits.max_bytes))
    limits.max_bytes = options.max_request_bytes;
  bool fits = (!limits.max_items || r->items <= limits.max_items) &&
              (!limits.max_bytes || r->batch.bytes() <= limits.max_bytes);
  if (fits) return {std::move(r)};
  std::vector<Slice> inputs;
  for (auto& p : r->batch.parts()) inputs.push_back(p.bytes);
  auto pieces = otlp::Split(context.signal, inputs, limits);
  if (!pieces || pieces->size() <= 1) return {std::move(r)};
  std::vector<RequestPtr> out;
  auto client = r->batch.client();
  std::vector<Part> parts = r->batch.TakeParts();
  uint64_t cost_left = r->cost;
  for (size_t i = 0; i < pieces->size(); ++i) {
    auto& piece = (*pieces)[i];
    auto q = std::make_shared<Request>();
    q->batch = Batch(context.signal);
    q->batch.set_client(client);
    for (auto& p : piece.parts) {
      Part& from = parts[p.input];
      if (from.token) {
        q->batch.Append(std::move(p.bytes), from.token.Split(p.items));
      } else {
        q->batch.Append(std::move(p.bytes), p.items);
      }
    }
    q->items = q->batch.items();
    q->cost = i + 1 == pieces->size() ? cost_left : cost_left / (pieces->size() - i);
    cost_left -= q->cost;
    out.push_back(std::move(q));
  }
  // Items that no piece has were no items of the bytes: a receiver counted more than there is. They are dropped, never
  // forgotten.
  for (auto& p : parts) {
    if (!p.token) continue;
    auto n = static_cast<int64_t>(p.token.items());
    context.host->ledger().Post({{held_queue, -n}, {Dropped("miscounted"), n}});
    p.token.Dropped(Error{Code::kInternal, false, Duration{0}, "items not found in the request"});
  }
  return out;
}

void Shared::Ready(RequestPtr r, std::vector<RequestPtr>& start) {
  if (!options.queue.enabled || in_flight < options.queue.num_consumers) {
    ++in_flight;
    start.push_back(std::move(r));
  } else {
    ready.push_back(std::move(r));
  }
}

// Without the mutex: resolves what is stored, and sends.
void Shared::Begin(const std::vector<RequestPtr>& start) {
  for (auto& r : start) {
    auto n = static_cast<int64_t>(r->items);
    context.host->ledger().Post({{held_queue, -n}, {held_flight, n}});
    flight_metric->Add(1);
    r->first = net::Loop::Current()->Now();
    r->interval = options.retry.initial_interval;
    Attempt(r);
  }
}

void Shared::Attempt(const RequestPtr& r) {
  auto& sender = senders.mine();
  if (!sender) sender = factory(*net::Loop::Current());
  auto self = shared_from_this();
  sender->Send(r->batch, [self, r](SendResult result) { self->Attempted(r, std::move(result)); });
}

void Shared::Attempted(const RequestPtr& r, SendResult result) {
  if (result.ok()) return Deliver(r, std::move(result));
  if (result.error.retryable) return Retry(r, result.error);
  Examine(r, result.error);
}

void Shared::Deliver(const RequestPtr& r, SendResult result) {
  auto rejected = static_cast<int64_t>(std::min<uint64_t>(result.rejected, r->items));
  auto n = static_cast<int64_t>(r->items);
  if (rejected) {
    context.host->ledger().Post({{held_flight, -n}, {sent, n - rejected}, {Dropped("rejected_by_backend"), rejected}});
    LogFailure(Error{Code::kInvalidArgument, false, Duration{0}, "partial success: " + result.message},
               static_cast<uint64_t>(rejected), "the backend rejected records");
  } else {
    context.host->ledger().Post({{held_flight, -n}, {sent, n}});
    if (!result.message.empty())
      context.log.Warn("the backend took everything and warns", {{"message", result.message}});
  }
  r->batch.Delivered();
  Finished(r);
}

void Shared::Retry(const RequestPtr& r, const Error& error) {
  bool stop;
  {
    std::lock_guard lock(mutex);
    stop = expired;
  }
  if (stop) return GiveUp(r, error, "shutdown");
  if (!options.retry.enabled) return GiveUp(r, error, "send_failed");
  net::Loop& loop = *net::Loop::Current();
  double jitter = 1 + options.retry.randomization_factor * (2 * loop.random().Unit() - 1);
  auto wait = Duration(static_cast<int64_t>(static_cast<double>(r->interval.count()) * jitter));
  r->interval =
      std::min(Duration(static_cast<int64_t>(static_cast<double>(r->interval.count()) * options.retry.multiplier)),
               options.retry.max_interval);
  wait = std::max(wait, error.retry_after);
  if (options.retry.max_elapsed_time > Duration(0) && loop.Now() + wait - r->first > options.retry.max_elapsed_time) {
    return GiveUp(r, error, "retries_exhausted");
  }
  LogFailure(error, r->items, "Exporting failed. Will retry the request after interval.");
  auto weak = weak_from_this();
  {
    std::lock_guard lock(mutex);
    r->timer_loop = &loop;
    retrying.push_back(r);
    if (retrying.size() > 64) {
      retrying.erase(std::remove_if(retrying.begin(), retrying.end(), [](auto& w) { return w.expired(); }),
                     retrying.end());
    }
  }
  // The timer holds the request: a request that waits belongs to nobody else.
  r->timer = loop.AddTimer(wait, [weak, r] {
    if (auto s = weak.lock()) s->Attempt(r);
  });
}

void Shared::GiveUp(const RequestPtr& r, const Error& error, std::string_view reason) {
  auto n = static_cast<int64_t>(r->items);
  // What nobody upstream waits for is dropped here; where somebody does (no queue, wait_for_result), a retryable
  // failure is given back.
  bool has_tokens =
      std::any_of(r->batch.parts().begin(), r->batch.parts().end(), [](auto& p) { return bool(p.token); });
  if (has_tokens && error.retryable) {
    context.host->ledger().Post({{held_flight, -n}, {refused_failed, n}});
    r->batch.Refused(error);
  } else {
    context.host->ledger().Post({{held_flight, -n}, {Dropped(reason), n}});
    LogFailure(error, r->items, "Exporting failed. Dropping data.");
    if (has_tokens && !error.retryable) {
      r->batch.Refused(error);
    } else {
      r->batch.Dropped(error);
    }
  }
  Finished(r);
}

// The backend refused for good. Bytes that passed through unread may be bad: the bad records are cut out and the rest
// is sent again, once. When nothing is malformed, the inputs are sent one by one, so that one that the backend dislikes
// does not take the others down.
void Shared::Examine(const RequestPtr& r, const Error& error) {
  bool data_fault =
      error.code == Code::kInvalidArgument || error.code == Code::kInternal || error.code == Code::kOutOfRange;
  if (r->examined || !data_fault) return GiveUp(r, error, "refused_by_backend");
  r->examined = true;
  auto client = r->batch.client();
  size_t inputs = r->batch.parts().size();
  std::vector<Part> parts = r->batch.TakeParts();
  uint64_t cut = 0;
  otlp::Flaw flaw = otlp::Flaw::kNone;
  std::vector<Part> kept;
  for (auto& p : parts) {
    otlp::Sanitized s = otlp::Sanitize(context.signal, p.bytes);
    if (s.first == otlp::Flaw::kNone) {
      kept.push_back(std::move(p));
      continue;
    }
    flaw = s.first;
    uint64_t gone = p.items > s.items ? p.items - s.items : 0;
    cut += gone;
    Error why{Code::kInvalidArgument, false, Duration{0}, fmt::format("malformed record: {}", otlp::FlawText(s.first))};
    if (p.token) p.token.Dropped(gone, why);
    p.bytes = std::move(s.bytes);
    p.items = s.items;
    if (p.items)
      kept.push_back(std::move(p));
    else if (p.token)
      p.token.Dropped(why);
  }
  auto rebuild = [&](Request& q, std::vector<Part> some) {
    q.batch = Batch(context.signal);
    q.batch.set_client(client);
    for (auto& p : some) {
      if (p.token)
        q.batch.Append(std::move(p.bytes), std::move(p.token));
      else
        q.batch.Append(std::move(p.bytes), p.items);
    }
    q.items = q.batch.items();
  };
  if (flaw != otlp::Flaw::kNone) {
    auto n = static_cast<int64_t>(cut);
    context.host->ledger().Post({{held_flight, -n}, {Dropped("malformed"), n}});
    LogFailure(error, cut, "The backend refused a batch; malformed records were cut out of it");
    rebuild(*r, std::move(kept));
    if (r->items == 0) return Finished(r);
    return Attempt(r);
  }
  if (inputs <= 1 || inputs > 256) {
    rebuild(*r, std::move(kept));
    return GiveUp(r, error, "refused_by_backend");
  }
  LogFailure(error, 0, "The backend refused a batch of several inputs; they are sent one by one");
  for (size_t i = 1; i < kept.size(); ++i) {
    auto q = std::make_shared<Request>();
    q->examined = true;
    q->first = r->first;
    q->interval = options.retry.initial_interval;
    std::vector<Part> one;
    one.push_back(std::move(kept[i]));
    rebuild(*q, std::move(one));
    {
      std::lock_guard lock(mutex);
      ++in_flight;
    }
    flight_metric->Add(1);
    Attempt(q);
  }
  std::vector<Part> one;
  one.push_back(std::move(kept[0]));
  rebuild(*r, std::move(one));
  Attempt(r);
}

void Shared::Finished(const RequestPtr& r) {
  flight_metric->Add(-1);
  std::vector<RequestPtr> start;
  std::vector<Batch> admitted;
  {
    std::lock_guard lock(mutex);
    --in_flight;
    size -= std::min(size, r->cost);
    size_metric->Set(static_cast<int64_t>(size));
    while (!blocked.empty() &&
           (size == 0 || size + Cost(blocked.front()) <= static_cast<uint64_t>(options.queue.queue_size))) {
      size += Cost(blocked.front());
      admitted.push_back(std::move(blocked.front()));
      blocked.pop_front();
    }
    while (!ready.empty() && in_flight < options.queue.num_consumers) {
      ++in_flight;
      start.push_back(std::move(ready.front()));
      ready.pop_front();
    }
  }
  if (!start.empty()) {
    // At the next turn: a backend that answers inside Send must not build up the stack.
    auto self = shared_from_this();
    net::Loop::Current()->Post([self, start] { self->Begin(start); });
  }
  for (auto& b : admitted) Admit(std::move(b));
  CheckDrained();
}

void Shared::LogFailure(const Error& error, uint64_t items, std::string_view what) {
  uint64_t times = 0;
  {
    std::lock_guard lock(mutex);
    // Causes differ by what they say; ports and counts in messages could make endless ones, so there are at most 64.
    std::string cause = fmt::format("{}|{}|{}", what, CodeName(error.code), error.message.substr(0, 120));
    if (failures.size() >= 64 && !failures.count(cause)) failures.clear();
    auto& [last, count] = failures[cause];
    ++count;
    MonoTime now = net::Loop::Current()->Now();
    if (last != MonoTime() && now - last < std::chrono::seconds(10)) return;
    last = now;
    times = std::exchange(count, 0);
  }
  context.log.Log(error.retryable ? LogLevel::kInfo : LogLevel::kError, what,
                  {{"error", fmt::format("{}: {}", CodeName(error.code), error.message)},
                   {"items", static_cast<int64_t>(items)},
                   {"times", static_cast<int64_t>(times)}});
}

void Shared::FlushAll(std::vector<RequestPtr>& start) {
  std::vector<std::string> keys;
  for (auto& [k, p] : partitions) keys.push_back(k);
  for (auto& k : keys) FlushPartition(k, start);
}

void Shared::CheckDrained() {
  std::function<void()> done;
  {
    std::lock_guard lock(mutex);
    if (!closing || in_flight > 0 || !ready.empty() || !partitions.empty() || !blocked.empty()) return;
    done = std::move(drained);
    drained = nullptr;
  }
  if (!done) return;
  auto self = shared_from_this();
  // Senders hold connections of their loops: each is destroyed on its own.
  context.host->ForEachLoop([self](net::Loop& loop) { self->senders.slot(loop.index()).reset(); },
                            [self, done = std::move(done)] {
                              self->deadline.Cancel();
                              done();
                            });
}

void ExporterEngine::Shutdown(MonoTime deadline, std::function<void()> done) {
  auto s = shared_;
  std::vector<RequestPtr> start;
  std::vector<Batch> admitted;
  {
    std::lock_guard lock(s->mutex);
    s->closing = true;
    s->drained = std::move(done);
    // Senders that wait for room are let in: what was offered before the shutdown is still served.
    for (auto& b : s->blocked) {
      s->size += s->Cost(b);
      admitted.push_back(std::move(b));
    }
    s->blocked.clear();
  }
  for (auto& b : admitted) s->Admit(std::move(b));
  {
    std::lock_guard lock(s->mutex);
    s->FlushAll(start);
  }
  s->Begin(start);
  net::Loop& loop = *net::Loop::Current();
  s->deadline = loop.AddTimer(deadline - loop.Now(), [s] { s->Expire(); });
  s->CheckDrained();
}

// Time is up: what waits is dropped and counted; what is on the wire is dropped when its attempt ends, which the
// senders' own time-outs bound, and here by closing the senders.
void Shared::Expire() {
  std::vector<RequestPtr> gone;
  {
    std::lock_guard lock(mutex);
    expired = true;
    for (auto& r : ready) gone.push_back(std::move(r));
    ready.clear();
    in_flight += static_cast<int64_t>(gone.size());
  }
  for (auto& r : gone) {
    auto n = static_cast<int64_t>(r->items);
    context.host->ledger().Post({{held_queue, -n}, {held_flight, n}});
    flight_metric->Add(1);
    GiveUp(r, Error{Code::kCancelled, false, Duration{0}, "not sent before the shutdown deadline"}, "shutdown");
  }
  auto self = shared_from_this();
  context.host->ForEachLoop(
      [self](net::Loop& loop) {
        // Requests that wait for a retry on this loop end now.
        std::vector<RequestPtr> waiting;
        {
          std::lock_guard lock(self->mutex);
          for (auto& w : self->retrying) {
            if (auto r = w.lock()) waiting.push_back(r);
          }
        }
        for (auto& r : waiting) {
          if (r->timer_loop != &loop || !r->timer.pending()) continue;
          r->timer.Cancel();
          self->GiveUp(r, Error{Code::kCancelled, false, Duration{0}, "not sent before the shutdown deadline"},
                       "shutdown");
        }
        // Closing the senders fails what is on the wire.
        self->senders.slot(loop.index()).reset();
      },
      [self] { self->CheckDrained(); });
}

}  // namespace naru::pipeline
