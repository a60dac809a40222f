#include "processors/probabilistic_sampler/sampler.h"

namespace naru::processors::probabilistic_sampler {

Sampler::Sampler(const Config& config, otlp::Signal signal, pipeline::Metrics& metrics, Logger log)
    : config_(config),
      signal_(signal),
      decider_(config, signal),
      hash_(config.hash_seed),
      metrics_(metrics),
      log_(std::move(log)) {}

pipeline::Sum* Sampler::Series(int policy, bool sampled) {
  std::atomic<pipeline::Sum*>& slot = series_[static_cast<size_t>(policy)][sampled];
  pipeline::Sum* sum = slot.load(std::memory_order_acquire);
  if (sum) return sum;
  std::string name;
  switch (static_cast<Policy>(policy)) {
    case Policy::kMissing:
      name = "missing_randomness";
      break;
    case Policy::kTraceIdHash:
      name = "trace_id_hash";
      break;
    case Policy::kTraceIdW3c:
      name = "trace_id_w3c";
      break;
    case Policy::kExplicit:
      name = "sampling_randomness";
      break;
    case Policy::kAttribute:
      name = config_.from_attribute;
      break;
    case Policy::kPriority:
      name = "sampling_priority";
      break;
  }
  std::string items(otlp::Names(signal_).name);
  sum = metrics_.GetSum({"otelcol_processor_probabilistic_sampler_count_" + items + "_sampled",
                         "Count of " + items + " that were sampled or not", "1"},
                        {{"policy", name}, {"sampled", sampled ? "true" : "false"}});
  slot.store(sum, std::memory_order_release);
  return sum;
}

void Sampler::Report(const Tally& tally) {
  for (int policy = 0; policy < kPolicies; ++policy) {
    for (bool sampled : {false, true}) {
      if (int64_t n = tally.decisions[static_cast<size_t>(policy)][sampled]) Series(policy, sampled)->Add(n);
    }
  }
  for (int i = 1; i < kFaults; ++i) {
    int64_t n = tally.faults[static_cast<size_t>(i)];
    if (n == 0) continue;
    auto fault = static_cast<Fault>(i);
    std::string_view text = fault == Fault::kFlaw ? FlawText(tally.flaw) : FaultText(fault);
    log_.Log(fault == Fault::kFlaw ? LogLevel::kInfo : LogLevel::kDebug,
             signal_ == otlp::Signal::kTraces ? "traces sampler" : "logs sampler", {{"error", text}, {"records", n}});
  }
}

}  // namespace naru::processors::probabilistic_sampler
