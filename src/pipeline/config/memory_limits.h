// The limits of memory_limiter, as processor and as middleware.
//
// Memory is counted by the byte as buffers are taken, so there is no interval at which it is looked at and nothing to
// collect: the keys for those are accepted and do nothing.
#pragma once

#include <memory>

#include "conf/schema.h"
#include "pipeline/component.h"

namespace naru::pipeline {

struct MemoryLimitsConfig {
  Duration check_interval{0};
  uint32_t limit_mib = 0, spike_limit_mib = 0, limit_percentage = 0, spike_limit_percentage = 0;
  Duration min_gc_interval_when_soft_limited = std::chrono::seconds(10), min_gc_interval_when_hard_limited{0};
  static void Describe(conf::Struct<MemoryLimitsConfig>& s);
  void Validate(conf::Issues& issues) const;
  struct Limits {
    int64_t soft = 0, hard = 0;  // bytes of the whole process
  };
  /// Percentages are of the cgroup's memory limit, else of the machine's memory.
  Limits Compute() const;
};

/// Has the limits in force until the returned handle is destroyed; of several the tightest hold.
[[nodiscard]] std::shared_ptr<void> LimitMemory(Host& host, const MemoryLimitsConfig& config, const Logger& log);

}  // namespace naru::pipeline
