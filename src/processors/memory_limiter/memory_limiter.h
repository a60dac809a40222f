// The memory_limiter processor: configures the admission gate, and judges what passes by the same count.
#pragma once

#include "pipeline/component.h"
#include "pipeline/config/memory_limits.h"

namespace naru::processors::memory_limiter {

using Config = pipeline::MemoryLimitsConfig;

class MemoryLimiter final : public pipeline::Processor {
 public:
  MemoryLimiter(const Config& config, pipeline::ProcessorContext context);
  Status Start(pipeline::Host& host) override;
  void Consume(pipeline::Batch&& batch) override;

 private:
  Config config_;
  pipeline::ProcessorContext context_;
  pipeline::Counter refused_;
  std::shared_ptr<void> limits_;
};

}  // namespace naru::processors::memory_limiter
