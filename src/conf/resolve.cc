#include "conf/resolve.h"

#include <algorithm>

#include <fmt/core.h>

#include "conf/yaml.h"

namespace naru::conf {
namespace {

constexpr int kMaxExpansions = 1000;
constexpr size_t kMaxUris = 100;

bool SchemeChar(char c, bool first) {
  bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return first ? letter : letter || (c >= '0' && c <= '9') || c == '+' || c == '.' || c == '-';
}

/// Splits "scheme:rest". A scheme has at least two characters: one letter is a drive.
bool SplitScheme(std::string_view uri, std::string_view& scheme, std::string_view& rest) {
  size_t n = 0;
  while (n < uri.size() && SchemeChar(uri[n], n == 0)) ++n;
  if (n < 2 || n >= uri.size() || uri[n] != ':') return false;
  scheme = uri.substr(0, n);
  rest = uri.substr(n + 1);
  return true;
}

bool EnvName(std::string_view s) {
  if (s.empty()) return false;
  for (size_t i = 0; i < s.size(); ++i) {
    char c = s[i];
    bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (i && c >= '0' && c <= '9');
    if (!ok) return false;
  }
  return true;
}

class Resolver {
 public:
  Resolver(const Sources& sources, const MergeOptions& options) : sources_(sources), options_(options) {}

  Result<Value> Run(const std::vector<std::string>& uris) {
    if (uris.empty()) return Fail(Code::kInvalidArgument, "at least one config flag must be provided");
    if (uris.size() > kMaxUris) return Fail(Code::kInvalidArgument, "more than {} configuration URIs", kMaxUris);
    Value out;
    std::string errors;
    for (auto& uri : uris) {
      std::string_view scheme, rest;
      if (!SplitScheme(uri, scheme, rest)) {
        scheme = "file";
        rest = uri;
      }
      auto v = Retrieve(scheme, rest);
      if (!v) {
        errors += v.error().message + "\n";
        continue;
      }
      if (v->is_null()) continue;
      if (!v->is_map()) {
        errors += fmt::format("{}: the configuration must be a map of sections, got {}\n", uri, v->KindName());
        continue;
      }
      Unflatten(*v);
      Merge(out, *v, options_);
    }
    if (errors.empty()) Expand(out, errors);
    if (!errors.empty()) {
      errors.pop_back();
      return Fail(Code::kInvalidArgument, "{}", errors);
    }
    Unescape(out);
    return out;
  }

 private:
  // The provider's answer: a tree typed by YAML, with the original text on scalars.
  Result<Value> Retrieve(std::string_view scheme, std::string_view rest) {
    std::string opaque(rest);
    if (scheme == "file") {
      if (!sources_.read_file) return Fail(Code::kInvalidArgument, "file: is not available here");
      auto text = sources_.read_file(opaque);
      if (!text)
        return Fail(Code::kInvalidArgument, "unable to read the file file:{}: {}", opaque, text.error().message);
      return Parse(*text, opaque);
    }
    if (scheme == "yaml") return Parse(opaque, "yaml");  // the text itself may hold secrets
    if (scheme == "http" || scheme == "https") {
      if (!sources_.fetch) return Fail(Code::kInvalidArgument, "{}: is not available here", scheme);
      std::string url = std::string(scheme) + ":" + opaque;
      auto text = sources_.fetch(url);
      if (!text) return Fail(Code::kInvalidArgument, "unable to read {}: {}", url, text.error().message);
      return Parse(*text, url);
    }
    if (scheme == "env") return Env(opaque);
    return Fail(Code::kInvalidArgument,
                "scheme \"{}\" is not supported for uri \"{}:{}\" (file, env, yaml, http, https are)", scheme, scheme,
                rest);
  }

  Result<Value> Env(const std::string& opaque) {
    size_t split = opaque.find(":-");
    std::string name = opaque.substr(0, split);
    if (!EnvName(name)) {
      return Fail(Code::kInvalidArgument,
                  "environment variable \"{}\" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$", name);
    }
    auto value = sources_.env ? sources_.env(name) : std::nullopt;
    if (!value) {
      if (split == std::string::npos) {
        if (sources_.warn) sources_.warn(fmt::format("Configuration references unset environment variable {}", name));
        value = "";
      } else {
        value = opaque.substr(split + 2);
      }
    } else if (value->empty() && sources_.warn) {
      sources_.warn(fmt::format("Configuration references empty environment variable {}", name));
    }
    return Parse(*value, "env:" + name);
  }

  Result<Value> Parse(const std::string& text, const std::string& source) {
    auto v = ParseYaml(text, source);
    if (!v && source.rfind("env:", 0) == 0) v = Value::String(text);  // text that is no YAML is a string all the same
    if (!v) return v;
    if (!v->is_list() && !v->is_map()) {
      // A folded or quoted scalar keeps its text as written, without the newline that ends a file.
      std::string original = text;
      while (!original.empty() && (original.back() == '\n' || original.back() == '\r')) original.pop_back();
      v->set_original(std::move(original));
    }
    return v;
  }

  // Keys of the top level may be paths: `exporters::debug::verbosity: detailed`.
  void Unflatten(Value& v) {
    bool any =
        std::any_of(v.map().begin(), v.map().end(), [](auto& e) { return e.first.find("::") != std::string::npos; });
    if (!any) return;
    Value out = Value::MakeMap();
    out.set_mark(v.mark());
    for (auto& [key, item] : v.mutable_map()) {
      Value nested = std::move(item);
      std::string rest = key;
      for (size_t at; (at = rest.rfind("::")) != std::string::npos; rest.resize(at)) {
        Value up = Value::MakeMap();
        up.set_mark(nested.mark());
        up.Set(rest.substr(at + 2), std::move(nested));
        nested = std::move(up);
      }
      Value top = Value::MakeMap();
      top.Set(rest, std::move(nested));
      Merge(out, top);
    }
    v = std::move(out);
  }

  void Expand(Value& v, std::string& errors) {
    if (v.is_list()) {
      for (auto& item : v.list()) Expand(item, errors);
    } else if (v.is_map()) {
      for (auto& e : v.mutable_map()) Expand(e.second, errors);
    } else if (v.is_string() && v.string_value().find("${") != std::string::npos) {
      Mark mark = v.mark();
      auto done = ExpandText(v.string_value(), 0);
      if (!done) {
        errors += mark.ToString() + ": " + done.error().message + "\n";
        return;
      }
      v = std::move(*done);
      Remark(v, mark);
    }
  }

  // What an environment variable or a file put here is shown at the place that asked for it, unless it has a place of
  // its own.
  static void Remark(Value& v, const Mark& mark) {
    if (!v.mark().source || v.mark().source->rfind("env:", 0) == 0 || !(v.is_map() || v.is_list())) v.set_mark(mark);
    for (auto& item : v.list()) {
      if (item.mark().source && item.mark().source->rfind("env:", 0) == 0) Remark(item, mark);
    }
    if (v.is_map()) {
      for (auto& e : v.mutable_map()) {
        if (e.second.mark().source && e.second.mark().source->rfind("env:", 0) == 0) Remark(e.second, mark);
      }
    }
  }

  // Position of the innermost `${...}` that is not escaped, or npos.
  static size_t FindUri(std::string_view s, size_t& length) {
    size_t from = 0;
    for (;;) {
      size_t close = s.find('}', from);
      if (close == std::string_view::npos) return close;
      size_t open = close >= 2 ? s.rfind("${", close) : std::string_view::npos;
      if (open == std::string_view::npos || open < from) {
        from = close + 1;
        continue;
      }
      size_t dollars = 0;
      while (dollars < open - from && s[open - 1 - dollars] == '$') ++dollars;
      if (dollars % 2) {
        from = close + 1;
        continue;
      }
      length = close + 1 - open;
      return open;
    }
  }

  Result<Value> ExpandText(const std::string& text, int depth) {
    std::string s = text;
    for (int i = 0; i < kMaxExpansions; ++i) {
      size_t length = 0, at = FindUri(s, length);
      if (at == std::string::npos) return Value::String(s);
      auto v = ExpandUri(s.substr(at, length), depth);
      if (!v) return v;
      if (at == 0 && length == s.size()) return v;
      auto part = v->ScalarText();
      if (!part)
        return Fail(Code::kInvalidArgument, "expanding {}: expected convertable to string value type, got {}",
                    s.substr(at, length), v->KindName());
      s = s.substr(0, at) + *part + s.substr(at + length);
    }
    return Fail(Code::kInvalidArgument, "too many recursive expansions");
  }

  Result<Value> ExpandUri(const std::string& reference, int depth) {
    if (depth > 20 || ++expansions_ > 10 * kMaxExpansions)
      return Fail(Code::kInvalidArgument, "too many recursive expansions");
    std::string_view inner(reference.data() + 2, reference.size() - 3), scheme, rest;
    if (!SplitScheme(inner, scheme, rest) || rest.substr(0, 1) == "-") {  // ${NAME:-default} has no scheme
      scheme = "env";
      rest = inner;
    }
    if (rest.find('$') != std::string_view::npos) {
      return Fail(Code::kInvalidArgument, "the uri \"{}\" contains unsupported characters ('$')", std::string(inner));
    }
    auto v = Retrieve(scheme, rest);
    if (!v) return v;
    if (v->is_string() && v->string_value().find("${") != std::string::npos)
      return ExpandText(v->string_value(), depth + 1);
    std::string errors;
    if (v->is_list() || v->is_map()) Expand(*v, errors);
    if (!errors.empty()) return Fail(Code::kInvalidArgument, "{}", errors.substr(0, errors.size() - 1));
    return v;
  }

  static std::string UnescapeText(const std::string& s) {
    std::string out;
    for (size_t i = 0; i < s.size(); ++i) {
      out += s[i];
      if (s[i] == '$' && i + 1 < s.size() && s[i + 1] == '$') ++i;
    }
    return out;
  }

  static void Unescape(Value& v) {
    if (v.is_list()) {
      for (auto& item : v.list()) Unescape(item);
      return;
    }
    if (v.is_map()) {
      for (auto& e : v.mutable_map()) Unescape(e.second);
      return;
    }
    if (v.original() && v.original()->find("$$") != std::string::npos) {
      std::string original = UnescapeText(*v.original());
      v.set_original(std::move(original));
    }
    if (v.is_string() && v.string_value().find("$$") != std::string::npos) {
      Value s = Value::String(UnescapeText(v.string_value()));
      s.set_mark(v.mark());
      if (v.original()) s.set_original(*v.original());
      v = std::move(s);
    }
  }

  const Sources& sources_;
  const MergeOptions& options_;
  int expansions_ = 0;
};

bool AppendsAt(const std::vector<std::string_view>& path) {
  if (path.size() == 2) return path[0] == "service" && path[1] == "extensions";
  return path.size() == 4 && path[0] == "service" && path[1] == "pipelines" &&
         (path[3] == "receivers" || path[3] == "exporters");
}

void MergeAt(Value& base, const Value& over, const MergeOptions& options, std::vector<std::string_view>& path) {
  if (base.is_map() && over.is_map()) {
    for (auto& [k, v] : over.map()) {
      Value* old = base.Find(k);
      if (!old) {
        base.Set(k, v);
        continue;
      }
      path.push_back(k);
      MergeAt(*old, v, options, path);
      path.pop_back();
    }
    return;
  }
  if (options.append_lists && base.is_list() && over.is_list() && AppendsAt(path)) {
    for (auto& item : over.list()) {
      if (std::find(base.list().begin(), base.list().end(), item) == base.list().end()) base.list().push_back(item);
    }
    return;
  }
  base = over;
}

}  // namespace

void Merge(Value& base, const Value& over, const MergeOptions& options) {
  std::vector<std::string_view> path;
  MergeAt(base, over, options, path);
}

Result<Value> Resolve(const std::vector<std::string>& uris, const Sources& sources, const MergeOptions& options) {
  return Resolver(sources, options).Run(uris);
}

Result<std::string> SetToUri(std::string_view assignment) {
  size_t eq = assignment.find('=');
  if (eq == std::string_view::npos) return Fail(Code::kInvalidArgument, "missing equal sign in --set {}", assignment);
  std::string path;
  for (char c : assignment.substr(0, eq)) {
    if (c == '.') {
      path += "::";
    } else if (c != ' ') {
      path += c;
    }
  }
  return "yaml:" + path + ": " + std::string(assignment.substr(eq + 1));
}

}  // namespace naru::conf
