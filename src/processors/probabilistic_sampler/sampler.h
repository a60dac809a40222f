// The sampler over encoded records: reads what the decision needs from a span or a log record, and splices new sampling
// information into it.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>

#include "base/log.h"
#include "otlp/edit.h"
#include "pipeline/metrics.h"
#include "processors/probabilistic_sampler/decision.h"

namespace naru::processors::probabilistic_sampler {

/// What the passes of one processor share. Thread-safe.
class Sampler {
 public:
  /// `config` is valid; `signal` is traces or logs; `metrics` outlives the sampler.
  Sampler(const Config& config, otlp::Signal signal, pipeline::Metrics& metrics, Logger log);

  const Config& config() const { return config_; }
  const Decider& decider() const { return decider_; }
  const SeededHash& hash() const { return hash_; }

  /// What one pass did: records by policy and outcome, and by fault.
  struct Tally {
    std::array<std::array<int64_t, 2>, kPolicies> decisions{};  // [policy][sampled]
    std::array<int64_t, kFaults> faults{};
    Flaw flaw = Flaw::kNone;  // the first
  };
  /// Adds to the own metric `otelcol_processor_probabilistic_sampler_count_{traces,logs}_sampled`, and logs each kind
  /// of fault once.
  void Report(const Tally& tally);

 private:
  pipeline::Sum* Series(int policy, bool sampled);

  const Config config_;
  const otlp::Signal signal_;
  const Decider decider_;
  const SeededHash hash_;
  pipeline::Metrics& metrics_;
  const Logger log_;
  // Made when there is something to count, as in the reference.
  std::array<std::array<std::atomic<pipeline::Sum*>, 2>, kPolicies> series_{};
};

/// A pass over one request.
std::unique_ptr<otlp::RecordPass> NewPass(std::shared_ptr<Sampler> sampler, otlp::Signal signal);

}  // namespace naru::processors::probabilistic_sampler
