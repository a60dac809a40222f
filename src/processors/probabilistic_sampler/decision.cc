#include "processors/probabilistic_sampler/decision.h"

#include <algorithm>

namespace naru::processors::probabilistic_sampler {

std::string_view FaultText(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return "no fault";
    case Fault::kFlaw:
      return "sampling information cannot be read";
    case Fault::kMissing:
      return "missing randomness";
    case Fault::kInconsistent:
      return "inconsistent arriving threshold: item should not have been sampled";
    case Fault::kRandomnessInUse:
      return "item has sampling randomness, equalizing or proportional mode recommended";
    case Fault::kThresholdInUse:
      return "item has sampling threshold, equalizing or proportional mode recommended";
  }
  return "";
}

Decider::Decider(const Config& config, otlp::Signal signal)
    : traces_(signal == otlp::Signal::kTraces),
      fail_closed_(config.fail_closed),
      precision_(config.sampling_precision) {
  float percentage = std::min(static_cast<float>(config.sampling_percentage), 100.0f);
  if (!(percentage > 0)) return;
  ratio_ = std::max(static_cast<double>(percentage) / 100, kLeastProbability);
  if (config.mode == "equalizing" || config.mode == "proportional") {
    mode_ = config.mode == "equalizing" ? Mode::kEqualizing : Mode::kProportional;
    threshold_ = ThresholdOf(ratio_, precision_).value_or(kAlways);
  } else {
    threshold_ = HashThreshold(percentage);
    if (threshold_ != kNever) mode_ = Mode::kHash;
  }
}

Threshold Decider::ThresholdFor(const std::optional<Threshold>& earlier) const {
  if (!earlier) return threshold_;
  if (mode_ == Mode::kEqualizing) return std::max(threshold_, *earlier);
  // The product can fall below the least probability: such records are not sampled any more.
  if (mode_ == Mode::kProportional) return ThresholdOf(ProbabilityOf(*earlier) * ratio_, precision_).value_or(kNever);
  return threshold_;
}

Decision Decider::Decide(const Reading& reading) const {
  Decision d;
  Randomness random = kMostRandom;
  std::optional<Threshold> earlier = reading.threshold;
  if (reading.flaw != Flaw::kNone) d.fault = Fault::kFlaw;
  bool rewrite = true;
  switch (mode_) {
    case Mode::kNever:
      // Nothing is looked up, and nothing is missing; only a priority, or a flaw with fail_closed off, can keep a
      // record.
      d.policy = Policy::kPriority;
      break;
    case Mode::kHash:
      if (reading.source) {
        random = *reading.source;
        d.policy = reading.source_policy;
      }
      // Records that take part in consistent sampling are left as they are.
      if (d.fault == Fault::kNone && reading.randomness) d.fault = Fault::kRandomnessInUse;
      if (d.fault == Fault::kNone && earlier) d.fault = Fault::kThresholdInUse;
      rewrite = d.fault == Fault::kNone;
      if (rewrite && (reading.source || traces_)) d.set_randomness = random;
      break;
    case Mode::kProportional:
    case Mode::kEqualizing:
      rewrite = d.fault == Fault::kNone;
      if (!rewrite) break;
      if (reading.randomness) {
        random = *reading.randomness;
        d.policy = Policy::kExplicit;
      } else if (reading.source) {
        random = *reading.source;
        d.policy = reading.source_policy;
      }
      break;
  }
  if (d.fault == Fault::kNone && d.policy == Policy::kMissing) d.fault = Fault::kMissing;
  if (d.fault == Fault::kNone && earlier && *earlier > random) {
    d.fault = Fault::kInconsistent;
    d.clear_threshold = true;
    earlier.reset();
  }
  Threshold threshold = d.fault == Fault::kNone ? ThresholdFor(earlier) : fail_closed_ ? kNever : kAlways;
  if (reading.priority) {
    threshold = *reading.priority;
    d.policy = Policy::kPriority;
  }
  d.sampled = threshold <= random;
  d.rewrite = d.sampled && rewrite;
  // Thresholds are never lowered: that would claim a greater probability than the record was sampled with.
  if (d.rewrite && !(earlier && threshold < *earlier)) d.set_threshold = threshold;
  return d;
}

}  // namespace naru::processors::probabilistic_sampler
