#include "processors/memory_limiter/factory.h"

#include "processors/memory_limiter/memory_limiter.h"

namespace naru::processors::memory_limiter {

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kProcessor;
  f->type = "memory_limiter";
  f->module = "go.opentelemetry.io/collector/processor/memorylimiterprocessor v0.155.0";
  f->summary = "refuses data when memory is short";
  f->stability = {.traces = "beta", .metrics = "beta", .logs = "beta", .profiles = "alpha"};
  f->processor = [](const Config& c, pipeline::ProcessorContext ctx) -> Result<std::unique_ptr<pipeline::Processor>> {
    return std::unique_ptr<pipeline::Processor>(std::make_unique<MemoryLimiter>(c, std::move(ctx)));
  };
  return f;
}

}  // namespace naru::processors::memory_limiter
