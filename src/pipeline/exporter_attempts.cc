// The way of a request to the backend: attempts, retries, examination of what is refused for good, and how it ends.
#include <algorithm>

#include "otlp/validate.h"
#include "pipeline/exporter_state.h"

namespace naru::pipeline {

using Shared = ExporterEngine::Shared;

namespace {

uint64_t UnfitItems(const SendResult& result) {
  uint64_t n = 0;
  for (auto& u : result.unfit) n += u.items;
  return n;
}

}  // namespace

// Without the mutex: resolves what is stored, and sends.
void Shared::Begin(const std::vector<RequestPtr>& start) {
  for (auto& r : start) {
    auto n = static_cast<int64_t>(r->items);
    context.host->ledger().Post({{held_queue, -n}, {held_flight, n}});
    flight_metric->Add(1);
    if (context.host->metrics().detailed()) {
      send_size->Record(static_cast<double>(n));
      send_bytes->Record(static_cast<double>(r->batch.bytes()));
    }
    r->first = net::Loop::Current()->Now();
    r->interval = options.retry.initial_interval;
    if (context.host->tracer().on() && !context.own) StartSpan(*r);
    if (r->batch.Abandoned()) {
      GiveUp(r, kClientGone, "abandoned");
    } else {
      Attempt(r);
    }
  }
}

// Named as the reference names it; a child of the receiver's span when the batch is of one request.
void Shared::StartSpan(Request& r) {
  const auto& client = r.batch.client();
  r.span = context.host->tracer().Start(fmt::format("exporter/{}/{}", context.id, otlp::Names(context.signal).name),
                                        SpanKind::kClient, client ? &client->span : nullptr);
  if (!r.span || !context.host->tracer().propagates()) return;
  // What the sender puts into the request's headers.
  auto info = client ? std::make_shared<ClientInfo>(*client) : std::make_shared<ClientInfo>();
  info->span = r.span.context();
  r.batch.set_client(std::move(info));
}

void Shared::Attempt(const RequestPtr& r) {
  auto& sender = senders.mine();
  if (!sender) sender = factory(*net::Loop::Current());
  auto self = shared_from_this();
  sender->Send(r->batch, [self, r](SendResult result) { self->Attempted(r, std::move(result)); });
}

void Shared::Attempted(const RequestPtr& r, SendResult result) {
  if (result.ok()) return Deliver(r, std::move(result));
  if (!result.ends.empty()) {
    KeepRest(r, result);
    if (r->items == 0) {
      r->span.End();
      return Finished(r);
    }
  }
  bool late;
  {
    std::lock_guard lock(mutex);
    late = expired || (closing && (r->group || successor) && result.error.retryable);
  }
  if (late) return GiveUp(r, result.error, "shutdown");
  if (result.error.retryable) return Retry(r, result.error);
  Examine(r, result.error);
}

void Shared::BookUnfit(const SendResult& result) {
  for (auto& u : result.unfit) {
    auto n = static_cast<int64_t>(u.items);
    Error why{Code::kInvalidArgument, false, Duration{0}, u.message};
    context.host->ledger().Post({{held_flight, -n}, {Dropped(u.reason, &why), n}});
    LogFailure(why, u.items, "Records have no form at this backend. Dropping them.");
  }
}

// Takes out of the request what ended; what a failed attempt left stays. Returns the items that were sent or rejected.
uint64_t Shared::EndParts(const RequestPtr& r, SendResult& result) {
  Error why{Code::kInvalidArgument, false, Duration{0}, result.message};
  if (!result.unfit.empty()) why.message = result.unfit[0].message;
  auto client = r->batch.client();
  std::vector<Part> parts = r->batch.TakeParts();
  Batch rest(context.signal);
  rest.set_client(std::move(client));
  uint64_t fit = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    Part& p = parts[i];
    auto& end = result.ends[i];
    fit += p.items - end.left - end.unfit;
    if (p.token) {
      p.token.Dropped(end.unfit + end.rejected, why);
      p.token.Split(p.items - end.left - end.unfit - end.rejected).Delivered();
    }
    if (end.left == 0) continue;
    if (p.token) {
      rest.Append(std::move(end.rest), std::move(p.token));
    } else {
      rest.Append(std::move(end.rest), end.left);
    }
  }
  r->batch = std::move(rest);
  r->items = r->batch.items();
  return fit;
}

// A failed attempt that got something across, or found items that have no form: the rest is tried again.
void Shared::KeepRest(const RequestPtr& r, SendResult& result) {
  BookUnfit(result);
  uint64_t fit = EndParts(r, result);
  BookSent(fit, std::min(result.rejected, fit), result.message);
}

// Of `n` items that are no longer under way.
void Shared::BookSent(uint64_t n, uint64_t rejected, const std::string& message) {
  auto all = static_cast<int64_t>(n), not_taken = static_cast<int64_t>(rejected);
  if (!rejected) return context.host->ledger().Post({{held_flight, -all}, {sent, all}});
  context.host->ledger().Post(
      {{held_flight, -all}, {sent, all - not_taken}, {Dropped("rejected_by_backend"), not_taken}});
  LogFailure(Error{Code::kInvalidArgument, false, Duration{0}, message}, rejected, "the backend rejected records");
}

void Shared::Deliver(const RequestPtr& r, SendResult result) {
  uint64_t unfit = std::min(r->items, UnfitItems(result)), fit = r->items - unfit;
  uint64_t rejected = std::min(result.rejected, fit);
  Fare(ComponentStatus::kOk, {});
  r->span.Set("items.sent", static_cast<int64_t>(fit - rejected));
  r->span.Set("items.failed", static_cast<int64_t>(unfit + rejected));
  r->span.End();
  BookUnfit(result);
  BookSent(fit, rejected, result.ends.empty() ? "partial success: " + result.message : result.message);
  if (!rejected && !result.message.empty())
    context.log.Warn("the backend took everything and warns", {{"message", result.message}});
  if (result.ends.empty()) {
    r->batch.Delivered();
  } else {
    EndParts(r, result);
  }
  Finished(r);
}

void Shared::Retry(const RequestPtr& r, const Error& error) {
  if (!options.retry.enabled) return GiveUp(r, error, "send_failed");
  if (r->batch.Abandoned()) return GiveUp(r, error, "abandoned");
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
  LogFailure(error, r->items, "Exporting failed. Will retry the request after interval.", LogLevel::kInfo);
  Fare(ComponentStatus::kRecoverableError, error);
  r->span.Event("Exporting failed. Will retry the request after interval.");
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
  r->span.Set("items.sent", int64_t{0});
  r->span.Set("items.failed", n);
  r->span.Fail(error.message);
  r->span.End();
  if (r->group && reason == "shutdown") {
    context.host->ledger().Post({{held_flight, -n}, {held_queue, n}});
    Keep(r);
    return Finished(r);
  }
  if (successor && reason == "shutdown") {
    context.host->ledger().Post({{held_flight, -n}, {held_queue, n}});
    successor->TakeOver(std::move(r->batch));
    return Finished(r);
  }
  // What nobody upstream waits for is dropped here; where somebody does (no queue, wait_for_result), a retryable
  // failure is given back.
  bool has_tokens =
      std::any_of(r->batch.parts().begin(), r->batch.parts().end(), [](auto& p) { return bool(p.token); });
  if (has_tokens && error.retryable) {
    context.host->ledger().Post(
        {{held_flight, -n}, {reason == "abandoned" ? refused_abandoned : RefusedFailed(error), n}});
    LogFailure(error, r->items, "Exporting failed. Rejecting data.");
    r->batch.Refused(error);
  } else {
    context.host->ledger().Post({{held_flight, -n}, {Dropped(reason, &error), n}});
    if (reason == "shutdown") {
      dropped_at_end.fetch_add(r->items);  // told once, when all has ended
    } else {
      LogFailure(error, r->items, "Exporting failed. Dropping data.");
    }
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
  // What the backend says of the data is no fault of the exporter.
  if (!data_fault) Fare(ComponentStatus::kPermanentError, error);
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
    context.host->ledger().Post({{held_flight, -n}, {Dropped("malformed", &error), n}});
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
    q->group = r->group;
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

void Shared::Fare(ComponentStatus status, const Error& error) {
  if (fares.load(std::memory_order_relaxed) == status || context.own) return;
  if (fares.exchange(status) == status) return;
  context.host->status().Report({"exporter", context.id, owner.signal}, status, error.message);
}

void Shared::LogFailure(const Error& error, uint64_t items, std::string_view what, LogLevel level) {
  Failure since;
  {
    std::lock_guard lock(mutex);
    // Causes differ by what they say; ports and counts in messages could make endless ones, so there are at most 64.
    std::string cause = fmt::format("{}|{}|{}", what, CodeName(error.code), error.message.substr(0, 120));
    if (failures.size() >= 64 && !failures.count(cause)) failures.clear();
    Failure& f = failures[cause];
    ++f.times;
    f.items += items;
    MonoTime now = net::Loop::Current()->Now();
    if (f.last != MonoTime() && now - f.last < std::chrono::seconds(10)) return;
    since = std::exchange(f, Failure{now, 0, 0});
  }
  context.log.Log(level, what,
                  {{"error", fmt::format("{}: {}", CodeName(error.code), error.message)},
                   {"items", static_cast<int64_t>(since.items)},
                   {"times", static_cast<int64_t>(since.times)}});
}

// Requests that wait for a retry end now.
void Shared::EndRetries(std::function<void()> done) {
  auto self = shared_from_this();
  context.host->ForEachLoop(
      [self](net::Loop& loop) {
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
      },
      std::move(done));
}

}  // namespace naru::pipeline
