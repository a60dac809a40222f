#include "pipeline/config/memory_limits.h"

#include <algorithm>

#include "base/system_memory.h"

namespace naru::pipeline {

void MemoryLimitsConfig::Describe(conf::Struct<MemoryLimitsConfig>& s) {
  s.Field("check_interval", &MemoryLimitsConfig::check_interval,
          "accepted; must be positive, as in the reference; naru counts all the time");
  s.Field("limit_mib", &MemoryLimitsConfig::limit_mib, "memory of the process at most, in MiB");
  s.Field("spike_limit_mib", &MemoryLimitsConfig::spike_limit_mib,
          "refuse this much below the limit; 20 % of it by default");
  s.Field("limit_percentage", &MemoryLimitsConfig::limit_percentage,
          "the limit as a share of the memory there is (cgroup or machine)");
  s.Field("spike_limit_percentage", &MemoryLimitsConfig::spike_limit_percentage,
          "the spike limit as a share of the memory there is");
  const char* gc = "accepted; tunes the collection of garbage, of which there is none";
  s.Field("min_gc_interval_when_soft_limited", &MemoryLimitsConfig::min_gc_interval_when_soft_limited, gc);
  s.Field("min_gc_interval_when_hard_limited", &MemoryLimitsConfig::min_gc_interval_when_hard_limited, gc);
  s.Ignored("max_gc_interval_when_soft_limited", gc);
  s.Ignored("max_gc_interval_when_hard_limited", gc);
}

void MemoryLimitsConfig::Validate(conf::Issues& issues) const {
  if (check_interval <= Duration(0)) issues.Add("check_interval", "'check_interval' must be greater than zero");
  if (limit_mib == 0 && limit_percentage == 0)
    issues.Add("limit_mib", "'limit_mib' or 'limit_percentage' must be greater than zero");
  if (limit_percentage > 100 || spike_limit_percentage > 100) {
    issues.Add(
        "limit_percentage",
        "'limit_percentage' and 'spike_limit_percentage' must be greater than zero and less than or equal to hundred");
  }
  if (min_gc_interval_when_soft_limited < min_gc_interval_when_hard_limited) {
    issues.Add("min_gc_interval_when_soft_limited",
               "'min_gc_interval_when_soft_limited' should be larger than 'min_gc_interval_when_hard_limited'");
  }
  if (limit_mib > 0 && limit_mib <= spike_limit_mib)
    issues.Add("spike_limit_mib", "'spike_limit_mib' must be smaller than 'limit_mib'");
  if (limit_mib == 0 && limit_percentage > 0 && limit_percentage <= spike_limit_percentage) {
    issues.Add("spike_limit_percentage", "'spike_limit_percentage' must be smaller than 'limit_percentage'");
  }
}

MemoryLimitsConfig::Limits MemoryLimitsConfig::Compute() const {
  Limits l;
  int64_t spike = 0;
  if (limit_mib) {
    l.hard = int64_t{limit_mib} << 20;
    spike = int64_t{spike_limit_mib} << 20;
  } else {
    auto total = static_cast<int64_t>(TotalMemory());
    l.hard = total / 100 * limit_percentage;
    spike = total / 100 * spike_limit_percentage;
  }
  if (spike == 0) spike = l.hard / 5;
  l.soft = l.hard - spike;
  return l;
}

std::shared_ptr<void> LimitMemory(Host& host, const MemoryLimitsConfig& config, const Logger& log) {
  // Limits are of the process; the budget counts what grows. What the process needs at rest is taken off.
  MemoryLimitsConfig::Limits l = config.Compute();
  int64_t rest = host.gate().at_rest();
  int64_t floor = 4 << 20;
  log.Info("Memory limiter configured", {{"limit_mib", l.hard >> 20}, {"spike_limit_mib", (l.hard - l.soft) >> 20}});
  return host.gate().Limit(std::max(floor, l.soft - rest), std::max(floor + (1 << 20), l.hard - rest));
}

}  // namespace naru::pipeline
