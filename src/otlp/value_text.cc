#include "otlp/value_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <utility>
#include <vector>

#include "wire/hash.h"
#include "wire/numbers.h"

namespace naru::otlp {
namespace {

constexpr int kMaxNesting = 64;

void AppendBase64(std::string_view bytes, std::string* out) {
  size_t start = out->size();
  out->resize(start + wire::Base64EncodedSize(bytes.size()));
  wire::Base64EncodeTo(bytes, out->data() + start);
}

void AppendDouble(double v, std::string* out) {
  char buffer[wire::kFloatText];
  out->append(buffer, wire::PutFloat(buffer, v, wire::FloatStyle::kEcmaScript));
}

// The length of the UTF-8 sequence at the front of `s`, 0 when there is none.
size_t SequenceLength(std::string_view s) {
  auto at = [&](size_t i) { return static_cast<uint8_t>(s[i]); };
  auto tail = [&](size_t i) { return i < s.size() && (at(i) & 0xc0) == 0x80; };
  uint8_t c = at(0);
  if (c < 0x80) return 1;
  if (c >= 0xc2 && c <= 0xdf) return tail(1) ? 2 : 0;
  if (c >= 0xe0 && c <= 0xef) {
    if (!tail(1) || !tail(2)) return 0;
    return (c == 0xe0 && at(1) < 0xa0) || (c == 0xed && at(1) > 0x9f) ? 0 : 3;
  }
  if (c >= 0xf0 && c <= 0xf4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    return (c == 0xf0 && at(1) < 0x90) || (c == 0xf4 && at(1) > 0x8f) ? 0 : 4;
  }
  return 0;
}

void AppendQuoted(std::string_view s, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out->push_back('"');
  while (!s.empty()) {
    unsigned char c = static_cast<unsigned char>(s[0]);
    size_t n = SequenceLength(s);
    if (n == 0) {
      out->append("\\ufffd");
      n = 1;
    } else if (n == 3 && (s.substr(0, 3) == "\xe2\x80\xa8" || s.substr(0, 3) == "\xe2\x80\xa9")) {
      out->append(s[2] == '\xa8' ? "\\u2028" : "\\u2029");
    } else if (n > 1 || (c >= 0x20 && c != '"' && c != '\\')) {
      out->append(s.substr(0, n));
    } else {
      static constexpr std::string_view kShort = "\"\\\b\f\n\r\t";
      static constexpr char kLetters[] = "\"\\bfnrt";
      out->push_back('\\');
      if (size_t i = kShort.find(static_cast<char>(c)); i != std::string_view::npos) {
        out->push_back(kLetters[i]);
      } else {
        out->append("u00");
        out->push_back(kHex[c >> 4]);
        out->push_back(kHex[c & 15]);
      }
    }
    s.remove_prefix(n);
  }
  out->push_back('"');
}

void AppendInt(int64_t v, std::string* out) {
  char buffer[wire::kIntegerText];
  out->append(buffer, wire::PutSigned(buffer, v));
}

// False when JSON has no form for it: NaN and the infinities.
bool AppendJson(const AnyValue& v, int depth, std::string* out) {
  switch (v.kind) {
    case AnyValue::Kind::kEmpty:
      out->append("null");
      return true;
    case AnyValue::Kind::kString:
      AppendQuoted(v.bytes, out);
      return true;
    case AnyValue::Kind::kBool:
      out->append(v.boolean ? "true" : "false");
      return true;
    case AnyValue::Kind::kInt:
      AppendInt(v.integer, out);
      return true;
    case AnyValue::Kind::kDouble:
      if (!std::isfinite(v.real)) return false;
      AppendDouble(v.real, out);
      return true;
    case AnyValue::Kind::kBytes:
      out->push_back('"');
      AppendBase64(v.bytes, out);
      out->push_back('"');
      return true;
    case AnyValue::Kind::kArray: {
      if (depth >= kMaxNesting) break;
      out->push_back('[');
      bool first = true;
      for (const AnyValue& e : v.array()) {
        if (!std::exchange(first, false)) out->push_back(',');
        if (!AppendJson(e, depth + 1, out)) return false;
      }
      out->push_back(']');
      return true;
    }
    case AnyValue::Kind::kKvlist: {
      if (depth >= kMaxNesting) break;
      std::vector<KeyValue> entries;
      for (const KeyValue& kv : v.kvlist()) entries.push_back(kv);
      std::stable_sort(entries.begin(), entries.end(),
                       [](const KeyValue& a, const KeyValue& b) { return a.key < b.key; });
      out->push_back('{');
      bool first = true;
      for (size_t i = 0; i < entries.size(); ++i) {
        if (i + 1 < entries.size() && entries[i + 1].key == entries[i].key) continue;  // of equal keys the last one
        if (!std::exchange(first, false)) out->push_back(',');
        AppendQuoted(entries[i].key, out);
        out->push_back(':');
        if (!AppendJson(entries[i].value, depth + 1, out)) return false;
      }
      out->push_back('}');
      return true;
    }
  }
  out->append("null");
  return true;
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// Removes separators from a Go literal; false when one stands where none may: they stand between digits, or between a
// base prefix and a digit.
bool WithoutSeparators(std::string_view text, std::string* out) {
  bool hex = false;
  size_t i = 0;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) out->push_back(text[i++]);
  char before = '^';  // what the last character was: 0 digit or prefix, _ separator, ! other
  if (text.size() - i >= 2 && text[i] == '0' && (text[i + 1] == 'x' || text[i + 1] == 'X')) {
    hex = true;
    out->append(text.substr(i, 2));
    i += 2;
    before = '0';
  }
  for (; i < text.size(); ++i) {
    char c = text[i];
    bool digit = IsDigit(c) || (hex && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')));
    if (c == '_') {
      if (before != '0') return false;
      before = '_';
      continue;
    }
    if (!digit && before == '_') return false;
    before = digit ? '0' : '!';
    out->push_back(c);
  }
  return before != '_';
}

}  // namespace

void AppendText(const AnyValue& value, std::string* out) {
  switch (value.kind) {
    case AnyValue::Kind::kEmpty:
      return;
    case AnyValue::Kind::kString:
      out->append(value.bytes);
      return;
    case AnyValue::Kind::kBool:
      out->append(value.boolean ? "true" : "false");
      return;
    case AnyValue::Kind::kInt:
      AppendInt(value.integer, out);
      return;
    case AnyValue::Kind::kDouble:
      AppendDouble(value.real, out);
      return;
    case AnyValue::Kind::kBytes:
      AppendBase64(value.bytes, out);
      return;
    case AnyValue::Kind::kArray:
    case AnyValue::Kind::kKvlist: {
      // As in the reference, a number that JSON cannot express leaves no text at all.
      size_t start = out->size();
      if (!AppendJson(value, 0, out)) out->resize(start);
      return;
    }
  }
}

bool ParseInt(std::string_view text, int64_t* value) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return false;
  }
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool ParseFloat(std::string_view text, double* value) {
  if (text.empty() || text.size() > 4096) return false;
  std::string clean;
  if (!WithoutSeparators(text, &clean)) return false;
  std::string_view s = clean;
  bool negative = s.starts_with('-');
  if (negative || s.starts_with('+')) s.remove_prefix(1);
  if (s.empty() || s[0] == '-' || s[0] == '+') return false;
  bool hex = s.size() > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
  if (hex) {
    if (s.find_first_of("pP") == std::string_view::npos) return false;  // Go requires the exponent
    s.remove_prefix(2);
  } else if (s.starts_with("nan(") || (negative && (s[0] == 'n' || s[0] == 'N'))) {
    return false;
  }
  if (!hex && clean[0] == '+' && (s[0] == 'n' || s[0] == 'N')) return false;  // NaN takes no sign
  double v = 0;
  auto [end, error] =
      std::from_chars(s.data(), s.data() + s.size(), v, hex ? std::chars_format::hex : std::chars_format::general);
  if (end != s.data() + s.size()) return false;
  if (error == std::errc::result_out_of_range) {
    // Too large is an error, too small is zero; strtod tells them apart.
    v = std::strtod((hex ? "0x" + std::string(s) : std::string(s)).c_str(), nullptr);
    if (std::isinf(v)) return false;
  } else if (error != std::errc()) {
    return false;
  }
  if (std::isnan(v) && s.size() != 3) return false;
  *value = negative ? -v : v;
  return true;
}

}  // namespace naru::otlp
