// The admission gate: asked before a request is stored, inflated or decoded, so that what will be refused costs
// nothing.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/budget.h"
#include "base/result.h"

namespace naru::pipeline {

/// Judges by a Budget's limits, which memory_limiter (or, without one, the cgroup's memory limit) sets. Thread-safe.
class Gate {
 public:
  explicit Gate(Budget& budget) : budget_(budget) {}

  /// May a request of about `bytes` come in? The error is retryable and names a delay.
  Status Admit(size_t bytes) {
    if (!budget_.OverSoft(bytes)) return {};
    refused_.fetch_add(1, std::memory_order_relaxed);
    return Unexpected(
        Error{Code::kUnavailable, true, std::chrono::seconds(1), "data refused due to high memory usage"});
  }
  uint64_t refused_requests() const { return refused_.load(std::memory_order_relaxed); }
  Budget& budget() { return budget_; }

 private:
  Budget& budget_;
  std::atomic<uint64_t> refused_{0};
};

}  // namespace naru::pipeline
