// Writing document trees: JSON, and YAML in the style of Go's encoder, so that what naru prints compares with what the
// reference prints.
#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/core.h>

#include "conf/scalar.h"
#include "conf/value.h"

namespace naru::conf {
namespace {

// Next code point of UTF-8 text; a broken byte is returned as itself with `valid` false.
uint32_t Decode(std::string_view s, size_t& i, bool& valid) {
  auto b = static_cast<unsigned char>(s[i++]);
  valid = true;
  if (b < 0x80) return b;
  int n = b >= 0xf0 ? 3 : b >= 0xe0 ? 2 : 1;
  uint32_t c = b & (0x3f >> n);
  if (b < 0xc2 || b > 0xf4 || i + static_cast<size_t>(n) > s.size()) {
    valid = false;
    return b;
  }
  for (int k = 0; k < n; ++k) {
    auto x = static_cast<unsigned char>(s[i + static_cast<size_t>(k)]);
    if ((x & 0xc0) != 0x80) {
      valid = false;
      return b;
    }
    c = (c << 6) | (x & 0x3f);
  }
  // Overlong forms, surrogates and what is beyond Unicode are no text either.
  if ((n == 2 && c < 0x800) || (n == 3 && (c < 0x10000 || c > 0x10ffff)) || (c >= 0xd800 && c <= 0xdfff)) {
    valid = false;
    return b;
  }
  i += static_cast<size_t>(n);
  return c;
}

// JSON is UTF-8: a byte that is not becomes U+FFFD.
void JsonString(std::string& out, std::string_view s, bool escape_html) {
  out += '"';
  for (size_t i = 0; i < s.size();) {
    size_t at = i;
    bool valid = true;
    uint32_t c = Decode(s, i, valid);
    if (!valid) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c < 0x20 || (escape_html && (c == '<' || c == '>' || c == '&'))) {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out += s.substr(at, i - at);
    }
  }
  out += '"';
}

void JsonDouble(std::string& out, double d) {
  if (!std::isfinite(d)) {
    JsonString(out, FormatDouble(d), false);
    return;
  }
  char buf[400];
  double a = std::fabs(d);
  bool exponent = a != 0 && (a < 1e-6 || a >= 1e21);
  auto r = std::to_chars(buf, buf + sizeof buf, d, exponent ? std::chars_format::scientific : std::chars_format::fixed);
  std::string text(buf, r.ptr);
  size_t e = text.find("e-0");
  if (e != std::string::npos) text.erase(e + 2, 1);
  out += text;
}

void Json(std::string& out, const Value& v, int indent, bool pretty) {
  auto line = [&](int n) {
    if (pretty) {
      out += '\n';
      out.append(static_cast<size_t>(n) * 2, ' ');
    }
  };
  switch (v.kind()) {
    case Value::Kind::kNull:
      out += "null";
      return;
    case Value::Kind::kBool:
      out += v.bool_value() ? "true" : "false";
      return;
    case Value::Kind::kInt:
      out += std::to_string(v.int_value());
      return;
    case Value::Kind::kDouble:
      return JsonDouble(out, v.double_value());
    case Value::Kind::kString:
      return JsonString(out, v.string_value(), pretty);
    case Value::Kind::kList:
      out += '[';
      for (size_t i = 0; i < v.list().size(); ++i) {
        if (i) out += ',';
        line(indent + 1);
        Json(out, v.list()[i], indent + 1, pretty);
      }
      if (!v.list().empty()) line(indent);
      out += ']';
      return;
    case Value::Kind::kMap: {
      std::vector<const Value::Entry*> entries;
      for (auto& e : v.map()) entries.push_back(&e);
      std::sort(entries.begin(), entries.end(), [](auto* a, auto* b) { return a->first < b->first; });
      out += '{';
      for (size_t i = 0; i < entries.size(); ++i) {
        if (i) out += ',';
        line(indent + 1);
        JsonString(out, entries[i]->first, pretty);
        out += pretty ? ": " : ":";
        Json(out, entries[i]->second, indent + 1, pretty);
      }
      if (!entries.empty()) line(indent);
      out += '}';
      return;
    }
  }
}

bool Printable(uint32_t c) {
  return c == '\n' || (c >= 0x20 && c <= 0x7e) || (c >= 0xa0 && c <= 0xd7ff) ||
         (c >= 0xe000 && c <= 0xfffd && c != 0xfeff) || (c >= 0x10000 && c <= 0x10ffff);
}

// Which ways of writing a text keep it.
struct Shape {
  bool plain = true, single = true, block = true;
  bool lines = false;
  bool utf8 = true;
};

Shape Analyze(std::string_view s) {
  Shape shape;
  if (s.empty()) {
    shape.plain = shape.block = false;
    return shape;
  }
  bool indicator = s.substr(0, 3) == "---" || s.substr(0, 3) == "...";
  bool space_before_break = false, break_before_space = false, special = false, tab = false;
  char before = '\n';
  for (size_t i = 0; i < s.size();) {
    size_t at = i;
    bool valid = true;
    uint32_t c = Decode(s, i, valid);
    if (!valid) shape.utf8 = false;
    bool blank_after = i >= s.size() || s[i] == ' ' || s[i] == '\t' || s[i] == '\n';
    if (at == 0) {
      if (c < 0x80 && std::string_view("#,[]{}&*!|>'\"%@`").find(static_cast<char>(c)) != std::string_view::npos)
        indicator = true;
      if ((c == '?' || c == ':' || c == '-') && blank_after) indicator = true;
    } else {
      if (c == ':' && blank_after) indicator = true;
      if (c == '#' && (before == ' ' || before == '\t' || before == '\n')) indicator = true;
    }
    if (c == '\t') {
      tab = true;
    } else if (!valid || !Printable(c) || c == 0x2028 || c == 0x2029) {
      special = true;
    }
    if (c == ' ' && before == '\n' && at > 0) break_before_space = true;
    if (c == '\n') {
      shape.lines = true;
      if (before == ' ' && at > 0) space_before_break = true;
    }
    before = c < 0x80 ? static_cast<char>(c) : 'x';
  }
  bool edge = s.front() == ' ' || s.front() == '\n' || s.back() == ' ' || s.back() == '\n';
  if (edge || shape.lines || indicator) shape.plain = false;
  if (break_before_space) shape.plain = shape.single = false;
  if (space_before_break || tab || special) shape.plain = shape.single = false;
  if (s.back() == ' ' || space_before_break || special) shape.block = false;
  return shape;
}

// `12:30:45`: an old form of numbers, quoted for readers that still know it.
bool OldNumber(std::string_view s) {
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (s.empty() || !digit(s[0])) return false;
  size_t i = 0;
  while (i < s.size() && (digit(s[i]) || s[i] == '_')) ++i;
  int groups = 0;
  while (i < s.size() && s[i] == ':') {
    size_t n = 0;
    while (i + 1 + n < s.size() && digit(s[i + 1 + n])) ++n;
    if (n < 1 || n > 2 || (n == 2 && s[i + 1] > '5')) return false;
    i += 1 + n;
    ++groups;
  }
  if (groups && i < s.size() && s[i] == '.') {
    ++i;
    while (i < s.size() && (digit(s[i]) || s[i] == '_')) ++i;
  }
  return groups > 0 && i == s.size();
}

bool ReadsAsString(std::string_view s) {
  static constexpr std::string_view kOldBools[] = {"y", "Y", "yes", "Yes", "YES", "on",  "On",  "ON",
                                                   "n", "N", "no",  "No",  "NO",  "off", "Off", "OFF"};
  if (std::find(std::begin(kOldBools), std::end(kOldBools), s) != std::end(kOldBools)) return false;
  return ResolvePlain(s).is_string() && !IsTimestamp(s) && !OldNumber(s);
}

void DoubleQuoted(std::string& out, std::string_view s) {
  out += '"';
  for (size_t i = 0; i < s.size();) {
    size_t at = i;
    bool valid = true;
    uint32_t c = Decode(s, i, valid);
    static constexpr std::pair<uint32_t, const char*> kShort[] = {
        {0, "\\0"},  {7, "\\a"},    {8, "\\b"},    {9, "\\t"},     {10, "\\n"},   {11, "\\v"},     {12, "\\f"},
        {13, "\\r"}, {0x1b, "\\e"}, {'"', "\\\""}, {'\\', "\\\\"}, {0x85, "\\N"}, {0x2028, "\\L"}, {0x2029, "\\P"}};
    auto known = std::find_if(std::begin(kShort), std::end(kShort), [&](auto& k) { return k.first == c; });
    if (valid && known != std::end(kShort)) {
      out += known->second;
    } else if (valid && Printable(c)) {
      out += s.substr(at, i - at);
    } else {
      out += c <= 0xff ? fmt::format("\\x{:02X}", c) : fmt::format("\\u{:04X}", c);
    }
  }
  out += '"';
}

class YamlWriter {
 public:
  explicit YamlWriter(std::string& out) : out_(out) {}

  // `indent` is where this node's lines stand, `parent` where the lines of what holds it do. `inline_first` says that
  // the first line goes on where the text ends.
  void Node(const Value& v, int parent, int indent, bool inline_first) {
    switch (v.kind()) {
      case Value::Kind::kNull:
        out_ += "null";
        return;
      case Value::Kind::kBool:
        out_ += v.bool_value() ? "true" : "false";
        return;
      case Value::Kind::kInt:
        out_ += std::to_string(v.int_value());
        return;
      case Value::Kind::kDouble:
        out_ += FormatDouble(v.double_value());
        return;
      case Value::Kind::kString:
        Text(v.string_value(), parent, indent, false);
        return;
      case Value::Kind::kList:
        List(v, indent, inline_first);
        return;
      case Value::Kind::kMap:
        Map(v, indent, inline_first);
        return;
    }
  }

 private:
  static bool Block(const Value& v) { return (v.is_map() && !v.map().empty()) || (v.is_list() && !v.list().empty()); }
  void Pad(int n) { out_.append(static_cast<size_t>(n), ' '); }
  void EndLine() {
    if (out_.empty() || out_.back() != '\n') out_ += '\n';
  }

  void List(const Value& v, int indent, bool inline_first) {
    if (v.list().empty()) {
      out_ += "[]";
      return;
    }
    for (size_t i = 0; i < v.list().size(); ++i) {
      if (i || !inline_first) Pad(indent);
      out_ += "- ";
      Node(v.list()[i], indent, indent + 2, true);
      EndLine();
    }
  }

  void Map(const Value& v, int indent, bool inline_first) {
    if (v.map().empty()) {
      out_ += "{}";
      return;
    }
    std::vector<const Value::Entry*> entries;
    for (auto& e : v.map()) entries.push_back(&e);
    // The natural order is not consistent for every set of names. A stable sort survives that, and over sorted names
    // its outcome is always the same.
    std::sort(entries.begin(), entries.end(), [](auto* a, auto* b) { return a->first < b->first; });
    std::stable_sort(entries.begin(), entries.end(), [](auto* a, auto* b) { return NaturalLess(a->first, b->first); });
    int next = 4 * ((indent + 4) / 4);
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i || !inline_first) Pad(indent);
      auto& [key, value] = *entries[i];
      bool simple = key.size() <= 128 && key.find('\n') == std::string::npos;
      if (!simple) out_ += "? ";
      Text(key, indent, next, true);
      if (!simple) {
        out_ += '\n';
        Pad(indent);
      }
      out_ += ':';
      if (Block(value)) {
        out_ += '\n';
        Node(value, indent, next, false);
      } else {
        out_ += ' ';
        Node(value, indent, next, true);
      }
      EndLine();
    }
  }

  void Text(const std::string& s, int parent, int indent, bool key) {
    Shape shape = Analyze(s);
    if (!shape.utf8) {
      Binary(s);
    } else if (shape.lines && shape.block && !key) {
      Literal(s, parent, indent);
    } else if (shape.lines || !ReadsAsString(s) || s.empty() || (key && s == "<<")) {
      DoubleQuoted(out_, s);
    } else if (shape.plain) {
      out_ += s;
    } else if (shape.single) {
      out_ += '\'';
      for (char c : s) {
        if (c == '\'') out_ += '\'';
        out_ += c;
      }
      out_ += '\'';
    } else {
      DoubleQuoted(out_, s);
    }
  }

  // Bytes that are no UTF-8 have no other form in YAML.
  void Binary(const std::string& s) {
    static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out_ += "!!binary ";
    for (size_t i = 0; i < s.size(); i += 3) {
      uint32_t bits = 0;
      for (size_t k = 0; k < 3; ++k) bits = bits << 8 | (i + k < s.size() ? static_cast<unsigned char>(s[i + k]) : 0u);
      for (size_t k = 0; k < 4; ++k) out_ += i + k > s.size() ? '=' : kDigits[bits >> (18 - 6 * k) & 0x3f];
    }
  }

  void Literal(const std::string& s, int parent, int indent) {
    out_ += '|';
    // Text that starts with a blank hides its indentation, so it is said.
    if (s[0] == ' ' || s[0] == '\n') out_ += std::to_string(indent - std::max(parent, 0));
    if (s.back() != '\n') {
      out_ += '-';
    } else if (s.size() == 1 || s[s.size() - 2] == '\n') {
      out_ += '+';
    }
    out_ += '\n';
    for (size_t at = 0; at < s.size();) {
      size_t end = std::min(s.find('\n', at), s.size());
      if (end > at) Pad(indent);
      out_.append(s, at, end - at);
      out_ += '\n';
      at = end + 1;
    }
  }

  std::string& out_;
};

}  // namespace

std::string ToJson(const Value& value) {
  std::string out;
  Json(out, value, 0, false);
  return out;
}

std::string ToPrettyJson(const Value& value) {
  std::string out;
  Json(out, value, 0, true);
  return out;
}

std::string ToYaml(const Value& value) {
  std::string out;
  YamlWriter(out).Node(value, 0, value.is_string() ? 4 : 0, false);
  if (out.empty() || out.back() != '\n') out += '\n';
  return out;
}

}  // namespace naru::conf
