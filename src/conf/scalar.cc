#include "conf/scalar.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include <fmt/core.h>

namespace naru::conf {
namespace {

bool AllOf(std::string_view s, bool (*f)(char)) {
  for (char c : s) {
    if (!f(c)) return false;
  }
  return !s.empty();
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// strconv.ParseInt(s, 0, 64) on text without underscores.
std::optional<int64_t> ParseInt(std::string_view s) {
  bool negative = false;
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) {
    negative = s[0] == '-';
    s.remove_prefix(1);
  }
  int base = 10;
  if (s.size() > 1 && s[0] == '0') {
    char c = static_cast<char>(s[1] | 0x20);
    if (c == 'x')
      base = 16;
    else if (c == 'b')
      base = 2;
    else if (c == 'o')
      base = 8;
    if (base != 10) {
      s.remove_prefix(2);
    } else {
      base = 8;
      s.remove_prefix(1);
    }
  }
  if (s.empty() || s[0] == '-' || s[0] == '+') return std::nullopt;
  uint64_t u = 0;
  auto [end, err] = std::from_chars(s.data(), s.data() + s.size(), u, base);
  if (err != std::errc() || end != s.data() + s.size()) return std::nullopt;
  if (negative ? u > uint64_t{1} << 63 : u > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    return std::nullopt;
  return negative ? static_cast<int64_t>(0 - u) : static_cast<int64_t>(u);
}

// ^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$
std::optional<double> ParseFloat(std::string_view text) {
  std::string_view s = text;
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
  size_t e = s.find_first_of("eE");
  std::string_view mantissa = s.substr(0, e);
  if (e != std::string_view::npos) {
    std::string_view x = s.substr(e + 1);
    if (!x.empty() && (x[0] == '-' || x[0] == '+')) x.remove_prefix(1);
    if (!AllOf(x, IsDigit)) return std::nullopt;
  }
  size_t dot = mantissa.find('.');
  std::string_view whole = mantissa.substr(0, dot);
  std::string_view part = dot == std::string_view::npos ? std::string_view() : mantissa.substr(dot + 1);
  if (whole.empty() ? !AllOf(part, IsDigit) : !(AllOf(whole, IsDigit) && (part.empty() || AllOf(part, IsDigit))))
    return std::nullopt;
  if (text[0] == '+') text.remove_prefix(1);
  double d = 0;
  auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), d);
  if (err == std::errc::result_out_of_range) {
    // Too small is zero or a denormal number; too large stays text.
    d = std::strtod(std::string(text).c_str(), nullptr);
    return std::isfinite(d) ? std::optional<double>(d) : std::nullopt;
  }
  if (err != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return d;
}

}  // namespace

Value ResolvePlain(std::string_view t) {
  for (std::string_view n : {"", "~", "null", "Null", "NULL"}) {
    if (t == n) return Value();
  }
  for (std::string_view n : {"true", "True", "TRUE"}) {
    if (t == n) return Value::Bool(true);
  }
  for (std::string_view n : {"false", "False", "FALSE"}) {
    if (t == n) return Value::Bool(false);
  }
  char c = t[0];
  if (IsDigit(c) || c == '-' || c == '+' || c == '.') {
    std::string_view u = t;
    bool minus = u[0] == '-';
    if (u[0] == '-' || u[0] == '+') u.remove_prefix(1);
    if (u == ".inf" || u == ".Inf" || u == ".INF") return Value::Double(minus ? -INFINITY : INFINITY);
    if (t == ".nan" || t == ".NaN" || t == ".NAN") return Value::Double(NAN);
    if (c == '.') {
      if (auto d = ParseFloat(t)) return Value::Double(*d);
      return Value::String(t);
    }
    std::string plain;
    for (char x : t) {
      if (x != '_') plain += x;
    }
    if (auto i = ParseInt(plain)) return Value::Int(*i);
    if (!plain.empty()) {
      if (auto d = ParseFloat(plain)) return Value::Double(*d);
    }
  }
  return Value::String(t);
}

std::string FormatDouble(double d) {
  if (std::isnan(d)) return ".nan";
  if (std::isinf(d)) return d > 0 ? ".inf" : "-.inf";
  char buf[400];
  // Go's shortest %g: with an exponent when that is less than -4 or at least 6.
  auto r = std::to_chars(buf, buf + sizeof buf, d, std::chars_format::scientific);
  std::string_view text(buf, static_cast<size_t>(r.ptr - buf));
  int exponent = std::atoi(std::string(text.substr(text.find('e') + 1)).c_str());
  if (exponent < -4 || exponent >= 6) return std::string(text);
  r = std::to_chars(buf, buf + sizeof buf, d, std::chars_format::fixed);
  return std::string(buf, r.ptr);
}

bool IsTimestamp(std::string_view s) {
  // Takes min to max digits off the front; -1 when they are not there.
  auto number = [&s](size_t min, size_t max) {
    size_t n = 0;
    int value = 0;
    while (n < s.size() && n < max && IsDigit(s[n])) value = value * 10 + (s[n++] - '0');
    if (n < min) return -1;
    s.remove_prefix(n);
    return value;
  };
  auto take = [&s](std::string_view any) {
    if (s.empty() || any.find(s[0]) == std::string_view::npos) return '\0';
    char c = s[0];
    s.remove_prefix(1);
    return c;
  };
  int year = number(4, 4);
  if (year < 0 || !take("-")) return false;
  int month = number(1, 2);
  if (month < 1 || month > 12 || !take("-")) return false;
  int day = number(1, 2);
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (day < 1 || day > kDays[month - 1] + (month == 2 && leap)) return false;
  if (s.empty()) return true;
  char separator = take("Tt ");
  if (!separator) return false;
  int hour = number(1, 2);
  if (hour < 0 || hour > 23 || !take(":")) return false;
  int minute = number(1, 2);
  if (minute < 0 || minute > 59 || !take(":")) return false;
  int second = number(1, 2);
  if (second < 0 || second > 59) return false;
  if (take(".,")) {
    if (number(1, 1) < 0) return false;
    while (number(1, 1) >= 0) {
    }
  }
  if (separator == ' ') return s.empty();
  if (take("Z")) return s.empty();
  if (!take("+-")) return false;
  int zone_hour = number(2, 2);
  if (zone_hour < 0 || zone_hour > 24 || !take(":")) return false;
  int zone_minute = number(2, 2);
  return zone_minute >= 0 && zone_minute <= 60 && s.empty();
}

bool NaturalLess(std::string_view a, std::string_view b) {
  // Bytes beyond ASCII count as letters: the order of UTF-8 bytes is that of code points.
  auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<signed char>(c) < 0;
  };
  size_t i = 0;
  while (i < a.size() && i < b.size() && a[i] == b[i]) ++i;
  if (i == a.size() || i == b.size()) return a.size() < b.size();
  bool after_digit = i > 0 && IsDigit(a[i - 1]);
  bool al = letter(a[i]), bl = letter(b[i]);
  auto bytes_less = [&] { return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[i]); };
  if (al && bl) return bytes_less();
  if (al || bl) return after_digit ? al : bl;
  // Compare the numbers that begin here; a leading 1 stands for digits before, where one of the two goes on with 0.
  uint64_t x = 0, y = 0;
  if (a[i] == '0' || b[i] == '0') {
    for (size_t j = i; j > 0 && IsDigit(a[j - 1]); --j) {
      if (a[j - 1] != '0') {
        x = y = 1;
        break;
      }
    }
  }
  size_t ai = i, bi = i;
  for (; ai < a.size() && IsDigit(a[ai]); ++ai) x = x * 10 + static_cast<uint64_t>(a[ai] - '0');
  for (; bi < b.size() && IsDigit(b[bi]); ++bi) y = y * 10 + static_cast<uint64_t>(b[bi] - '0');
  if (x != y) return static_cast<int64_t>(x) < static_cast<int64_t>(y);
  if (ai != bi) return ai < bi;
  return bytes_less();
}

std::optional<Duration> ParseDuration(std::string_view s) {
  bool negative = false;
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) {
    negative = s[0] == '-';
    s.remove_prefix(1);
  }
  if (s == "0") return Duration(0);
  if (s.empty()) return std::nullopt;
  constexpr __int128 kLimit = __int128{1} << 63;  // reached by negative durations only
  __int128 total = 0;
  while (!s.empty()) {
    __int128 whole = 0;
    size_t i = 0;
    while (i < s.size() && IsDigit(s[i])) {
      whole = whole * 10 + (s[i] - '0');
      if (whole > kLimit) return std::nullopt;
      ++i;
    }
    bool any = i > 0;
    int64_t fraction = 0;  // digits beyond what it holds do not count
    double scale = 1;
    if (i < s.size() && s[i] == '.') {
      ++i;
      while (i < s.size() && IsDigit(s[i])) {
        if (fraction <= (std::numeric_limits<int64_t>::max() - 9) / 10) {
          fraction = fraction * 10 + (s[i] - '0');
          scale *= 10;
        }
        ++i;
        any = true;
      }
    }
    if (!any) return std::nullopt;
    s.remove_prefix(i);
    static constexpr struct {
      std::string_view name;
      int64_t ns;
    } kUnits[] = {{"ns", 1},
                  {"us", 1000},
                  {"\xc2\xb5s", 1000},
                  {"\xce\xbcs", 1000},
                  {"ms", 1'000'000},
                  {"h", 3'600'000'000'000},
                  {"m", 60'000'000'000},
                  {"s", 1'000'000'000}};
    int64_t unit = 0;
    size_t len = 0;
    while (len < s.size() && s[len] != '.' && !IsDigit(s[len])) ++len;
    for (auto& u : kUnits) {
      if (s.substr(0, len) == u.name) unit = u.ns;
    }
    if (!unit) return std::nullopt;
    s.remove_prefix(len);
    total += whole * unit + static_cast<__int128>(static_cast<double>(fraction) * (static_cast<double>(unit) / scale));
    if (total > kLimit) return std::nullopt;
  }
  if (negative) return Duration(static_cast<int64_t>(-total));
  if (total == kLimit) return std::nullopt;
  return Duration(static_cast<int64_t>(total));
}

std::string FormatDuration(Duration d) {
  int64_t ns = d.count();
  if (ns == 0) return "0s";
  std::string sign = ns < 0 ? "-" : "";
  uint64_t u = ns < 0 ? 0 - static_cast<uint64_t>(ns) : static_cast<uint64_t>(ns);
  auto fraction = [](uint64_t value, uint64_t unit) {
    std::string out = std::to_string(value / unit);
    uint64_t rest = value % unit;
    if (rest) {
      std::string digits = std::to_string(rest + unit).substr(1);
      while (digits.back() == '0') digits.pop_back();
      out += "." + digits;
    }
    return out;
  };
  if (u < 1000) return fmt::format("{}{}ns", sign, u);
  if (u < 1'000'000) return sign + fraction(u, 1000) + "\xc2\xb5s";
  if (u < 1'000'000'000) return sign + fraction(u, 1'000'000) + "ms";
  uint64_t minutes = u / 60'000'000'000;
  std::string out = sign;
  if (minutes >= 60) out += fmt::format("{}h", minutes / 60);
  if (minutes > 0) out += fmt::format("{}m", minutes % 60);
  return out + fraction(u % 60'000'000'000, 1'000'000'000) + "s";
}

}  // namespace naru::conf
