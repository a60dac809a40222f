#include "pipeline/ack.h"

#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "pipeline/batch.h"
#include "pipeline/ledger.h"

namespace naru::pipeline {
namespace {

class RecordingAck final : public Ack {
 public:
  explicit RecordingAck(std::optional<Outcome>* out, int* destroyed = nullptr) : out_(out), destroyed_(destroyed) {}
  ~RecordingAck() override {
    if (destroyed_) ++*destroyed_;
  }
  void OnResolved(const Outcome& o) override {
    EXPECT_FALSE(out_->has_value()) << "resolved twice";
    *out_ = o;
  }

 private:
  std::optional<Outcome>* out_;
  int* destroyed_;
};

const Error kBusy{Code::kUnavailable, true, std::chrono::seconds(3), "busy"};
const Error kBad{Code::kInvalidArgument, false, Duration{0}, "bad"};

TEST(Token, ResolvesOnceAllItemsAre) {
  std::optional<Outcome> out;
  int destroyed = 0;
  {
    Token t(new RecordingAck(&out, &destroyed), 10);
    Token part = t.Split(4);
    EXPECT_EQ(part.items(), 4u);
    part.Delivered();
    EXPECT_FALSE(out);
    t.Filtered(1);
    t.Dropped(2, kBad);
    EXPECT_EQ(t.items(), 3u);
    t.Stored();
  }
  ASSERT_TRUE(out);
  EXPECT_EQ(out->delivered, 4u);
  EXPECT_EQ(out->filtered, 1u);
  EXPECT_EQ(out->dropped, 2u);
  EXPECT_EQ(out->stored, 3u);
  EXPECT_EQ(out->error.message, "bad");
  EXPECT_EQ(destroyed, 1);
}

TEST(Token, RetryableRefusalOutweighsPermanentOneAndDrops) {
  std::optional<Outcome> out;
  Token t(new RecordingAck(&out), 3);
  Token a = t.Split(1), b = t.Split(1);
  t.Dropped(kBad);
  a.Refused(kBad);
  b.Refused(kBusy);
  ASSERT_TRUE(out);
  EXPECT_EQ(out->refused, 2u);
  EXPECT_EQ(out->error.message, "busy");
  EXPECT_EQ(out->error.retry_after, std::chrono::seconds(3));
}

TEST(Token, ForkJoinsItsCopies) {
  struct Case {
    const char* name;
    void (*resolve)(Token& a, Token& b);
    uint64_t Outcome::*field;
    uint64_t expected;
  };
  const Case cases[] = {
      {"both delivered",
       [](Token& a, Token& b) {
         a.Delivered();
         b.Delivered();
       },
       &Outcome::delivered, 5},
      {"one stored",
       [](Token& a, Token& b) {
         a.Delivered();
         b.Stored();
       },
       &Outcome::stored, 5},
      {"one refused",
       [](Token& a, Token& b) {
         a.Delivered();
         b.Refused(kBusy);
       },
       &Outcome::refused, 5},
      {"one dropped",
       [](Token& a, Token& b) {
         a.Dropped(kBad);
         b.Delivered();
       },
       &Outcome::dropped, 5},
      {"filtered in one only",
       [](Token& a, Token& b) {
         a.Filtered(5);
         b.Delivered();
       },
       &Outcome::delivered, 5},
      {"filtered in both",
       [](Token& a, Token& b) {
         a.Filtered(5);
         b.Filtered(5);
       },
       &Outcome::filtered, 5},
  };
  for (auto& c : cases) {
    SCOPED_TRACE(c.name);
    std::optional<Outcome> out;
    Token t(new RecordingAck(&out), 5);
    auto copies = t.Fork(2);
    ASSERT_EQ(copies.size(), 2u);
    c.resolve(copies[0], copies[1]);
    ASSERT_TRUE(out);
    EXPECT_EQ((*out).*c.field, c.expected);
  }
}

TEST(Token, ResolvesFromManyThreads) {
  std::optional<Outcome> out;
  Token t(new RecordingAck(&out), 4000);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([part = t.Split(1000)]() mutable {
      while (part) {
        Token one = part.Split(1);
        one.Delivered();
      }
    });
  }
  for (auto& th : threads) th.join();
  ASSERT_TRUE(out);
  EXPECT_EQ(out->delivered, 4000u);
}

TEST(Token, ZeroItemsResolveAtOnce) {
  std::optional<Outcome> out;
  int destroyed = 0;
  { Token t(new RecordingAck(&out, &destroyed), 0); }
  EXPECT_TRUE(out);
  EXPECT_EQ(destroyed, 1);
}

TEST(TokenDeathTest, LeavingItemsUnresolvedIsABug) {
  std::optional<Outcome> out;
#ifndef NDEBUG
  EXPECT_DEATH({ Token t(new RecordingAck(&out), 1); }, "unresolved");
#else
  uint64_t before = Ack::LostItems();
  { Token t(new RecordingAck(&out), 1); }
  EXPECT_EQ(Ack::LostItems(), before + 1);
#endif
}

TEST(Batch, ForkSharesBytesAndJoinsTokens) {
  std::optional<Outcome> first, second;
  Batch b(Signal::kLogs, Slice::CopyOf("abc"), Token(new RecordingAck(&first), 2));
  b.Append(Slice::CopyOf("de"), Token(new RecordingAck(&second), 3));
  EXPECT_EQ(b.items(), 5u);
  EXPECT_EQ(b.bytes(), 5u);
  auto copies = b.Fork(2);
  EXPECT_TRUE(b.empty());
  EXPECT_EQ(copies[0].parts()[0].bytes.data(), copies[1].parts()[0].bytes.data());
  EXPECT_EQ(copies[1].Join().view(), "abcde");
  copies[0].Delivered();
  EXPECT_FALSE(first);
  copies[1].Refused(kBusy);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->refused, 2u);
  EXPECT_EQ(second->refused, 3u);
}

// A consumer that takes or refuses, as told.
class Exit final : public Consumer {
 public:
  void Consume(Batch&& b) override {
    ++offers;
    if (busy) return b.Refused(kBusy);
    taken += b.items();
    b.Stored();
  }
  bool busy = false;
  int offers = 0;
  uint64_t taken = 0;
};

TEST(FanOut, RemembersWhatIsTakenBehindOtherFanOuts) {
  Exit first, good, bad, last;
  bad.busy = true;
  FanOut below({&good, &bad}), out({&first, &below, &last});
  TakenPtr taken;
  auto offer = [&] {
    std::optional<Outcome> got;
    auto* ack = new RecordingAck(&got);
    ack->SetTaken(taken);
    Token t(ack, 5);
    Batch b(Signal::kLogs, Slice::CopyOf("abc"), t.Split(2));
    b.Append(Slice::CopyOf("de"), std::move(t));
    out.Consume(std::move(b));
    taken = got->taken;
    return *got;
  };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(offer().refused, 5u);
  EXPECT_EQ(Taken::All(taken), 5u) << "the second has not taken it";
  EXPECT_EQ(Taken::All(Taken::Below(taken, 1)), 1u) << "but its first has";
  bad.busy = false;
  EXPECT_TRUE(offer().ok());
  for (auto* e : {&first, &good, &bad, &last}) EXPECT_EQ(e->taken, 5u);
  EXPECT_EQ(bad.offers, 6);
  EXPECT_EQ(good.offers, 1);
}

TEST(Taken, BothHaveWhatEachHas) {
  auto make = [](uint64_t all, std::vector<std::pair<size_t, TakenPtr>> below = {}) {
    return std::make_shared<const Taken>(Taken{all, std::move(below)});
  };
  EXPECT_EQ(Taken::Both(nullptr, make(3)), nullptr);
  EXPECT_EQ(Taken::Both(make(3), make(6))->all, 2u);
  // What has a branch wholly has what is below it.
  auto both = Taken::Both(make(1, {{1, make(4)}}), make(2, {{0, make(8)}}));
  EXPECT_EQ(both->all, 0u);
  EXPECT_EQ(Taken::All(Taken::Below(both, 0)), 8u);
  EXPECT_EQ(Taken::All(Taken::Below(both, 1)), 4u);
}

TEST(FanOut, OffersAgainOnlyWhereItWasRefused) {
  Exit quick, slow, other;
  slow.busy = other.busy = true;
  FanOut out({&quick, &slow, &other});
  TakenPtr taken;
  auto offer = [&] {
    std::optional<Outcome> got;
    auto* ack = new RecordingAck(&got);
    ack->SetTaken(taken);
    Token t(ack, 5);
    Batch b(Signal::kLogs, Slice::CopyOf("abc"), t.Split(2));
    b.Append(Slice::CopyOf("de"), std::move(t));
    out.Consume(std::move(b));
    taken = got->taken;
    return *got;
  };
  EXPECT_EQ(offer().refused, 5u);
  EXPECT_EQ(Taken::All(taken), 1u);
  EXPECT_EQ(offer().refused, 5u);
  other.busy = false;
  EXPECT_EQ(offer().refused, 5u);
  EXPECT_EQ(Taken::All(taken), 5u);
  EXPECT_EQ(offer().refused, 5u);
  slow.busy = false;
  EXPECT_EQ(offer().stored, 5u);
  EXPECT_EQ(quick.offers, 1);
  EXPECT_EQ(other.offers, 3);
  EXPECT_EQ(slow.offers, 5);
  EXPECT_EQ(quick.taken, 5u);
  EXPECT_EQ(slow.taken, 5u);
  EXPECT_EQ(other.taken, 5u);
}

TEST(Batch, ReplaceTokensHandsTheOldOnesOver) {
  std::optional<Outcome> client, queue;
  Batch b(Signal::kTraces, Slice::CopyOf("x"), Token(new RecordingAck(&client), 7));
  auto old = b.ReplaceTokens(new RecordingAck(&queue));
  for (auto& t : old) t.Stored();
  ASSERT_TRUE(client);
  EXPECT_EQ(client->stored, 7u);
  EXPECT_EQ(b.items(), 7u);
  b.Delivered();
  ASSERT_TRUE(queue);
  EXPECT_EQ(queue->delivered, 7u);
}

TEST(Ledger, SnapshotsAreBalanced) {
  Ledger ledger;
  Owner owner{"exporter", "otlp", "traces", "", ""};
  Counter in = ledger.Open(owner, Entry::kEntered), held = ledger.Open(owner, Entry::kHeld, "queue"),
          sent = ledger.Open(owner, Entry::kSent);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        ledger.Post({{in, 5}, {held, 5}});
        ledger.Post({{held, -5}, {sent, 5}});
      }
    });
  }
  for (int i = 0; i < 2000; ++i) {
    std::map<Entry, int64_t> v;
    for (auto& line : ledger.Snapshot()) v[line.entry] += line.value;
    ASSERT_EQ(v[Entry::kEntered], v[Entry::kHeld] + v[Entry::kSent]);
  }
  stop = true;
  for (auto& t : threads) t.join();
}

TEST(Ledger, SameOwnerSameCounterAndBoundedReasons) {
  Ledger ledger;
  Owner owner{"processor", "filter", "logs", "logs", ""};
  ledger.Open(owner, Entry::kDropped, "x").Add(1);
  ledger.Open(owner, Entry::kDropped, "x").Add(2);
  EXPECT_EQ(ledger.Snapshot().at(0).value, 3);
  for (size_t i = 0; i < Ledger::kMaxCounters + 100; ++i) ledger.Open(owner, Entry::kDropped, std::to_string(i)).Add(1);
  EXPECT_LE(ledger.Snapshot().size(), Ledger::kMaxCounters + 1);
}

}  // namespace
}  // namespace naru::pipeline
