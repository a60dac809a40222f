#include "conf/value.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "conf/scalar.h"

namespace naru::conf {

std::string Mark::ToString() const {
  if (!source) return {};
  if (line == 0) return *source;
  return fmt::format("{}:{}:{}", *source, line, column);
}

Value::Value(const Value& o)
    : kind_(o.kind_),
      int_(o.int_),
      double_(o.double_),
      text_(o.text_),
      list_(o.list_),
      map_(o.map_ ? std::make_shared<Map>(*o.map_) : nullptr),
      original_(o.original_),
      mark_(o.mark_) {}

Value& Value::operator=(const Value& o) {
  if (this != &o) *this = Value(o);
  return *this;
}

Value Value::Bool(bool b) {
  Value v;
  v.kind_ = Kind::kBool;
  v.int_ = b;
  return v;
}
Value Value::Int(int64_t i) {
  Value v;
  v.kind_ = Kind::kInt;
  v.int_ = i;
  return v;
}
Value Value::Double(double d) {
  Value v;
  v.kind_ = Kind::kDouble;
  v.double_ = d;
  return v;
}
Value Value::String(std::string_view s) {
  Value v;
  v.kind_ = Kind::kString;
  v.text_ = s;
  return v;
}
Value Value::MakeList() {
  Value v;
  v.kind_ = Kind::kList;
  return v;
}
Value Value::MakeMap() {
  Value v;
  v.kind_ = Kind::kMap;
  v.map_ = std::make_shared<Map>();
  return v;
}

std::string_view Value::KindName() const {
  switch (kind_) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return "a bool";
    case Kind::kInt:
      return "an integer";
    case Kind::kDouble:
      return "a number";
    case Kind::kString:
      return "a string";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
  }
  return "a value";
}

const Value::Map& Value::map() const {
  static const Map empty;
  return map_ ? *map_ : empty;
}

Value::Map& Value::mutable_map() {
  if (!map_) map_ = std::make_shared<Map>();
  return *map_;
}

const Value* Value::Find(std::string_view key) const {
  if (!map_) return nullptr;
  for (auto& [k, v] : *map_) {
    if (k == key) return &v;
  }
  return nullptr;
}

Value* Value::Find(std::string_view key) {
  return const_cast<Value*>(static_cast<const Value*>(this)->Find(key));
}

Value& Value::Set(std::string_view key, Value value) {
  if (Value* old = Find(key)) {
    *old = std::move(value);
    return *old;
  }
  kind_ = Kind::kMap;
  mutable_map().emplace_back(std::string(key), std::move(value));
  return map_->back().second;
}

const std::string* Value::AsText() const {
  if (original_) return original_.get();
  return kind_ == Kind::kString ? &text_ : nullptr;
}

std::optional<std::string> Value::ScalarText() const {
  if (original_) return *original_;
  switch (kind_) {
    case Kind::kNull:
      return std::string();
    case Kind::kBool:
      return int_ ? "true" : "false";
    case Kind::kInt:
      return std::to_string(int_);
    case Kind::kDouble:
      return FormatDouble(double_);
    case Kind::kString:
      return text_;
    default:
      return std::nullopt;
  }
}

bool Value::operator==(const Value& o) const {
  if (kind_ != o.kind_) return false;
  switch (kind_) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
    case Kind::kInt:
      return int_ == o.int_;
    case Kind::kDouble:
      return double_ == o.double_ || (std::isnan(double_) && std::isnan(o.double_));
    case Kind::kString:
      return text_ == o.text_;
    case Kind::kList:
      return list_ == o.list_;
    case Kind::kMap: {
      if (map().size() != o.map().size()) return false;
      for (auto& [k, v] : map()) {
        const Value* other = o.Find(k);
        if (!other || !(v == *other)) return false;
      }
      return true;
    }
  }
  return false;
}

namespace {

void AppendJsonString(std::string& out, std::string_view s) {
  out += '"';
  for (unsigned char c : s) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += static_cast<char>(c);
    }
  }
  out += '"';
}

std::vector<const Value::Entry*> Sorted(const Value& v) {
  std::vector<const Value::Entry*> out;
  for (auto& e : v.map()) out.push_back(&e);
  std::sort(out.begin(), out.end(), [](auto* a, auto* b) { return a->first < b->first; });
  return out;
}

void Json(std::string& out, const Value& v) {
  switch (v.kind()) {
    case Value::Kind::kNull:
      out += "null";
      return;
    case Value::Kind::kString:
      AppendJsonString(out, v.string_value());
      return;
    case Value::Kind::kList: {
      out += '[';
      bool first = true;
      for (auto& item : v.list()) {
        if (!first) out += ',';
        first = false;
        Json(out, item);
      }
      out += ']';
      return;
    }
    case Value::Kind::kMap: {
      out += '{';
      bool first = true;
      for (auto* e : Sorted(v)) {
        if (!first) out += ',';
        first = false;
        AppendJsonString(out, e->first);
        out += ':';
        Json(out, e->second);
      }
      out += '}';
      return;
    }
    case Value::Kind::kBool:
      out += v.bool_value() ? "true" : "false";
      return;
    case Value::Kind::kInt:
      out += std::to_string(v.int_value());
      return;
    case Value::Kind::kDouble:
      if (std::isfinite(v.double_value())) {
        out += FormatDouble(v.double_value());
      } else {
        AppendJsonString(out, FormatDouble(v.double_value()));
      }
      return;
  }
}

// A plain scalar must read back as the same string; everything else is quoted.
bool PlainString(const std::string& s) {
  if (s.empty() || s.front() == ' ' || s.back() == ' ') return false;
  if (!ResolvePlain(s).is_string()) return false;
  if (std::string_view("-?:,[]{}#&*!|>'\"%@`").find(s[0]) != std::string_view::npos) {
    bool dash_word = (s[0] == '-' || s[0] == '?' || s[0] == ':') && s.size() > 1 && s[1] != ' ';
    if (!dash_word) return false;
  }
  for (size_t i = 0; i < s.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(s[i]);
    if (c < 0x20 || c == 0x7f) return false;
    if (c == ':' && (i + 1 == s.size() || s[i + 1] == ' ')) return false;
    if (c == '#' && i > 0 && s[i - 1] == ' ') return false;
  }
  // Words that YAML 1.1 readers take for bools are quoted, as Go's encoder does.
  static const std::string_view kBools[] = {"y", "Y", "yes", "Yes", "YES", "on",  "On",  "ON",
                                            "n", "N", "no",  "No",  "NO",  "off", "Off", "OFF"};
  return std::find(std::begin(kBools), std::end(kBools), s) == std::end(kBools);
}

void YamlString(std::string& out, const std::string& s) {
  if (PlainString(s)) {
    out += s;
    return;
  }
  bool control = std::any_of(s.begin(), s.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  bool special = !ResolvePlain(s).is_string();
  if (control || special || s.empty()) {
    out += '"';
    for (unsigned char c : s) {
      switch (c) {
        case '"':
          out += "\\\"";
          break;
        case '\\':
          out += "\\\\";
          break;
        case '\n':
          out += "\\n";
          break;
        case '\t':
          out += "\\t";
          break;
        case '\r':
          out += "\\r";
          break;
        default:
          if (c < 0x20 || c == 0x7f) {
            out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
          } else {
            out += static_cast<char>(c);
          }
      }
    }
    out += '"';
    return;
  }
  out += '\'';
  for (char c : s) {
    if (c == '\'') out += '\'';
    out += c;
  }
  out += '\'';
}

void Yaml(std::string& out, const Value& v, int indent, bool in_list);

void YamlChild(std::string& out, const Value& v, int indent) {
  if ((v.is_map() && !v.map().empty()) || (v.is_list() && !v.list().empty())) {
    out += '\n';
    Yaml(out, v, indent, false);
  } else {
    out += ' ';
    Yaml(out, v, indent, false);
    out += '\n';
  }
}

void Yaml(std::string& out, const Value& v, int indent, bool in_list) {
  std::string pad(static_cast<size_t>(indent), ' ');
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
      out += FormatDouble(v.double_value());
      return;
    case Value::Kind::kString:
      YamlString(out, v.string_value());
      return;
    case Value::Kind::kList: {
      if (v.list().empty()) {
        out += "[]";
        return;
      }
      for (auto& item : v.list()) {
        out += pad + "- ";
        bool nested = (item.is_map() && !item.map().empty()) || (item.is_list() && !item.list().empty());
        if (nested) {
          Yaml(out, item, indent + 2, true);
        } else {
          Yaml(out, item, indent + 2, false);
          out += '\n';
        }
      }
      return;
    }
    case Value::Kind::kMap: {
      if (v.map().empty()) {
        out += "{}";
        return;
      }
      bool first = in_list;
      for (auto* e : Sorted(v)) {
        if (!first) out += pad;
        first = false;
        YamlString(out, e->first);
        out += ':';
        YamlChild(out, e->second, indent + 4);
      }
      return;
    }
  }
}

}  // namespace

std::string ToJson(const Value& value) {
  std::string out;
  Json(out, value);
  return out;
}

std::string ToYaml(const Value& value) {
  std::string out;
  Yaml(out, value, 0, false);
  if (out.empty() || out.back() != '\n') out += '\n';
  return out;
}

}  // namespace naru::conf
