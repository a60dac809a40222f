// Memory is counted, not guessed: every buffer, connection and queue entry that outside input can grow is charged here
// by the capacity that it pins.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace naru {

/// Bytes charged against limits. Thread-safe; every operation is a relaxed atomic. One instance a process in production
/// (Budget::Process()), one a test in tests.
class Budget {
 public:
  Budget() = default;
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  /// The budget of this process. Never destroyed.
  static Budget& Process();

  void Charge(size_t bytes) {
    used_.fetch_add(static_cast<int64_t>(bytes), std::memory_order_relaxed);
    total_.fetch_add(bytes, std::memory_order_relaxed);
  }
  /// Charges, unless that would pass the hard limit: then nothing is charged, and the answer is false. Two callers at
  /// once cannot both get the last bytes.
  [[nodiscard]] bool TryCharge(size_t bytes) {
    auto n = static_cast<int64_t>(bytes);
    if (used_.fetch_add(n, std::memory_order_relaxed) + n > hard_limit()) {
      used_.fetch_sub(n, std::memory_order_relaxed);
      return false;
    }
    total_.fetch_add(bytes, std::memory_order_relaxed);
    return true;
  }
  void Release(size_t bytes) { used_.fetch_sub(static_cast<int64_t>(bytes), std::memory_order_relaxed); }

  /// Bytes ever charged.
  uint64_t total() const { return total_.load(std::memory_order_relaxed); }
  /// Bytes charged now. Never negative in a correct program.
  int64_t used() const { return used_.load(std::memory_order_relaxed); }

  /// Bytes above which work is refused (soft) and reading stops (hard). INT64_MAX when nothing limits.
  void SetLimits(int64_t soft, int64_t hard) {
    soft_.store(soft, std::memory_order_relaxed);
    hard_.store(hard, std::memory_order_relaxed);
  }
  int64_t soft_limit() const { return soft_.load(std::memory_order_relaxed); }
  int64_t hard_limit() const { return hard_.load(std::memory_order_relaxed); }

  /// True when `more` further bytes would pass the soft limit.
  bool OverSoft(size_t more = 0) const { return used() + static_cast<int64_t>(more) > soft_limit(); }
  bool OverHard(size_t more = 0) const { return used() + static_cast<int64_t>(more) > hard_limit(); }

 private:
  std::atomic<int64_t> used_{0};
  std::atomic<uint64_t> total_{0};
  std::atomic<int64_t> soft_{INT64_MAX};
  std::atomic<int64_t> hard_{INT64_MAX};
};

/// Holds a charge for as long as it lives; move-only. For state that is not a Buffer (connections, HTTP/2 streams, map
/// entries).
class Charge {
 public:
  Charge() = default;
  Charge(Budget& budget, size_t bytes) : budget_(&budget), bytes_(bytes) { budget.Charge(bytes); }
  Charge(Charge&& o) noexcept : budget_(o.budget_), bytes_(o.bytes_) { o.budget_ = nullptr; }
  Charge& operator=(Charge&& o) noexcept {
    if (this != &o) {
      if (budget_) budget_->Release(bytes_);
      budget_ = o.budget_;
      bytes_ = o.bytes_;
      o.budget_ = nullptr;
    }
    return *this;
  }
  ~Charge() {
    if (budget_) budget_->Release(bytes_);
  }

 private:
  Budget* budget_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace naru
