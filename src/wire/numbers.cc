#include "wire/numbers.h"

#include <charconv>
#include <cmath>
#include <cstring>

namespace naru::wire {
namespace {

char* Append(char* out, std::string_view text) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

// d.ddd times ten to the exponent: the shortest digits that read back as the same number.
struct Digits {
  char text[20];
  int count = 0;
  int exponent = 0;
};

Digits ShortestDigits(double magnitude) {
  Digits d;
  char scratch[32];
  auto [end, error] = std::to_chars(scratch, scratch + sizeof scratch, magnitude, std::chars_format::scientific);
  const char* p = scratch;
  for (; p < end && *p != 'e'; ++p) {
    if (*p != '.') d.text[d.count++] = *p;
  }
  if (p < end) {
    ++p;
    if (*p == '+') ++p;
    std::from_chars(p, end, d.exponent);
  }
  return d;
}

char* PutExponentForm(char* out, const Digits& d, int least_digits) {
  *out++ = d.text[0];
  if (d.count > 1) {
    *out++ = '.';
    out = Append(out, {d.text + 1, static_cast<size_t>(d.count - 1)});
  }
  *out++ = 'e';
  *out++ = d.exponent < 0 ? '-' : '+';
  auto exponent = static_cast<uint64_t>(std::abs(d.exponent));
  if (exponent < 10 && least_digits > 1) *out++ = '0';
  return PutUnsigned(out, exponent);
}

char* PutPositional(char* out, const Digits& d) {
  int whole = d.exponent + 1;  // digits before the point
  if (whole <= 0) {
    out = Append(out, "0.");
    std::memset(out, '0', static_cast<size_t>(-whole));
    return Append(out - whole, {d.text, static_cast<size_t>(d.count)});
  }
  if (d.count <= whole) {
    out = Append(out, {d.text, static_cast<size_t>(d.count)});
    std::memset(out, '0', static_cast<size_t>(whole - d.count));
    return out + (whole - d.count);
  }
  out = Append(out, {d.text, static_cast<size_t>(whole)});
  *out++ = '.';
  return Append(out, {d.text + whole, static_cast<size_t>(d.count - whole)});
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

struct Integer {
  bool negative;
  uint64_t magnitude;
};

// Shifts the digits by the exponent and demands that nothing but zeros is cut off.
std::optional<Integer> ParseInteger(std::string_view text) {
  Integer v{false, 0};
  size_t i = 0;
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) v.negative = text[i++] == '-';
  size_t begin = i;
  while (i < text.size() && IsDigit(text[i])) ++i;
  std::string_view whole = text.substr(begin, i - begin), fraction;
  if (whole.empty()) return std::nullopt;
  if (i < text.size() && text[i] == '.') {
    size_t dot = ++i;
    while (i < text.size() && IsDigit(text[i])) ++i;
    fraction = text.substr(dot, i - dot);
    if (fraction.empty()) return std::nullopt;
  }
  int64_t exponent = 0;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    bool down = false;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) down = text[i++] == '-';
    size_t first = i;
    for (; i < text.size() && IsDigit(text[i]); ++i) {
      if (exponent < 1000000000) exponent = exponent * 10 + (text[i] - '0');
    }
    if (i == first) return std::nullopt;
    if (down) exponent = -exponent;
  }
  if (i != text.size()) return std::nullopt;

  // `kept` digits stand before the shifted point.
  int64_t kept = static_cast<int64_t>(whole.size()) + exponent;
  auto total = static_cast<int64_t>(whole.size() + fraction.size());
  for (int64_t k = 0; k < total; ++k) {
    auto at = static_cast<size_t>(k);
    auto digit = static_cast<uint64_t>((at < whole.size() ? whole[at] : fraction[at - whole.size()]) - '0');
    if (k >= kept) {
      if (digit != 0) return std::nullopt;
      continue;
    }
    if (v.magnitude > (UINT64_MAX - digit) / 10) return std::nullopt;
    v.magnitude = v.magnitude * 10 + digit;
  }
  if (v.magnitude == 0) return v;
  for (int64_t k = total; k < kept; ++k) {
    if (v.magnitude > UINT64_MAX / 10) return std::nullopt;
    v.magnitude *= 10;
  }
  return v;
}

bool EqualsFolded(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] | 0x20) != lower[i]) return false;
  }
  return true;
}

}  // namespace

char* PutUnsigned(char* out, uint64_t v) {
  return std::to_chars(out, out + kIntegerText, v).ptr;
}
char* PutSigned(char* out, int64_t v) {
  return std::to_chars(out, out + kIntegerText, v).ptr;
}

char* PutFloat(char* out, double v, FloatStyle style) {
  bool go = style == FloatStyle::kGeneral || style == FloatStyle::kFixed6;
  if (std::isnan(v)) return Append(out, "NaN");
  if (std::isinf(v)) return Append(out, v < 0 ? (go ? "-Inf" : "-Infinity") : (go ? "+Inf" : "Infinity"));
  if (style == FloatStyle::kFixed6) {
    return std::to_chars(out, out + kFloatText, v, std::chars_format::fixed, 6).ptr;
  }
  if (std::signbit(v)) *out++ = '-';
  double magnitude = std::fabs(v);
  if (magnitude == 0) {
    *out++ = '0';
    return out;
  }
  Digits d = ShortestDigits(magnitude);
  bool exponent_form =
      style == FloatStyle::kGeneral ? d.exponent < -4 || d.exponent >= 6 : magnitude < 1e-6 || magnitude >= 1e21;
  if (!exponent_form) return PutPositional(out, d);
  // encoding/json shortens e-09 to e-9; positive exponents have two digits anyway.
  return PutExponentForm(out, d, style == FloatStyle::kEcmaScript && d.exponent < 0 ? 1 : 2);
}

bool IsJsonNumber(std::string_view t) {
  size_t i = 0, n = t.size();
  auto digits = [&] {
    size_t first = i;
    while (i < n && IsDigit(t[i])) ++i;
    return i > first;
  };
  if (i < n && t[i] == '-') ++i;
  if (i < n && t[i] == '0') {
    ++i;
  } else if (!digits()) {
    return false;
  }
  if (i < n && t[i] == '.') {
    ++i;
    if (!digits()) return false;
  }
  if (i < n && (t[i] == 'e' || t[i] == 'E')) {
    ++i;
    if (i < n && (t[i] == '-' || t[i] == '+')) ++i;
    if (!digits()) return false;
  }
  return i == n;
}

std::optional<int64_t> ParseInt64(std::string_view text) {
  int64_t plain;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), plain);
  if (error == std::errc() && end == text.data() + text.size()) return plain;
  std::optional<Integer> v = ParseInteger(text);
  constexpr uint64_t kMax = INT64_MAX;
  if (!v || v->magnitude > kMax + (v->negative ? 1 : 0)) return std::nullopt;
  return v->negative ? static_cast<int64_t>(0 - v->magnitude) : static_cast<int64_t>(v->magnitude);
}

std::optional<uint64_t> ParseUint64(std::string_view text) {
  uint64_t plain;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), plain);
  if (error == std::errc() && end == text.data() + text.size()) return plain;
  std::optional<Integer> v = ParseInteger(text);
  if (!v || (v->negative && v->magnitude != 0)) return std::nullopt;
  return v->magnitude;
}

std::optional<double> ParseDouble(std::string_view text) {
  std::string_view bare = text;
  bool negative = bare.starts_with('-');
  if (negative || bare.starts_with('+')) bare.remove_prefix(1);
  if (EqualsFolded(bare, "infinity") || EqualsFolded(bare, "inf")) return negative ? -INFINITY : INFINITY;
  if (EqualsFolded(text, "nan")) return std::nan("");
  if (bare.empty() || !IsDigit(bare.front())) return std::nullopt;  // from_chars takes more than JSON
  if (text.starts_with('+')) text.remove_prefix(1);
  double v;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too small is zero, too large is nothing: the exponent's sign tells them apart.
    size_t e = text.find_first_of("eE");
    bool small = e != std::string_view::npos ? text.substr(e + 1).starts_with('-') : bare.starts_with("0.");
    if (!small) return std::nullopt;
    return negative ? -0.0 : 0.0;
  }
  if (error != std::errc()) return std::nullopt;
  return v;
}

}  // namespace naru::wire
