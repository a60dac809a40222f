// Rules of processors and connectors: what becomes of items between a sender and what follows.
#include <map>

#include "otlp/scan.h"
#include "otlp/validate.h"
#include "testkit/contract_rules.h"
#include "testkit/requests.h"

namespace naru::testkit {
namespace {

using pipeline::Kind;
using namespace std::chrono_literals;

const std::vector<Kind> kMiddle = {Kind::kProcessor, Kind::kConnector};

// What was sent in a flow.
struct Sent {
  std::vector<std::shared_ptr<Heard>> heard;
  uint64_t items = 0;

  uint64_t Sum(uint64_t pipeline::Outcome::*field) const {
    uint64_t n = 0;
    for (auto& h : heard) n += h->outcome.*field;
    return n;
  }
};

// Some batches of one to three parts, on both loops, while time passes; more of `out`.
Sent SendSome(Rig& rig, const Flow& flow, int batches, Sent out = {}) {
  auto& random = rig.world().random();
  for (int i = 0; i < batches; ++i) {
    pipeline::Batch batch(flow.from);
    for (uint64_t parts = 1 + random.Below(3); parts > 0; --parts) {
      uint64_t n = 1 + random.Below(20);
      auto heard = std::make_shared<Heard>();
      batch.Append(NumberedRequest(flow.from, out.items, n), TokenFor(heard, n));
      out.heard.push_back(std::move(heard));
      out.items += n;
    }
    rig.Send(static_cast<size_t>(i) % 2, std::move(batch));
    rig.world().RunFor(std::chrono::milliseconds(random.Below(60)));
  }
  return out;
}

// What arrived is valid, counted rightly, and (unless it was offered again) nothing is there twice.
void ExpectContent(Trial& t, Rig& rig, const Flow& flow, bool once) {
  std::map<uint64_t, int> numbers;
  for (auto& a : rig.probe().arrivals) {
    t.Expect(a.signal == flow.to, "a batch of another signal came out");
    uint64_t items = 0;
    for (size_t i = 0; i < a.parts.size(); ++i) {
      items += a.part_items[i];
      otlp::Verdict v = otlp::Validate(flow.to, a.parts[i].view());
      t.Expect(v.ok(), fmt::format("what came out is no valid OTLP: {}", otlp::FlawText(v.flaw)));
      uint64_t counted = otlp::Count(flow.to, a.parts[i].view()).items;
      t.Expect(counted == a.part_items[i],
               fmt::format("a part that says {} items came out with {}", a.part_items[i], counted));
      if (flow.from != flow.to || !a.taken) continue;
      for (uint64_t n : NumbersIn(a.parts[i].view())) ++numbers[n];
    }
    t.Expect(items == a.items, "a batch counts other items than its parts");
  }
  int twice = 0;
  for (auto& [number, times] : numbers) twice += times > 1;
  if (once) t.Expect(twice == 0, fmt::format("{} records came out twice", twice));
}

// Everything that went in came out, was removed, dropped or refused; and what the sender was told fits the books.
void ExpectConservation(Trial& t, Rig& rig, const Flow& flow, const Sent& sent) {
  ExpectHeard(t, sent.heard);
  ExpectBalance(t, rig);
  Books b = rig.books();
  t.Expect(b.entered == static_cast<int64_t>(sent.items), "the books do not have what went in");
  auto said = [&](uint64_t n, int64_t booked, std::string_view what) {
    t.Expect(static_cast<int64_t>(n) <= booked,
             fmt::format("the sender was told that {} items were {}, and {} are booked", n, what, booked));
  };
  said(sent.Sum(&pipeline::Outcome::filtered), b.filtered, "filtered");
  if (flow.from != flow.to) return;
  auto out = static_cast<int64_t>(rig.probe().taken_items());
  auto kept = static_cast<int64_t>(sent.items - sent.Sum(&pipeline::Outcome::refused)) - b.filtered - b.dropped;
  t.Expect(out == kept, fmt::format("{} items came out and were taken; of {} that went in, {} should have ({})", out,
                                    sent.items, kept, b.ToString()));
}

void EveryItemIsSettledOnce(Trial& t) {
  ForEachFlow(t, 4, [&](Rig& rig, const Flow& flow) {
    rig.probe().answer = flow.seed % 2 ? Probe::Answer::kDeliver : Probe::Answer::kStore;
    Sent sent = SendSome(rig, flow, 25);
    rig.world().RunFor(1min);
    StopInTime(t, rig, 5s);
    ExpectConservation(t, rig, flow, sent);
    ExpectContent(t, rig, flow, true);
    // Nobody below refused or dropped anything.
    Books b = rig.books();
    auto refused = static_cast<int64_t>(sent.Sum(&pipeline::Outcome::refused)),
         dropped = static_cast<int64_t>(sent.Sum(&pipeline::Outcome::dropped));
    t.Expect(refused == b.refused, fmt::format("{} items were refused, {} are booked", refused, b.refused));
    t.Expect(dropped <= b.dropped, fmt::format("{} items were dropped, {} are booked", dropped, b.dropped));
  });
}

void RefusalsBelowAreAnswered(Trial& t) {
  // For a while: they go back as they came, or the component tries again and loses nothing.
  ForEachFlow(t, 3, [&](Rig& rig, const Flow& flow) {
    Error busy{Code::kUnavailable, true, 2s, "busy for two seconds"};
    rig.probe().refusal = busy;
    rig.probe().refuse_first = 4;
    Sent sent = SendSome(rig, flow, 12);
    rig.world().RunFor(5min);
    StopInTime(t, rig, 5s);
    ExpectConservation(t, rig, flow, sent);
    ExpectContent(t, rig, flow, true);
    t.Expect(rig.books().dropped == 0, "what was refused for a while below was dropped: " + rig.books().ToString());
    for (auto& h : sent.heard) {
      const Error& e = h->outcome.error;
      if (h->outcome.refused == 0) continue;
      t.Expect(e.retryable && e.code == busy.code, "a refusal that can be retried went back as one that cannot");
      if (e.message == busy.message)
        t.Expect(e.retry_after == busy.retry_after, "the delay that was asked for is gone");
    }
  });
  // For good.
  ForEachFlow(t, 2, [&](Rig& rig, const Flow& flow) {
    Error never{Code::kInvalidArgument, false, Duration{0}, "never"};
    rig.probe().refusal = never;
    rig.probe().answer = Probe::Answer::kRefuse;
    Sent sent = SendSome(rig, flow, 12);
    rig.world().RunFor(1min);
    size_t offered = rig.probe().arrivals.size();
    rig.world().RunFor(10min);
    t.Expect(rig.probe().arrivals.size() == offered, "what was refused for good is offered again and again");
    StopInTime(t, rig, 5s);
    ExpectConservation(t, rig, flow, sent);
    for (auto& h : sent.heard) {
      if (h->outcome.refused) t.Expect(!h->outcome.error.retryable, "a refusal for good went back as one to retry");
    }
  });
}

void LateAnswersBelowAreHeard(Trial& t) {
  ForEachFlow(t, 3, [&](Rig& rig, const Flow& flow) {
    rig.probe().answer = Probe::Answer::kKeep;
    Sent sent = SendSome(rig, flow, 15);
    // From the other loop, and again for what comes then.
    for (int i = 0; i < 200; ++i) {
      rig.world().RunFor(100ms);
      rig.world().On(1, [&] { rig.probe().SettleKept(); });
    }
    rig.probe().answer = Probe::Answer::kDeliver;
    StopInTime(t, rig, 5s);
    ExpectConservation(t, rig, flow, sent);
    ExpectContent(t, rig, flow, true);
  });
}

void EmptyBatchesLeaveNothing(Trial& t) {
  ForEachFlow(t, 1, [&](Rig& rig, const Flow& flow) {
    rig.Send(0, pipeline::Batch(flow.from));
    auto heard = rig.Send(1, Slice(), 0);
    rig.Send(0, NumberedRequest(flow.from, 0, 0), 0);
    pipeline::Batch mixed(flow.from);
    auto full = std::make_shared<Heard>();
    mixed.Append(Slice(), pipeline::Token());
    mixed.Append(NumberedRequest(flow.from, 0, 3), TokenFor(full, 3));
    rig.Send(0, std::move(mixed));
    rig.world().RunFor(1min);
    StopInTime(t, rig, 5s);
    ExpectConservation(t, rig, flow, Sent{{heard, full}, 3});
  });
}

void HostileBytesAreSettled(Trial& t) {
  ForEachFlow(t, 2, [&](Rig& rig, const Flow& flow) {
    std::vector<std::shared_ptr<Heard>> heard;
    size_t loop = 0;
    for (auto& h : HostileRequests(flow.from, rig.world().random())) {
      pipeline::Batch batch(flow.from);
      heard.push_back(std::make_shared<Heard>());
      batch.Append(h.bytes, TokenFor(heard.back(), h.items));
      // A neighbour in the same batch.
      heard.push_back(std::make_shared<Heard>());
      batch.Append(NumberedRequest(flow.from, 0, 2), TokenFor(heard.back(), 2));
      rig.Send(++loop % 2, std::move(batch));
      if (loop % 8 == 0) rig.world().RunFor(1s);
    }
    rig.world().RunFor(1min);
    StopInTime(t, rig, 5s);
    ExpectHeard(t, heard);
    ExpectBalance(t, rig);
  });
}

void NothingIsHeldAfterTheStop(Trial& t) {
  ForEachFlow(t, 4, [&](Rig& rig, const Flow& flow) {
    using Answer = Probe::Answer;
    constexpr Answer kAnswers[] = {Answer::kDeliver, Answer::kRefuse, Answer::kKeep, Answer::kDrop};
    rig.probe().answer = kAnswers[(flow.seed - 1) % 4];
    Sent sent = SendSome(rig, flow, 8);
    StopInTime(t, rig, 2s);
    if (rig.probe().answer != Answer::kKeep) {
      ExpectHeard(t, sent.heard);
    } else {
      // The answer comes when the component is gone.
      rig.Destroy();
      rig.probe().answer = Answer::kDeliver;
      rig.world().On(1, [&] { rig.probe().SettleKept(); });
      rig.world().RunFor(1min);
      ExpectHeard(t, sent.heard);
    }
    ExpectBalance(t, rig);
  });
}

// At a reload the new one runs before the old one is stopped.
void ASuccessorRunsBesideIt(Trial& t) {
  ForEachFlow(t, 2, [&](Rig& rig, const Flow& flow) {
    Sent sent = SendSome(rig, flow, 8);
    if (auto s = rig.Succeed(t.factory(), *flow.config, flow.from, flow.to); !s)
      return t.Breach("a second one does not start: " + s.error().message);
    sent = SendSome(rig, flow, 8, std::move(sent));
    t.Expect(rig.StopFirst(2s), "Shutdown was not done by its deadline");
    sent = SendSome(rig, flow, 8, std::move(sent));
    rig.world().RunFor(1min);
    StopInTime(t, rig, 2s);
    ExpectConservation(t, rig, flow, sent);
    ExpectContent(t, rig, flow, true);
  });
}

}  // namespace

void AddFlowRules(std::vector<RuleEntry>& rules) {
  rules.push_back({{"EveryItemIsSettledOnce", "what goes in comes out as valid OTLP, once, or is booked"},
                   kMiddle,
                   EveryItemIsSettledOnce});
  rules.push_back(
      {{"RefusalsBelowAreAnswered", "a refusal goes back as it came, or the component answers for the items"},
       kMiddle,
       RefusalsBelowAreAnswered});
  rules.push_back({{"LateAnswersBelowAreHeard", "what follows may answer later, on another loop"},
                   kMiddle,
                   LateAnswersBelowAreHeard});
  rules.push_back(
      {{"EmptyBatchesLeaveNothing", "batches and parts without items do no harm"}, kMiddle, EmptyBatchesLeaveNothing});
  rules.push_back(
      {{"HostileBytesAreSettled", "bytes that are no OTLP are settled too"}, kMiddle, HostileBytesAreSettled});
  rules.push_back({{"NothingIsHeldAfterTheStop", "at the stop, what is held is handed on or booked"},
                   kMiddle,
                   NothingIsHeldAfterTheStop});
  rules.push_back({{"ASuccessorRunsBesideIt", "a second one may start before the first has stopped"},
                   kMiddle,
                   ASuccessorRunsBesideIt});
}

}  // namespace naru::testkit
