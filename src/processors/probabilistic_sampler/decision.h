// The decision about one record, whatever its signal: what its sampling information and its randomness lead to in each
// mode, and what is then to be written into it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "otlp/signal.h"
#include "processors/probabilistic_sampler/config.h"
#include "processors/probabilistic_sampler/threshold.h"
#include "processors/probabilistic_sampler/trace_state.h"

namespace naru::processors::probabilistic_sampler {

/// Where the random value came from, as the own metric says.
enum class Policy : uint8_t { kMissing, kTraceIdHash, kTraceIdW3c, kExplicit, kAttribute, kPriority };
inline constexpr int kPolicies = 6;

/// Why a record was kept or removed by fail_closed.
enum class Fault : uint8_t { kNone, kFlaw, kMissing, kInconsistent, kRandomnessInUse, kThresholdInUse };
inline constexpr int kFaults = 6;
std::string_view FaultText(Fault fault);

/// What a record says.
struct Reading {
  Flaw flaw = Flaw::kNone;
  std::optional<Threshold> threshold;    // of earlier samplers
  std::optional<Randomness> randomness;  // explicit
  /// From the trace id or an attribute, by the mode's own method; only when there is something in it.
  std::optional<Randomness> source;
  Policy source_policy = Policy::kMissing;
  /// What the priority of the record makes of the threshold.
  std::optional<Threshold> priority;
};

struct Decision {
  bool sampled = false;
  Policy policy = Policy::kMissing;
  Fault fault = Fault::kNone;
  /// Whether sampling information of the record may be rewritten; only when it is sampled.
  bool rewrite = false;
  /// With `rewrite`, in this order: to be set as explicit randomness; threshold to be taken out; to be set.
  std::optional<Randomness> set_randomness;
  bool clear_threshold = false;
  std::optional<Threshold> set_threshold;
};

/// Immutable; thread-safe.
class Decider {
 public:
  enum class Mode : uint8_t { kNever, kHash, kProportional, kEqualizing };

  /// `config` is valid; `signal` is traces or logs.
  Decider(const Config& config, otlp::Signal signal);
  Mode mode() const { return mode_; }
  Decision Decide(const Reading& reading) const;

 private:
  Threshold ThresholdFor(const std::optional<Threshold>& earlier) const;

  Mode mode_ = Mode::kNever;
  bool traces_ = false;
  bool fail_closed_ = true;
  double ratio_ = 0;
  int64_t precision_ = 0;
  Threshold threshold_ = kNever;  // of a record that was not sampled before
};

}  // namespace naru::processors::probabilistic_sampler
