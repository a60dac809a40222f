// Completions: what became of every item of telemetry.
//
// A Token stands for some items of one Ack. Whoever owns the items owns their token and must resolve it exactly once:
// delivered, stored, filtered, dropped (with a reason) or refused. Tokens are cut (Split) when batches are, and copied
// (Fork) when data fans out. When every item of an Ack is resolved, its owner hears the Outcome: a receiver answers its
// client, a batch or queue decides about another try. A token destroyed unresolved is a bug: it ends debug builds and
// counts as `lost` in release builds.
//
// Threads: an Ack may be resolved from any thread, by several at once; OnResolved runs on the thread that resolved the
// last item.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/result.h"

namespace naru::pipeline {

struct Taken;
/// Null: nobody has the items yet.
using TakenPtr = std::shared_ptr<const Taken>;

/// Which branches of the next fan-out have some items already, and of those that do not, the branches further down that
/// have. Immutable.
struct Taken {
  uint64_t all = 0;  // branches that have them wholly, as bits; the first 64 are told apart
  std::vector<std::pair<size_t, TakenPtr>> below;  // of other branches
  /// What is below a branch; null when nothing is known.
  static TakenPtr Below(const TakenPtr& t, size_t branch);
  /// What both have.
  static TakenPtr Both(const TakenPtr& a, const TakenPtr& b);
  static uint64_t All(const TakenPtr& t) { return t ? t->all : 0; }
};

/// How the items of an Ack ended. Counts add up to the items that the Ack was made for.
struct Outcome {
  uint64_t delivered = 0;  // a backend answered that it has them, or a consumer took them for good
  uint64_t stored = 0;     // they are in a queue that answers for them from here on
  uint64_t filtered = 0;   // removed on purpose by configuration
  uint64_t dropped = 0;    // given up and counted, with a reason; trying again cannot help
  uint64_t refused = 0;    // not taken; the sender still has them
  uint64_t lost = 0;       // tokens destroyed unresolved (a bug in naru)
  /// When items were refused behind a fan-out: its branches, and those of fan-outs behind it, that took them all the
  /// same. Who offers the items again says so by Ack::SetTaken, and they are not sent there twice.
  TakenPtr taken;
  /// Why items were refused, else why they were dropped; code kOk when neither. A retryable refusal outweighs a
  /// permanent one, so that nothing retryable is given up.
  Error error{Code::kOk, false, Duration{0}, {}};

  bool ok() const { return refused == 0 && dropped == 0 && lost == 0; }
};

/// The shared state behind tokens; reference-counted by them. Derive and say what happens at the end.
class Ack {
 public:
  Ack() = default;
  Ack(const Ack&) = delete;
  Ack& operator=(const Ack&) = delete;

  /// Total of items whose tokens were destroyed unresolved since the process started.
  static uint64_t LostItems();
  /// While one lives, such tokens are counted in debug builds too instead of ending them: for tests of components that
  /// lose some. Any thread.
  class CountLosses {
   public:
    CountLosses();
    ~CountLosses();
    CountLosses(const CountLosses&) = delete;
  };

  /// The sender has gone and hears no outcome: who has not taken the items yet need not, for they count as not taken.
  /// Any thread.
  void Abandon() { abandoned_.store(true, std::memory_order_relaxed); }
  virtual bool Abandoned() const { return abandoned_.load(std::memory_order_relaxed); }

  /// Branches of the next fan-out that have the items already, from an earlier Outcome. Before the first token.
  void SetTaken(TakenPtr branches) { taken_ = std::move(branches); }

 protected:
  virtual ~Ack() = default;
  /// Called once, when the last item is resolved. The Ack is destroyed after it returns, unless OnUnreferenced is
  /// overridden.
  virtual void OnResolved(const Outcome& outcome) = 0;
  /// The last token is gone. The default deletes the Ack; owners that hold it by other means override it.
  virtual void OnUnreferenced() { delete this; }

 private:
  friend class Token;
  void Resolve(uint64_t n, uint64_t Outcome::*field, const Error* error, const TakenPtr& taken);
  void Ref() { tokens_.fetch_add(1, std::memory_order_relaxed); }
  void Unref();

  std::atomic<uint32_t> tokens_{0};
  std::atomic<uint64_t> open_{0};  // items not resolved yet
  std::atomic<bool> abandoned_{false};
  TakenPtr taken_;
  std::mutex mutex_;  // guards outcome_
  Outcome outcome_;
};

/// Ownership of items until they are resolved. Move-only. An empty token (items() == 0) needs no resolution.
class Token {
 public:
  Token() = default;
  /// The first token of `ack`, for all of its `items`. Call once an Ack; the token (and those cut from it) own the Ack
  /// from here on.
  Token(Ack* ack, uint64_t items);
  Token(Token&& o) noexcept : ack_(std::exchange(o.ack_, nullptr)), items_(std::exchange(o.items_, 0)) {}
  Token& operator=(Token&& o) noexcept;
  ~Token();

  uint64_t items() const { return items_; }
  explicit operator bool() const { return items_ != 0; }

  void Delivered() { Settle(items_, &Outcome::delivered, nullptr); }
  void Stored() { Settle(items_, &Outcome::stored, nullptr); }
  /// `n` of the items were removed on purpose; the rest stays with this token.
  void Filtered(uint64_t n) { Settle(n, &Outcome::filtered, nullptr); }
  /// `n` of the items are given up for `reason`; the rest stays with this token.
  void Dropped(uint64_t n, const Error& reason) { Settle(n, &Outcome::dropped, &reason); }
  void Dropped(const Error& reason) { Dropped(items_, reason); }
  /// `taken`: see Outcome::taken.
  void Refused(const Error& reason, const TakenPtr& taken = nullptr) {
    Settle(items_, &Outcome::refused, &reason, taken);
  }
  /// The branches of the next fan-out that have these items already.
  TakenPtr Taken() const { return ack_ ? ack_->taken_ : nullptr; }
  /// Whether nobody waits for the outcome any more.
  bool Abandoned() const { return ack_ && ack_->Abandoned(); }

  /// Cuts off a token for `n` items (at most items()).
  Token Split(uint64_t n);
  /// Takes over the items of `o`, which must be of the same Ack. False (and nothing done) otherwise.
  bool Merge(Token& o);
  /// Turns this token into `n` copies (n >= 1), each for all of the items. The original is resolved when all copies
  /// are: refused if any was refused, else dropped or filtered as far as the worst copy was, else delivered.
  std::vector<Token> Fork(size_t n);
  /// The same for the branches of a fan-out with these numbers (at least one) when those in `taken` have the items
  /// already. A refusal then tells which branches have them.
  std::vector<Token> Fork(const std::vector<size_t>& branches, const TakenPtr& taken);

 private:
  void Settle(uint64_t n, uint64_t Outcome::*field, const Error* error, const TakenPtr& taken = nullptr);
  Ack* ack_ = nullptr;
  uint64_t items_ = 0;
};

}  // namespace naru::pipeline
