#include "conf/yaml.h"

#include <yaml.h>

#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <unordered_set>

#include <fmt/core.h>

#include "conf/scalar.h"

namespace naru::conf {
namespace {

constexpr size_t kMaxText = 16 << 20;
constexpr size_t kMaxNodes = 200'000;
constexpr size_t kMaxKeys = 10'000;

// Composes a tree out of libyaml's events.
class Composer {
 public:
  Composer(std::string_view text, const std::string& source) : source_(std::make_shared<const std::string>(source)) {
    ok_ = yaml_parser_initialize(&parser_);
    if (ok_) yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  ~Composer() {
    if (have_) yaml_event_delete(&event_);
    if (ok_) yaml_parser_delete(&parser_);
  }

  Result<Value> Run() {
    if (!ok_) return Fail(Code::kInternal, "cannot start the YAML parser");
    if (!Next() || !Next()) return Unexpected(error_);
    if (event_.type == YAML_STREAM_END_EVENT) return Value();
    // Document start, then the one node.
    if (!Next()) return Unexpected(error_);
    Value v;
    if (!Node(v, 0)) return Unexpected(error_);
    return v;
  }

 private:
  bool Next() {
    if (have_) yaml_event_delete(&event_);
    have_ = false;
    if (!yaml_parser_parse(&parser_, &event_)) {
      Mark m{source_, static_cast<int>(parser_.problem_mark.line) + 1,
             static_cast<int>(parser_.problem_mark.column) + 1};
      return Fault(m, parser_.problem ? parser_.problem : "not valid YAML");
    }
    have_ = true;
    return true;
  }

  bool Fault(const Mark& m, std::string_view what) {
    error_ = Error{Code::kInvalidArgument, false, Duration{0}, fmt::format("{}: {}", m.ToString(), what)};
    return false;
  }

  Mark Here() const {
    return Mark{source_, static_cast<int>(event_.start_mark.line) + 1, static_cast<int>(event_.start_mark.column) + 1};
  }

  static std::string Text(const yaml_char_t* s) { return s ? reinterpret_cast<const char*>(s) : ""; }

  bool Node(Value& out, int depth) {
    Mark mark = Here();
    if (depth > kMaxDepth) return Fault(mark, fmt::format("nested more than {} levels deep", kMaxDepth));
    if (++nodes_ > kMaxNodes) return TooMany(mark);
    switch (event_.type) {
      case YAML_ALIAS_EVENT:
        return Alias(out, mark);
      case YAML_SCALAR_EVENT: {
        auto& s = event_.data.scalar;
        std::string anchor = Text(s.anchor);
        std::string_view text(reinterpret_cast<const char*>(s.value), s.length);
        if (!Scalar(out, text, Text(s.tag), s.style == YAML_PLAIN_SCALAR_STYLE, mark)) return false;
        out.set_mark(mark);
        if (!anchor.empty()) anchors_[anchor] = out;
        return true;
      }
      case YAML_SEQUENCE_START_EVENT: {
        std::string anchor = Text(event_.data.sequence_start.anchor);
        if (!anchor.empty()) open_.insert(anchor);
        out = Value::MakeList();
        out.set_mark(mark);
        for (;;) {
          if (!Next()) return false;
          if (event_.type == YAML_SEQUENCE_END_EVENT) break;
          Value item;
          if (!Node(item, depth + 1)) return false;
          out.list().push_back(std::move(item));
        }
        Close(anchor, out);
        return true;
      }
      case YAML_MAPPING_START_EVENT: {
        std::string anchor = Text(event_.data.mapping_start.anchor);
        if (!anchor.empty()) open_.insert(anchor);
        if (!Mapping(out, mark, depth)) return false;
        Close(anchor, out);
        return true;
      }
      default:
        return Fault(mark, "unexpected end of the document");
    }
  }

  bool Alias(Value& out, const Mark& mark) {
    std::string name = Text(event_.data.alias.anchor);
    if (open_.count(name)) return Fault(mark, fmt::format("anchor '{}' value contains itself", name));
    auto it = anchors_.find(name);
    if (it == anchors_.end()) return Fault(mark, fmt::format("unknown anchor '{}' referenced", name));
    nodes_ += Size(it->second);
    if (nodes_ > kMaxNodes) return TooMany(mark);
    out = it->second;
    out.set_mark(mark);
    return true;
  }

  bool TooMany(const Mark& mark) {
    return Fault(mark, fmt::format("more than {} values (what an alias stands for counts each time)", kMaxNodes));
  }

  // Types a scalar by its tag, or by its text when it is plain.
  bool Scalar(Value& out, std::string_view text, std::string_view tag, bool plain, const Mark& mark) {
    constexpr std::string_view kPrefix = "tag:yaml.org,2002:";
    if (tag == "!") tag = {};
    if (tag.empty()) {
      out = plain ? ResolvePlain(text) : Value::String(text);
      return true;
    }
    bool core = tag.substr(0, kPrefix.size()) == kPrefix;
    if (core) tag.remove_prefix(kPrefix.size());
    if (core && tag == "binary") {
      auto bytes = Base64(text);
      if (!bytes) return Fault(mark, "!!binary value contains invalid base64 data");
      out = Value::String(*bytes);
      return true;
    }
    Value v = ResolvePlain(text);
    bool fits = true;
    if (core && tag == "null") {
      fits = v.is_null();
    } else if (core && tag == "bool") {
      fits = v.is_bool();
    } else if (core && tag == "int") {
      fits = v.is_int();
    } else if (core && tag == "float") {
      if (v.is_int()) v = Value::Double(static_cast<double>(v.int_value()));
      fits = v.is_double();
    } else if (core && tag == "timestamp") {
      fits = IsTimestamp(text);
    } else {
      v = Value::String(text);  // !!str, and tags that mean nothing to us
    }
    if (!fits) return Fault(mark, fmt::format("cannot decode `{}` as a !!{}", text.substr(0, 100), tag));
    out = std::move(v);
    return true;
  }

  // A key as text: what the reference's map of strings holds for it.
  static std::string KeyText(const Value& key) {
    if (key.is_null()) return "<nil>";
    if (key.is_double() && std::isnan(key.double_value())) return "NaN";
    if (key.is_double() && std::isinf(key.double_value())) return key.double_value() > 0 ? "+Inf" : "-Inf";
    return *key.ScalarText();
  }

  bool Mapping(Value& out, const Mark& mark, int depth) {
    out = Value::MakeMap();
    out.set_mark(mark);
    std::unordered_set<std::string> seen;
    std::vector<Value> merges;
    bool merged = false;
    for (;;) {
      if (!Next()) return false;
      if (event_.type == YAML_MAPPING_END_EVENT) break;
      Mark at = Here();
      bool merge = event_.type == YAML_SCALAR_EVENT && event_.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
                   !event_.data.scalar.tag && event_.data.scalar.length == 2 && Text(event_.data.scalar.value) == "<<";
      Value key;
      if (!Node(key, depth + 1)) return false;
      if (key.is_list() || key.is_map()) return Fault(at, "a key must be a text, not a list or a map");
      if (depth == 0 && !key.is_string())
        return Fault(at, fmt::format("the key {} is {}: put quotes around it", KeyText(key), key.KindName()));
      if (merge && merged) return Fault(at, "mapping key \"<<\" already defined; merge several maps as <<: [*a, *b]");
      if (!Next()) return false;
      bool alias = event_.type == YAML_ALIAS_EVENT;
      Value value;
      if (!Node(value, depth + 1)) return false;
      if (merge) {
        merged = true;
        if (value.is_map()) {
          merges.push_back(std::move(value));
        } else if (value.is_list() && !alias) {
          for (auto& v : value.list()) merges.push_back(std::move(v));
        } else {
          return Fault(at, "map merge requires map or sequence of maps as the value");
        }
        continue;
      }
      std::string text = KeyText(key);
      if (!seen.insert(text).second) {
        return Fault(at,
                     fmt::format("mapping key \"{}\" already defined at line {}", text, out.Find(text)->mark().line));
      }
      if (seen.size() > kMaxKeys) return Fault(at, fmt::format("a map of more than {} keys", kMaxKeys));
      out.mutable_map().emplace_back(std::move(text), std::move(value));
    }
    for (auto& m : merges) {
      if (!m.is_map()) return Fault(mark, "map merge requires map or sequence of maps as the value");
      for (auto& [k, v] : m.mutable_map()) {
        if (seen.insert(k).second) out.mutable_map().emplace_back(k, std::move(v));
      }
    }
    if (out.map().size() > kMaxKeys) return Fault(mark, fmt::format("a map of more than {} keys", kMaxKeys));
    return true;
  }

  void Close(const std::string& anchor, const Value& v) {
    if (anchor.empty()) return;
    open_.erase(anchor);
    anchors_[anchor] = v;
  }

  static std::optional<std::string> Base64(std::string_view text) {
    std::string out;
    uint32_t bits = 0;
    int have = 0;
    size_t digits = 0, pads = 0;
    for (char c : text) {
      if (c == '\n' || c == '\r') continue;
      static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
      if (c == '=') {
        ++pads;
        continue;
      }
      size_t d = kDigits.find(c);
      if (d == std::string_view::npos || pads) return std::nullopt;
      ++digits;
      bits = (bits << 6 | static_cast<uint32_t>(d)) & 0xffffff;
      have += 6;
      if (have >= 8) {
        have -= 8;
        out += static_cast<char>(bits >> have & 0xff);
      }
    }
    bool ok = (digits + pads) % 4 == 0 && pads <= 2;
    return ok ? std::optional<std::string>(std::move(out)) : std::nullopt;
  }

  static size_t Size(const Value& v) {
    size_t n = 1;
    for (auto& item : v.list()) n += Size(item);
    for (auto& e : v.map()) n += Size(e.second);
    return n;
  }

  std::shared_ptr<const std::string> source_;
  yaml_parser_t parser_{};
  yaml_event_t event_{};
  bool ok_ = false, have_ = false;
  size_t nodes_ = 0;
  std::map<std::string, Value> anchors_;
  std::set<std::string> open_;  // anchors of collections that are being read
  Error error_;
};

}  // namespace

Result<Value> ParseYaml(std::string_view text, const std::string& source) {
  if (text.size() > kMaxText) return Fail(Code::kInvalidArgument, "{}: larger than {} MiB", source, kMaxText >> 20);
  return Composer(text, source).Run();
}

}  // namespace naru::conf
