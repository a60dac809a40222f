#include "processors/probabilistic_sampler/threshold.h"

#include <algorithm>
#include <cmath>

namespace naru::processors::probabilistic_sampler {
namespace {

constexpr int kHashBits = 14;
constexpr uint32_t kBuckets = 1u << kHashBits;

// Up to 14 digits, so that nothing overflows.
std::optional<uint64_t> ParseHex(std::string_view text) {
  uint64_t value = 0;
  for (char c : text) {
    char lower = static_cast<char>(c | 0x20);
    uint64_t digit;
    if (c >= '0' && c <= '9') {
      digit = static_cast<uint64_t>(c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      digit = static_cast<uint64_t>(lower - 'a' + 10);
    } else {
      return std::nullopt;
    }
    value = value << 4 | digit;
  }
  return value;
}

uint32_t Fnv(uint32_t hash, unsigned char byte) {
  return (hash ^ byte) * 16777619u;
}

}  // namespace

std::optional<Randomness> ParseRandomness(std::string_view text) {
  if (text.size() != kHexDigits) return std::nullopt;
  return ParseHex(text);
}

std::optional<Threshold> ParseThreshold(std::string_view text) {
  if (text.empty() || text.size() > kHexDigits) return std::nullopt;
  std::optional<uint64_t> value = ParseHex(text);
  if (value) *value <<= 4 * (kHexDigits - text.size());
  return value;
}

HexText RandomnessText(Randomness value) {
  HexText out;
  out.size = kHexDigits;
  for (int i = kHexDigits; i-- > 0; value >>= 4) out.digits[i] = "0123456789abcdef"[value & 15];
  return out;
}

HexText ThresholdText(Threshold value) {
  if (value >= kNever) return {};
  HexText out = RandomnessText(value);
  while (out.size > 1 && out.digits[out.size - 1] == '0') --out.size;
  return out;
}

std::optional<Threshold> ThresholdOf(double probability, int64_t precision) {
  if (!(probability >= kLeastProbability && probability <= 1)) return std::nullopt;
  if (probability == 1) return kAlways;
  if (precision == 0) precision = kHexDigits;
  // Each 4 of the (never positive) exponents of the probability and of its complement stand for a leading 0 or f of the
  // threshold, which are no significant digits.
  int kept, rejected;
  std::frexp(probability, &kept);
  std::frexp(1 - probability, &rejected);
  precision = std::clamp<int64_t>(precision, -kHexDigits, kHexDigits);
  precision = std::min<int64_t>(kHexDigits, std::max(precision + kept / -4, precision + rejected / -4));
  Threshold threshold = kNever - static_cast<uint64_t>(std::round(probability * static_cast<double>(kNever)));
  int64_t shift = 4 * (kHexDigits - precision);
  if (shift >= 64) return kAlways;
  if (shift > 0) {
    threshold += uint64_t{1} << (shift - 1);
    threshold = threshold >> shift << shift;
  }
  return threshold;
}

double ProbabilityOf(Threshold threshold) {
  return static_cast<double>(kNever - threshold) / static_cast<double>(kNever);
}

Randomness RandomnessOfTraceId(std::string_view trace_id) {
  Randomness value = 0;
  for (char c : trace_id.substr(trace_id.size() < 7 ? 0 : trace_id.size() - 7))
    value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

SeededHash::SeededHash(uint32_t seed) : start_(2166136261u) {
  for (int i = 0; i < 4; ++i) start_ = Fnv(start_, static_cast<unsigned char>(seed >> 8 * i));
}

Randomness SeededHash::operator()(std::string_view bytes) const {
  uint32_t hash = start_;
  for (char c : bytes) hash = Fnv(hash, static_cast<unsigned char>(c));
  uint64_t low = hash & (kBuckets - 1);
  uint64_t rest = hash >> (32 - kHashBits);
  return (kBuckets - 1 - low) << 42 | (rest ^ rest << 10) << kHashBits | low;
}

Threshold HashThreshold(float percentage) {
  auto accepted = static_cast<uint32_t>(percentage * static_cast<float>(kBuckets / 100.0));
  if (accepted == 0) return kNever;
  return static_cast<uint64_t>(kBuckets - std::min(accepted, kBuckets)) << 42;
}

}  // namespace naru::processors::probabilistic_sampler
