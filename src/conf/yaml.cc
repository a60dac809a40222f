#include "conf/yaml.h"

#include <yaml.h>

#include <map>

#include <fmt/core.h>

#include "conf/scalar.h"

namespace naru::conf {
namespace {

constexpr size_t kMaxText = 16 << 20;
constexpr size_t kMaxNodes = 200'000;

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
    if (depth > kMaxDepth) return Fault(mark, "nested too deeply");
    if (++nodes_ > kMaxNodes)
      return Fault(mark, "the document has too many nodes (aliases count each time they are used)");
    switch (event_.type) {
      case YAML_ALIAS_EVENT: {
        auto it = anchors_.find(Text(event_.data.alias.anchor));
        if (it == anchors_.end())
          return Fault(mark, fmt::format("unknown anchor '{}' referenced", Text(event_.data.alias.anchor)));
        nodes_ += Size(it->second);
        if (nodes_ > kMaxNodes)
          return Fault(mark, "the document has too many nodes (aliases count each time they are used)");
        out = it->second;
        out.set_mark(mark);
        return true;
      }
      case YAML_SCALAR_EVENT: {
        auto& s = event_.data.scalar;
        std::string_view text(reinterpret_cast<const char*>(s.value), s.length);
        std::string tag = Text(s.tag);
        if (tag == "tag:yaml.org,2002:str" || (tag.empty() && s.style != YAML_PLAIN_SCALAR_STYLE) || tag == "!") {
          out = Value::String(text);
        } else {
          out = ResolvePlain(text);
          if (tag == "tag:yaml.org,2002:float" && out.is_int())
            out = Value::Double(static_cast<double>(out.int_value()));
        }
        out.set_mark(mark);
        Keep(Text(s.anchor), out);
        return true;
      }
      case YAML_SEQUENCE_START_EVENT: {
        std::string anchor = Text(event_.data.sequence_start.anchor);
        out = Value::MakeList();
        out.set_mark(mark);
        for (;;) {
          if (!Next()) return false;
          if (event_.type == YAML_SEQUENCE_END_EVENT) break;
          Value item;
          if (!Node(item, depth + 1)) return false;
          out.list().push_back(std::move(item));
        }
        Keep(anchor, out);
        return true;
      }
      case YAML_MAPPING_START_EVENT: {
        std::string anchor = Text(event_.data.mapping_start.anchor);
        if (!Mapping(out, mark, depth)) return false;
        Keep(anchor, out);
        return true;
      }
      default:
        return Fault(mark, "unexpected end of the document");
    }
  }

  bool Mapping(Value& out, const Mark& mark, int depth) {
    out = Value::MakeMap();
    out.set_mark(mark);
    std::vector<Value> merges;
    for (;;) {
      if (!Next()) return false;
      if (event_.type == YAML_MAPPING_END_EVENT) break;
      Mark at = Here();
      bool plain = event_.type == YAML_SCALAR_EVENT && event_.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
      Value key;
      if (!Node(key, depth + 1)) return false;
      auto text = key.ScalarText();
      if (!text) return Fault(at, "a key must be a scalar");
      if (key.is_null()) text = "null";
      if (!Next()) return false;
      Value value;
      if (!Node(value, depth + 1)) return false;
      if (plain && *text == "<<") {
        if (value.is_map()) {
          merges.push_back(std::move(value));
        } else if (value.is_list()) {
          for (auto& v : value.list()) merges.push_back(std::move(v));
        } else {
          return Fault(at, "map merge requires map or sequence of maps as the value");
        }
        continue;
      }
      if (const Value* old = out.Find(*text)) {
        return Fault(at, fmt::format("mapping key \"{}\" already defined at line {}", *text, old->mark().line));
      }
      out.mutable_map().emplace_back(std::move(*text), std::move(value));
    }
    for (auto& m : merges) {
      if (!m.is_map()) return Fault(mark, "map merge requires map or sequence of maps as the value");
      for (auto& [k, v] : m.map()) {
        if (!out.Find(k)) out.mutable_map().emplace_back(k, v);
      }
    }
    return true;
  }

  void Keep(const std::string& anchor, const Value& v) {
    if (!anchor.empty()) anchors_[anchor] = v;
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
  Error error_;
};

}  // namespace

Result<Value> ParseYaml(std::string_view text, const std::string& source) {
  if (text.size() > kMaxText) return Fail(Code::kInvalidArgument, "{}: larger than {} MiB", source, kMaxText >> 20);
  return Composer(text, source).Run();
}

}  // namespace naru::conf
