// Consistent probability sampling in numbers: thresholds and random values of 56 bits, and their hexadecimal texts
// (https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/). A record is sampled when its
// threshold is at most its random value.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace naru::processors::probabilistic_sampler {

/// Rejections out of 2^56: 0 keeps everything, kNever nothing.
using Threshold = uint64_t;
/// 0 to 2^56 - 1; the greatest is sampled by every threshold but kNever.
using Randomness = uint64_t;

inline constexpr int kHexDigits = 14;
inline constexpr Threshold kAlways = 0;
inline constexpr Threshold kNever = uint64_t{1} << 56;
inline constexpr Randomness kMostRandom = kNever - 1;
/// The smallest probability that there is a threshold for.
inline constexpr double kLeastProbability = 1.0 / static_cast<double>(kNever);

/// Digits without memory of their own on the heap.
struct HexText {
  char digits[kHexDigits] = {};
  uint8_t size = 0;
  std::string_view view() const { return {digits, size}; }
};

/// Exactly 14 hexadecimal digits of either case.
std::optional<Randomness> ParseRandomness(std::string_view text);
/// 1 to 14 hexadecimal digits of either case; zeros at the end may be left out.
std::optional<Threshold> ParseThreshold(std::string_view text);
/// 14 digits in lower case; `value` is below 2^56.
HexText RandomnessText(Randomness value);
/// Without zeros at the end, "0" for kAlways, nothing for kNever.
HexText ThresholdText(Threshold value);

/// The threshold of a probability, rounded to `precision` hexadecimal digits; more of them where the probability is
/// near 0 or 1, so that the relative error stays. Nothing when the probability is outside of [kLeastProbability, 1]. A
/// precision of 0 means all digits; below that almost everything is rounded away, as in the reference.
std::optional<Threshold> ThresholdOf(double probability, int64_t precision);
/// The share that a threshold keeps.
double ProbabilityOf(Threshold threshold);

/// Random value of the last seven bytes of a trace id of 16 bytes (W3C Trace Context Level 2).
Randomness RandomnessOfTraceId(std::string_view trace_id);

/// The hash of the mode hash_seed: FNV-1a (32 bits) over the seed, little-endian, and then the bytes. Its low 14 bits,
/// inverted, become the high 14 bits of the random value; the others fill the rest.
class SeededHash {
 public:
  explicit SeededHash(uint32_t seed);
  Randomness operator()(std::string_view bytes) const;

 private:
  uint32_t start_;  // the state after the seed
};

/// Of the mode hash_seed: a percentage as a threshold of 14 bits, in the single precision arithmetic of the reference;
/// kNever when it is too small for that. `percentage` is 0 to 100.
Threshold HashThreshold(float percentage);

}  // namespace naru::processors::probabilistic_sampler
