#include "conf/resolve.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "conf/yaml.h"

namespace naru::conf {
namespace {

constexpr size_t kMaxUris = 100;
// Bounds of expansion: rounds of one value, and references, bytes and nodes of a whole configuration.
constexpr int kMaxRounds = 1000;
constexpr int kMaxReferences = 100'000;
constexpr size_t kMaxBytes = size_t{256} << 20;
constexpr size_t kMaxTextBytes = size_t{16} << 20;
constexpr size_t kMaxNodes = 1'000'000;

bool SchemeChar(char c, bool first) {
  bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return first ? letter : letter || (c >= '0' && c <= '9') || c == '+' || c == '.' || c == '-';
}

// Splits "scheme:rest". A scheme has at least two characters: one letter is a drive.
bool SplitScheme(std::string_view uri, std::string_view& scheme, std::string_view& rest) {
  size_t n = 0;
  while (n < uri.size() && SchemeChar(uri[n], n == 0)) ++n;
  if (n < 2 || n >= uri.size() || uri[n] != ':') return false;
  scheme = uri.substr(0, n);
  rest = uri.substr(n + 1);
  return true;
}

bool KnownScheme(std::string_view s) {
  return s == "file" || s == "env" || s == "yaml" || s == "http" || s == "https";
}

size_t CountNodes(const Value& v) {
  size_t n = 1;
  for (auto& item : v.list()) n += CountNodes(item);
  for (auto& e : v.map()) n += CountNodes(e.second);
  return n;
}

std::string_view Trim(std::string_view s) {
  constexpr std::string_view kBlank = " \t\r\n\v\f";
  size_t from = s.find_first_not_of(kBlank);
  if (from == std::string_view::npos) return {};
  return s.substr(from, s.find_last_not_of(kBlank) + 1 - from);
}

void ReplaceAll(std::string& s, std::string_view from, std::string_view to) {
  std::string out;
  size_t at = 0;
  for (size_t hit; (hit = s.find(from, at)) != std::string::npos; at = hit + from.size()) {
    out.append(s, at, hit - at);
    out += to;
  }
  out.append(s, at, std::string::npos);
  s = std::move(out);
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
    Value out = Value::MakeMap();
    std::string errors;
    for (auto& uri : uris) {
      auto v = Root(uri);
      if (!v) {
        errors += v.error().message + "\n";
        continue;
      }
      Unflatten(*v, 0);
      Merge(out, *v, options_);
    }
    if (errors.empty()) Expand(out, 0, errors);
    if (!errors.empty()) {
      errors.pop_back();
      return Fail(Code::kInvalidArgument, "{}", errors);
    }
    Unescape(out);
    return out;
  }

 private:
  // The document of one --config URI: a map, empty when there is nothing in it.
  Result<Value> Root(const std::string& uri) {
    std::string_view scheme = "file", rest = uri;
    bool drive = uri.size() > 1 && uri[0] >= 'A' && uri[0] <= 'z' && uri[1] == ':';
    if (!drive && uri.find(':') != std::string::npos) {
      if (!SplitScheme(uri, scheme, rest))
        return Fail(Code::kInvalidArgument, "invalid uri: \"{}\" (a path with a colon is written file:PATH)", uri);
      if (!KnownScheme(scheme))
        return Fail(Code::kInvalidArgument, "unsupported scheme on URI \"{}\" (file, env, yaml, http, https are known)",
                    uri);
    }
    std::string source;
    auto text = Retrieve(scheme, rest, source);
    if (!text) return tl::unexpected(text.error());
    auto v = ParseYaml(*text, source);
    if (!v) return v;
    if (v->is_null()) return Value::MakeMap();
    if (!v->is_map())
      return Fail(Code::kInvalidArgument, "{}: the configuration must be a map of sections, got {}", source,
                  v->KindName());
    return v;
  }

  // The text behind a URI, and what errors call it.
  Result<std::string> Retrieve(std::string_view scheme, std::string_view rest, std::string& source) {
    std::string opaque(rest);
    auto text = Fetch(scheme, opaque, source);
    if (!text) return text;
    if (text->size() > kMaxTextBytes)
      return Fail(Code::kInvalidArgument, "{}: larger than {} MiB", source, kMaxTextBytes >> 20);
    bytes_ += text->size();
    if (bytes_ > kMaxBytes) return TooMuch();
    return text;
  }

  Result<std::string> Fetch(std::string_view scheme, const std::string& opaque, std::string& source) {
    if (scheme == "file") {
      source = opaque;
      if (!sources_.read_file) return Fail(Code::kInvalidArgument, "file: is not available here");
      auto text = sources_.read_file(opaque);
      if (text) return text;
      return Fail(Code::kInvalidArgument, "unable to read the file file:{}: {}", opaque, text.error().message);
    }
    if (scheme == "yaml") {
      source = "yaml";  // not the text: it may hold secrets
      return opaque;
    }
    if (scheme == "http" || scheme == "https") {
      source = std::string(scheme) + ":" + opaque;
      if (!sources_.fetch) return Fail(Code::kInvalidArgument, "{}: is not available here", scheme);
      auto text = sources_.fetch(source);
      if (text) return text;
      return Fail(Code::kInvalidArgument, "unable to read {}: {}", source, text.error().message);
    }
    if (scheme == "env") return Env(opaque, source);
    return Fail(Code::kInvalidArgument,
                "scheme \"{}\" is not supported for uri \"{}:{}\" (file, env, yaml, http, https are known)", scheme,
                scheme, opaque);
  }

  Result<std::string> Env(const std::string& opaque, std::string& source) {
    size_t split = opaque.find(":-");
    std::string name = opaque.substr(0, split);
    source = "env:" + name;
    if (!EnvName(name)) {
      return Fail(Code::kInvalidArgument,
                  "environment variable \"{}\" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$", name);
    }
    auto value = sources_.env ? sources_.env(name) : std::nullopt;
    if (value) {
      if (value->empty())
        Tell(sources_.info, fmt::format("Configuration references empty environment variable {}", name));
      return *value;
    }
    if (split != std::string::npos) return opaque.substr(split + 2);
    Tell(sources_.warn, fmt::format("Configuration references unset environment variable {}", name));
    return std::string();
  }

  void Tell(const std::function<void(const std::string&)>& listener, const std::string& message) {
    if (!listener || quiet_) return;
    std::string at = mark_.ToString();
    listener(at.empty() ? message : at + ": " + message);
  }

  // Ends all expansion: what has no end in one place need not be followed in others.
  Unexpected TooMuch() {
    exhausted_ = true;
    return Fail(Code::kInvalidArgument,
                "too many recursive expansions: references lead to themselves, or stand for too much text");
  }

  // Keys of maps may be paths (`exporters::debug::verbosity: detailed`), but not those of maps in lists.
  static void Unflatten(Value& v, int depth) {
    if (!v.is_map()) return;
    bool any =
        std::any_of(v.map().begin(), v.map().end(), [](auto& e) { return e.first.find("::") != std::string::npos; });
    if (any) {
      Value out = Value::MakeMap();
      out.set_mark(v.mark());
      for (auto& [key, item] : v.mutable_map()) {
        std::vector<std::string_view> parts;
        std::string_view rest = key;
        // Past the bound of depth the rest of a path is one key.
        for (size_t at; (at = rest.find("::")) != std::string::npos && parts.size() < 50; rest.remove_prefix(at + 2))
          parts.push_back(rest.substr(0, at));
        parts.push_back(rest);
        Value nested = std::move(item);
        while (!parts.empty()) {
          Value up = Value::MakeMap();
          up.set_mark(nested.mark());
          up.Set(parts.back(), std::move(nested));
          nested = std::move(up);
          parts.pop_back();
        }
        Merge(out, nested);
      }
      v = std::move(out);
    }
    if (depth >= kMaxDepth) return;
    for (auto& e : v.mutable_map()) Unflatten(e.second, depth + 1);
  }

  void Expand(Value& v, int depth, std::string& errors) {
    if (v.is_list()) {
      for (auto& item : v.list()) Expand(item, depth + 1, errors);
    } else if (v.is_map()) {
      for (auto& e : v.mutable_map()) Expand(e.second, depth + 1, errors);
    } else if (v.is_string() && v.string_value().find("${") != std::string::npos) {
      Mark outer = std::exchange(mark_, v.mark());
      auto done = ExpandText(v.string_value(), depth);
      mark_ = std::move(outer);
      if (done) {
        done->set_mark(v.mark());
        v = std::move(*done);
      } else if (errors.size() < 10'000) {
        std::string at = v.mark().ToString();
        bool placed = at.empty() || done.error().message.rfind(at, 0) == 0;
        std::string line = (placed ? "" : at + ": ") + done.error().message + "\n";
        if (errors.find(line) == std::string::npos) errors += line;
      }
    }
  }

  // What an environment variable or a text in the URI put here is shown at the place that asked for it; what came from
  // a file keeps its own place, but for its outermost value.
  static void Remark(Value& v, const Mark& mark) {
    v.set_mark(mark);
    auto inner = [&](Value& item) {
      const std::string* source = item.mark().source.get();
      if (!source || source->rfind("env:", 0) == 0 || *source == "yaml") Remark(item, mark);
    };
    for (auto& item : v.list()) inner(item);
    if (v.is_map()) {
      for (auto& e : v.mutable_map()) inner(e.second);
    }
  }

  // The innermost of the first references, `${...}` with its braces; empty when there is none. One whose `$` is escaped
  // ends the search, as in the reference: what stands behind it stays as it is.
  static std::string_view FindReference(std::string_view s) {
    for (;;) {
      size_t close = s.find('}');
      if (close == std::string_view::npos) return {};
      size_t open = s.substr(0, close + 1).rfind("${");
      if (open == std::string_view::npos) {
        s.remove_prefix(close + 1);
        continue;
      }
      size_t dollars = 0;
      while (dollars < open && s[open - 1 - dollars] == '$') ++dollars;
      return dollars % 2 ? std::string_view() : s.substr(open, close + 1 - open);
    }
  }

  // Expands until nothing is left to expand. A text that is one reference takes the value behind it, of any type, which
  // keeps its text for fields that want one; references inside a text are replaced by their texts.
  Result<Value> ExpandText(std::string s, int depth) {
    for (int round = 0; round < kMaxRounds; ++round) {
      std::string reference(FindReference(s));
      if (reference.empty()) return Value::String(s);
      if (exhausted_ || ++references_ > kMaxReferences) return TooMuch();
      std::string source;
      auto text = Dereference(reference, source);
      if (!text) return tl::unexpected(text.error());
      if (reference != s) {
        ReplaceAll(s, reference, *text);
        bytes_ += s.size();
        if (s.size() > kMaxTextBytes || bytes_ > kMaxBytes) return TooMuch();
        continue;
      }
      auto v = ParseYaml(*text, source);
      if (!v) {
        Tell(sources_.info, fmt::format("the text of {} is taken as a string, for it is not valid YAML: {}", source,
                                        v.error().message));
      }
      if (!v || v->is_string()) {
        s = std::move(*text);  // as it is: quotes and line ends are part of it
        continue;
      }
      nodes_ += CountNodes(*v);
      if (nodes_ > kMaxNodes || depth >= kMaxDepth) return TooMuch();
      Remark(*v, mark_);
      std::string errors;
      Expand(*v, depth, errors);
      if (!errors.empty()) {
        errors.pop_back();
        return Fail(Code::kInvalidArgument, "{}", errors);
      }
      SetOriginal(*v, std::move(*text), depth);
      return v;
    }
    return TooMuch();
  }

  // A field of type string takes the text, with its own references expanded; when that fails there is no text.
  void SetOriginal(Value& v, std::string text, int depth) {
    if (FindReference(text).empty()) {
      v.set_original(std::move(text));
      return;
    }
    bool quiet = std::exchange(quiet_, true);
    auto expanded = ExpandText(std::move(text), depth);
    quiet_ = quiet;
    if (expanded && expanded->is_string()) v.set_original(expanded->string_value());
  }

  // The text behind "${scheme:rest}".
  Result<std::string> Dereference(const std::string& reference, std::string& source) {
    std::string_view inner(reference.data() + 2, reference.size() - 3), scheme, rest;
    if (inner.find(':') == std::string_view::npos) {
      scheme = "env";
      rest = inner;
    } else if (!SplitScheme(inner, scheme, rest)) {
      return Fail(Code::kInvalidArgument, "invalid uri: \"{}\"", inner);
    } else if (!KnownScheme(scheme) && rest.substr(0, 1) == "-") {  // ${NAME:-default}
      scheme = "env";
      rest = inner;
    }
    if (rest.find('$') != std::string_view::npos) {
      return Fail(Code::kInvalidArgument, "the uri \"{}:{}\" contains unsupported characters ('$')", scheme, rest);
    }
    return Retrieve(scheme, rest, source);
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
    for (auto& item : v.list()) Unescape(item);
    if (v.is_map()) {
      for (auto& e : v.mutable_map()) Unescape(e.second);
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
  Mark mark_;           // of the value that is being expanded
  bool quiet_ = false;  // the second expansion of a text tells nothing again
  bool exhausted_ = false;
  int references_ = 0;
  size_t bytes_ = 0, nodes_ = 0;
};

bool AppendsAt(const std::vector<std::string_view>& path) {
  if (path.size() < 2 || path[0] != "service") return false;
  if (path.size() == 2 && path[1] == "extensions") return true;
  return path.back() == "receivers" || path.back() == "exporters";
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
  std::string path(Trim(assignment.substr(0, eq)));
  ReplaceAll(path, ".", "::");
  return "yaml:" + path + ": " + std::string(Trim(assignment.substr(eq + 1)));
}

}  // namespace naru::conf
