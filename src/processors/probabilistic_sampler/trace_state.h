// The tracestate of a span as samplers see it: the values `th` and `rv` of its OpenTelemetry member (`ot=`), and all
// the rest, which is passed on as it is. (https://www.w3.org/TR/trace-context-2/#tracestate-header,
// https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "processors/probabilistic_sampler/threshold.h"

namespace naru::processors::probabilistic_sampler {

/// What is wrong with sampling information that came with a record; the first flaw that was met.
enum class Flaw : uint8_t {
  kNone,
  kSize,        // longer, or with more members, than allowed
  kSyntax,      // characters that do not belong there
  kRandomness,  // `rv` or sampling.randomness is not 14 hexadecimal digits
  kThreshold,   // `th` or sampling.threshold is not 1 to 14 hexadecimal digits
};
std::string_view FlawText(Flaw flaw);

/// Holds no memory on the heap: at most kMaxInput bytes are looked at, which bounds everything else. The parsed text
/// must outlive the object. Use one again and again; not thread-safe.
class TraceState {
 public:
  static constexpr size_t kMaxInput = 1024;
  static constexpr size_t kMaxOtel = 256;    // the value behind `ot=`
  static constexpr size_t kMaxMembers = 31;  // counting empty ones
  static constexpr size_t kMaxKey = 256, kMaxTenant = 241, kMaxSystem = 14, kMaxValue = 256;
  /// Of what Serialize returns: the input, and `ot=rv:...;th:...` with separators.
  static constexpr size_t kMaxOutput = kMaxInput + 64;

  TraceState() = default;
  TraceState(const TraceState&) = delete;
  TraceState& operator=(const TraceState&) = delete;

  /// Replaces what the object holds. With a flaw it holds what could be read: nothing after a flaw of size or syntax of
  /// the whole, else every member that is right (of an `ot` with a wrong value, its other values).
  Flaw Parse(std::string_view text);

  const std::optional<Threshold>& threshold() const { return threshold_; }
  const std::optional<Randomness>& randomness() const { return randomness_; }
  void SetThreshold(std::optional<Threshold> value);
  void SetRandomness(Randomness value);

  /// The tracestate in its usual form: `ot` first, in it `rv`, `th` and the others in their order, then the other
  /// members in their order, without white space; empty when nothing is in it. Digits that were not set stay as they
  /// were written. Valid until the next call.
  std::string_view Serialize();

 private:
  Flaw Members(std::string_view text);
  Flaw Otel(std::string_view value);
  void Append(std::string_view text);

  std::optional<Threshold> threshold_;
  std::optional<Randomness> randomness_;
  // As written in the input, or, when set, in `digits`.
  std::string_view threshold_text_, randomness_text_;
  HexText threshold_digits_, randomness_digits_;
  size_t members_ = 0, values_ = 0;
  std::array<std::string_view, kMaxMembers> other_members_;      // "key=value"
  std::array<std::string_view, kMaxOtel / 3 + 1> other_values_;  // "key:value", at least 2 bytes and a separator
  std::array<char, kMaxOutput> out_;
  size_t size_ = 0;
};

}  // namespace naru::processors::probabilistic_sampler
