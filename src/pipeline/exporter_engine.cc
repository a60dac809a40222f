#include "pipeline/exporter_engine.h"

#include <algorithm>

#include "otlp/split.h"
#include "pipeline/exporter_state.h"

namespace naru::pipeline {
namespace {

const Error kShutdown{Code::kCancelled, true, Duration{0}, "the exporter is shutting down"};

}  // namespace

using Shared = ExporterEngine::Shared;

const Error kClientGone{Code::kCancelled, true, Duration{0}, "the client has gone"};

ExporterEngine::ExporterEngine(ExporterContext context, EngineOptions options, SenderFactory factory)
    : shared_(std::make_shared<Shared>(std::move(context), std::move(options), std::move(factory))) {
  if (auto& b = shared_->options.queue->batch) {
    shared_->batch_bytes = b->sizer == "bytes" || (b->sizer.empty() && shared_->options.queue->sizer == "bytes");
  }
}

ExporterEngine::~ExporterEngine() = default;

Status ExporterEngine::Start(Host& host) {
  if (shared_->options.check) {
    if (auto s = shared_->options.check(host); !s) return s;
  }
  return shared_->OpenLog(host);
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
    if (options.queue) {
      auto room = static_cast<uint64_t>(options.queue->queue_size);
      // An element that can never fit is let in when the queue is empty: refusing it for ever would be a loss.
      uint64_t used = Used();
      // Who comes stands behind those that wait, or a large one among them would never find room.
      if (!blocked.empty() || (used > 0 && used + cost > room)) {
        if (options.queue->block_on_overflow && blocked.size() < 10000) {
          context.host->ledger().Post({{held_queue, static_cast<int64_t>(n)}});
          blocked.push_back(std::move(batch));
          if (!std::exchange(sweeping, true))
            context.host->control_loop().Post([self = shared_from_this()] { self->Sweep(); });
          return;
        }
        lock.unlock();
        refused_full.Add(static_cast<int64_t>(n));
        // No delay is named: room may come at any moment, and a batcher that waits inside the process shall see it
        // soon. Receivers tell their clients a delay of their own.
        Error full{Code::kUnavailable, true, Duration{0}, "sending queue is full"};
        LogFailure(full, n, "Exporting failed. Rejecting data.");
        return batch.Refused(full);
      }
    }
    size += cost;
  }
  context.host->ledger().Post({{held_queue, static_cast<int64_t>(n)}});
  Admit(std::move(batch), cost);
}

void ExporterEngine::SetSuccessor(Exporter& successor) {
  auto* engine = dynamic_cast<ExporterEngine*>(&successor);
  if (!engine || shared_->log) return;
  std::lock_guard lock(shared_->mutex);
  shared_->successor = engine->shared_;
}

void Shared::TakeOver(Batch&& batch) {
  uint64_t cost = Cost(batch);
  {
    std::lock_guard lock(mutex);
    size += cost;
  }
  Admit(std::move(batch), cost);
}

// Room was reserved. Without the mutex: resolving tokens runs the receivers' code.
void Shared::Admit(Batch&& batch, uint64_t cost) {
  if (log) return Store(std::move(batch), cost);
  if (options.queue && !options.queue->wait_for_result) batch.StoreTokens();
  auto r = std::make_shared<Request>();
  r->items = batch.items();
  r->cost = cost;
  r->batch = std::move(batch);
  std::vector<RequestPtr> start;
  {
    std::lock_guard lock(mutex);
    Accept(std::move(r), start);
  }
  Begin(start);
}

// With the mutex held. Tokens are resolved by Begin's caller paths only after the lock is gone.
void Shared::Accept(RequestPtr r, std::vector<RequestPtr>& start) {
  size_metric->Set(static_cast<int64_t>(Used()));
  if (options.queue && options.queue->batch) {
    AddToPartition(std::move(r), start);
  } else {
    for (auto& piece : Cut(std::move(r))) Ready(std::move(piece), start);
  }
}

std::string Shared::PartitionKey(const Batch& b) const {
  std::string key;
  for (auto& k : options.queue->batch->partition.metadata_keys) {
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
    p.flush = p.loop->AddTimer(options.queue->batch->flush_timeout, [weak, key, generation = p.generation] {
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
    if (r->group) {
      auto& into = *p.request->group;
      into.entries.insert(into.entries.end(), r->group->entries.begin(), r->group->entries.end());
      into.bytes += r->group->bytes;
      r->group->entries.clear();
    }
  }
  if (static_cast<int64_t>(BatchSize(p.request->batch)) >= std::max<int64_t>(1, options.queue->batch->min_size))
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
  if (options.queue && options.queue->batch && options.queue->batch->max_size > 0) {
    (batch_bytes ? limits.max_bytes : limits.max_items) = static_cast<uint64_t>(options.queue->batch->max_size);
  }
  if (!limits.max_bytes) limits.max_bytes = options.max_request_bytes;
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
    q->group = r->group;
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
  if (!options.queue || in_flight < options.queue->num_consumers) {
    ++in_flight;
    start.push_back(std::move(r));
  } else {
    ready.push_back(std::move(r));
  }
}

void Shared::Finished(const RequestPtr& r) {
  flight_metric->Add(-1);
  r->group.reset();
  std::vector<RequestPtr> start;
  bool wait;
  {
    std::lock_guard lock(mutex);
    --in_flight;
    size -= std::min(size, r->cost);
    if (!successor) size_metric->Set(static_cast<int64_t>(Used()));
    wait = !blocked.empty();
    while (!ready.empty() && in_flight < options.queue->num_consumers) {
      ++in_flight;
      start.push_back(std::move(ready.front()));
      ready.pop_front();
    }
  }
  // At the next turn: a backend that answers inside Send must not build up the stack.
  if (!start.empty()) net::Loop::Current()->Post([self = shared_from_this(), start] { self->Begin(start); });
  if (wait) net::Loop::Current()->Post([self = shared_from_this()] { self->LetIn(); });
  CheckDrained();
}

// Takes senders in that wait for room, as many as there is room for. To be called, on a loop, whenever something has
// left the queue, in whatever way: what waits holds memory, for lack of which nobody else may come and knock.
void Shared::LetIn() {
  std::vector<std::pair<Batch, uint64_t>> admitted;
  std::vector<Batch> gone;
  {
    std::lock_guard lock(mutex);
    uint64_t used = Used();
    while (!blocked.empty()) {
      // When the way through is longer than clients wait, nobody would hear of what is sent, and all of it would come
      // again.
      if (blocked.front().Abandoned()) {
        gone.push_back(std::move(blocked.front()));
        blocked.pop_front();
        continue;
      }
      uint64_t cost = Cost(blocked.front());
      if (used > 0 && used + cost > static_cast<uint64_t>(options.queue->queue_size)) break;
      size += cost;
      used += cost;
      admitted.emplace_back(std::move(blocked.front()), cost);
      blocked.pop_front();
    }
  }
  Forsake(std::move(gone));
  for (auto& [batch, cost] : admitted) Admit(std::move(batch), cost);
}

// Once a second, on the control loop, while somebody waits for room: those whose clients have gone hold memory for
// nothing.
void Shared::Sweep() {
  std::vector<Batch> gone;
  bool again;
  {
    std::lock_guard lock(mutex);
    auto stay = std::stable_partition(blocked.begin(), blocked.end(), [](auto& b) { return !b.Abandoned(); });
    std::move(stay, blocked.end(), std::back_inserter(gone));
    blocked.erase(stay, blocked.end());
    again = sweeping = !blocked.empty();
  }
  Forsake(std::move(gone));
  if (!again) return;
  sweep = context.host->control_loop().AddTimer(std::chrono::seconds(1), [weak = weak_from_this()] {
    if (auto s = weak.lock()) s->Sweep();
  });
}

void Shared::Forsake(std::vector<Batch> batches) {
  for (auto& b : batches) {
    auto n = static_cast<int64_t>(b.items());
    context.host->ledger().Post({{held_queue, -n}, {refused_abandoned, n}});
    b.Refused(kClientGone);
  }
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
    if (!closing || in_flight > 0 || at_disk > 0 || !ready.empty() || !partitions.empty() || !blocked.empty()) return;
    done = std::move(drained);
    drained = nullptr;
  }
  if (!done) return;
  if (uint64_t n = dropped_at_end.exchange(0)) {
    context.log.Error("Not sent before the shutdown deadline. Dropping data.", {{"items", static_cast<int64_t>(n)}});
  }
  auto self = shared_from_this();
  if (log && log->size().records) {
    auto left = log->size();
    context.log.Info("What is not sent stays in the stored queue",
                     {{"requests", static_cast<int64_t>(left.records)}, {"items", static_cast<int64_t>(left.items)}});
  }
  if (log) {
    // What was done is marked on disk before anybody else opens the folder.
    done = [self, done = std::move(done)] {
      self->log->Flush([self, done] { self->context.host->control_loop().Post(done); });
    };
  }
  // Senders hold connections of their loops: each is destroyed on its own.
  context.host->ForEachLoop([self](net::Loop& loop) { self->senders.slot(loop.index()).reset(); },
                            [self, done = std::move(done)] {
                              self->deadline.Cancel();
                              self->sweep.Cancel();
                              done();
                            });
}

void ExporterEngine::Shutdown(MonoTime deadline, std::function<void()> done) {
  auto s = shared_;
  std::vector<RequestPtr> start;
  std::vector<std::pair<Batch, uint64_t>> admitted;
  std::vector<Batch> handed_on;
  {
    std::lock_guard lock(s->mutex);
    s->closing = true;
    s->drained = std::move(done);
    if (s->successor) {
      for (auto& b : s->blocked) handed_on.push_back(std::move(b));
      s->blocked.clear();
    }
    // Senders that wait for room are let in: what was offered before the shutdown is still served.
    for (auto& b : s->blocked) {
      uint64_t cost = s->Cost(b);
      s->size += cost;
      admitted.emplace_back(std::move(b), cost);
    }
    s->blocked.clear();
  }
  for (auto& [batch, cost] : admitted) s->Admit(std::move(batch), cost);
  net::Loop& loop = *net::Loop::Current();
  s->deadline = loop.AddTimer(deadline - loop.Now(), [s] { s->Expire(); });
  if (s->log) {
    // What waits stays in the stored queue; only what is on the wire is waited for.
    s->KeepWaiting();
    return s->EndRetries([s] { s->CheckDrained(); });
  }
  {
    std::lock_guard lock(s->mutex);
    s->FlushAll(start);
    if (s->successor) {
      // In the order in which they came: what was ready, what the flush made ready, what waited for room.
      std::vector<Batch> waiting;
      for (auto& r : s->ready) waiting.push_back(std::move(r->batch));
      for (auto& r : start) waiting.push_back(std::move(r->batch));
      s->ready.clear();
      s->in_flight -= static_cast<int64_t>(start.size());
      start.clear();
      handed_on.insert(handed_on.begin(), std::make_move_iterator(waiting.begin()),
                       std::make_move_iterator(waiting.end()));
    }
  }
  for (auto& b : handed_on) s->successor->TakeOver(std::move(b));
  if (s->successor) return s->EndRetries([s] { s->CheckDrained(); });
  s->Begin(start);
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
  EndRetries([self] {
    // Closing the senders fails what is on the wire.
    self->context.host->ForEachLoop([self](net::Loop& loop) { self->senders.slot(loop.index()).reset(); },
                                    [self] { self->CheckDrained(); });
  });
}

}  // namespace naru::pipeline
