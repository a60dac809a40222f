// The admission gate: asked before a request is stored, inflated or decoded, so that what will be refused costs
// nothing.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include "base/budget.h"
#include "base/result.h"
#include "base/system_memory.h"

namespace naru::pipeline {

/// Judges by a Budget's limits, which the cgroup's memory limit and memory_limiters set. Outlives the handles of Limit.
/// Thread-safe.
class Gate {
 public:
  explicit Gate(Budget& budget)
      : Gate(budget, std::max<int64_t>(0, static_cast<int64_t>(ResidentMemory()) - budget.used())) {}
  /// For tests that must not depend on what their process has in memory.
  Gate(Budget& budget, int64_t at_rest) : budget_(budget), at_rest_(at_rest) {}

  /// Bytes that the process has without telemetry, as it was when this was made. Not what it has now: under load that
  /// includes memory which was given back to the allocator and is there to be taken again.
  int64_t at_rest() const { return at_rest_; }

  /// May a request of about `bytes` come in? The error is retryable and names a delay.
  Status Admit(size_t bytes) {
    if (!budget_.OverSoft(bytes)) return {};
    refused_.fetch_add(1, std::memory_order_relaxed);
    return Unexpected(
        Error{Code::kUnavailable, true, std::chrono::seconds(1), "data refused due to high memory usage"});
  }
  /// Limits that hold until the returned handle is destroyed: the tightest soft and hard limits of all handles do.
  [[nodiscard]] std::shared_ptr<void> Limit(int64_t soft, int64_t hard) {
    std::lock_guard lock(mutex_);
    auto place = limits_.insert(limits_.end(), {soft, hard});
    Apply();
    return std::shared_ptr<void>(this, [this, place](void*) {
      std::lock_guard inner(mutex_);
      limits_.erase(place);
      Apply();
    });
  }
  uint64_t refused_requests() const { return refused_.load(std::memory_order_relaxed); }
  Budget& budget() { return budget_; }

 private:
  void Apply() {
    int64_t soft = INT64_MAX, hard = INT64_MAX;
    for (auto& [s, h] : limits_) {
      soft = std::min(soft, s);
      hard = std::min(hard, h);
    }
    budget_.SetLimits(soft, hard);
  }

  Budget& budget_;
  const int64_t at_rest_;
  std::mutex mutex_;                               // guards limits_
  std::list<std::pair<int64_t, int64_t>> limits_;  // soft, hard
  std::atomic<uint64_t> refused_{0};
};

}  // namespace naru::pipeline
