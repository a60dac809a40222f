// The memory_limiter processor: configures the admission gate, and judges what passes by the same count.
//
// Memory is counted by the byte as buffers are taken, so there is no interval at which it is looked at and nothing to
// collect: the keys for those are accepted and do nothing.
#pragma once

#include "conf/schema.h"
#include "pipeline/component.h"

namespace naru::processors::memory_limiter {

struct Config {
  Duration check_interval{0};
  uint32_t limit_mib = 0, spike_limit_mib = 0, limit_percentage = 0, spike_limit_percentage = 0;
  static void Describe(conf::Struct<Config>& s);
  void Validate(conf::Issues& issues) const;
  struct Limits {
    int64_t soft = 0, hard = 0;  // bytes of the whole process
  };
  /// Percentages are of the cgroup's memory limit, else of the machine's memory.
  Limits Compute() const;
};

class MemoryLimiter final : public pipeline::Processor {
 public:
  MemoryLimiter(const Config& config, pipeline::ProcessorContext context);
  Status Start(pipeline::Host& host) override;
  void Consume(pipeline::Batch&& batch) override;

 private:
  Config config_;
  pipeline::ProcessorContext context_;
  pipeline::Counter refused_;
};

}  // namespace naru::processors::memory_limiter
