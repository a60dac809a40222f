#include "processors/memory_limiter/memory_limiter.h"

namespace naru::processors::memory_limiter {

MemoryLimiter::MemoryLimiter(const Config& config, pipeline::ProcessorContext context)
    : config_(config), context_(std::move(context)) {
  refused_ = context_.host->ledger().Open(
      {"processor", context_.id, std::string(otlp::Names(context_.signal).name), context_.pipeline, ""},
      pipeline::Entry::kRefused, "memory");
}

Status MemoryLimiter::Start(pipeline::Host& host) {
  limits_ = pipeline::LimitMemory(host, config_, context_.log);
  return {};
}

void MemoryLimiter::Consume(pipeline::Batch&& batch) {
  // The gate has let this in before its bytes were taken; what other sources have filled up meanwhile is judged here.
  if (context_.host->gate().budget().OverHard()) {
    refused_.Add(static_cast<int64_t>(batch.items()));
    return batch.Refused(
        Error{Code::kUnavailable, true, std::chrono::seconds(1), "data refused due to high memory usage"});
  }
  context_.next->Consume(std::move(batch));
}

}  // namespace naru::processors::memory_limiter
