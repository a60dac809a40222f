// Numbers as text, exactly as Go's strconv and fmt print and read them: that is what users of the reference compare.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace naru::wire {

/// Longest text of an integer: "-9223372036854775808".
inline constexpr size_t kIntegerText = 20;
/// Writes `v` in decimal at `out` (room for kIntegerText); returns the end.
char* PutUnsigned(char* out, uint64_t v);
char* PutSigned(char* out, int64_t v);

enum class FloatStyle : uint8_t {
  kShortest,  // strconv 'f', shortest digits; exponent form below 1e-6 and from 1e21 on: 1e-07, 1e+21. As JSON in OTLP
  kEcmaScript,  // the same with exponents of one digit where one is enough: 1e-7. As encoding/json and pdata's AsString
  kGeneral,     // fmt's %v: exponent form below 1e-4 and from 1e6 on: 1e+06
  kFixed6,      // fmt's %f
};
/// Longest text of a float: %f of the largest one.
inline constexpr size_t kFloatText = 320;
/// Writes `v` at `out` (room for kFloatText); returns the end. NaN and infinities are "NaN", "+Inf", "-Inf" for
/// kGeneral and kFixed6, "NaN", "Infinity", "-Infinity" else; in JSON the caller puts quotes around them.
char* PutFloat(char* out, double v, FloatStyle style);

/// Whether the text is a number in JSON's grammar (RFC 8259 section 6).
bool IsJsonNumber(std::string_view text);

/// An integer written in any of JSON's ways: 12, 12.0, 1.2e1. Nothing when the text is no number, has a fractional part
/// or does not fit. Exact: never goes through a float. A leading + and leading zeros are accepted.
std::optional<int64_t> ParseInt64(std::string_view text);
std::optional<uint64_t> ParseUint64(std::string_view text);
/// A float: a number in JSON's grammar, or NaN, Infinity, -Infinity (also inf, +Inf in any case). Nothing when the text
/// is none of these or its magnitude is too large.
std::optional<double> ParseDouble(std::string_view text);

}  // namespace naru::wire
