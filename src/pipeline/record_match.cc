#include "pipeline/record_match.h"

#include <algorithm>
#include <charconv>
#include <memory>

#include "otlp/text.h"
#include "otlp/views.h"
#include "pipeline/attribute_actions.h"

namespace naru::pipeline {

using otlp::Signal;

void MatchAttribute::Describe(conf::Struct<MatchAttribute>& s) {
  s.Field("key", &MatchAttribute::key, "attribute that must be there");
  s.Field("value", &MatchAttribute::value, "value that it must have (strict: same type too; regexp: an expression)");
}
void MatchLibrary::Describe(conf::Struct<MatchLibrary>& s) {
  s.Field("name", &MatchLibrary::name, "name of the instrumentation scope");
  s.Field("version", &MatchLibrary::version, "its version; any without the key");
}
void MatchRegexp::Describe(conf::Struct<MatchRegexp>& s) {
  s.Field("cacheenabled", &MatchRegexp::cache_enabled, "accepted; naru's expressions need no cache");
  s.Field("cachemaxnumentries", &MatchRegexp::cache_max_entries, "accepted; naru's expressions need no cache");
}
void MatchSeverityNumber::Describe(conf::Struct<MatchSeverityNumber>& s) {
  s.Field("min", &MatchSeverityNumber::min, "least severity number");
  s.Field("match_undefined", &MatchSeverityNumber::match_undefined, "whether records without severity match");
}

void MatchConfig::Describe(conf::Struct<MatchConfig>& s) {
  using C = MatchConfig;
  s.Field("match_type", &C::match_type, "`strict` or `regexp`");
  s.Field("regexp", &C::regexp, "settings of regular expressions");
  s.Field("services", &C::services, "service.name, one of these");
  s.Field("span_names", &C::span_names, "names of spans, one of these");
  s.Field("span_kinds", &C::span_kinds, "kinds of spans (`SPAN_KIND_SERVER`, ...), one of these");
  s.Field("log_bodies", &C::log_bodies, "bodies of log records, one of these");
  s.Field("log_severity_texts", &C::log_severity_texts, "severity texts, one of these");
  s.Field("log_severity_number", &C::log_severity_number, "severity numbers");
  s.Field("metric_names", &C::metric_names, "names of metrics, one of these");
  s.Field("attributes", &C::attributes, "attributes of the record, all of these");
  s.Field("resources", &C::resources, "attributes of the resource, all of these");
  s.Field("libraries", &C::libraries, "instrumentation scopes, all of these");
}

namespace {

constexpr const char* kKinds[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
                                  "SPAN_KIND_CLIENT",      "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"};

}  // namespace

std::string MatchConfig::Fault(Signal signal) const {
  bool regexp_type = match_type == "regexp";
  if (signal == Signal::kTraces) {
    if (!log_bodies.empty()) return "log_bodies should not be specified for trace spans";
    if (!log_severity_texts.empty()) return "log_severity_texts should not be specified for trace spans";
    if (log_severity_number) return "log_severity_number should not be specified for trace spans";
    if (!metric_names.empty()) return "metric_names should not be specified for trace spans";
    if (services.empty() && span_names.empty() && attributes.empty() && libraries.empty() && resources.empty() &&
        span_kinds.empty()) {
      return "at least one of \"attributes\", \"libraries\",  or \"resources\" field must be specified";
    }
    if (!regexp_type) {
      for (auto& k : span_kinds) {
        bool known = false;
        for (int i = 1; i < 6; ++i) known = known || k == kKinds[i];
        if (!known) return "span_kinds string must match one of the standard span kinds when match_type=strict";
      }
    }
  } else if (signal == Signal::kLogs) {
    if (!span_names.empty() || !services.empty() || !span_kinds.empty() || !metric_names.empty()) {
      return "services, span_names, span_kinds and metric_names are not valid for log records";
    }
    if (attributes.empty() && libraries.empty() && resources.empty() && log_bodies.empty() &&
        log_severity_texts.empty() && !log_severity_number) {
      return "at least one of \"attributes\", \"libraries\", \"span_kinds\", \"resources\", \"log_bodies\", "
             "\"log_severity_texts\" or \"log_severity_number\" field must be specified";
    }
  } else {
    if (!span_names.empty() || !span_kinds.empty() || !log_bodies.empty() || !log_severity_texts.empty() ||
        log_severity_number || !services.empty() || !attributes.empty() || !libraries.empty()) {
      return "\"span_names\", \"span_kinds\", \"log_bodies\", \"log_severity_texts\", \"log_severity_number\", "
             "\"services\", \"attributes\" and \"libraries\" are not valid for metrics";
    }
    if (metric_names.empty() && resources.empty())
      return "at least one of \"metric_names\" or \"resources\" field must be specified";
  }
  auto valued = [](const std::vector<MatchAttribute>& list) {
    return std::any_of(list.begin(), list.end(), [](auto& a) { return a.value && !a.value->is_null(); });
  };
  bool compares = !services.empty() || !span_names.empty() || !log_bodies.empty() || !log_severity_texts.empty() ||
                  !metric_names.empty() || !span_kinds.empty() || !libraries.empty() || valued(attributes) ||
                  valued(resources);
  if (compares && match_type != "strict" && !regexp_type)
    return fmt::format("unrecognized match_type: '{}', valid types are: [regexp strict]", match_type);
  for (auto* list : {&attributes, &resources}) {
    for (auto& a : *list) {
      if (a.key.empty()) return "can't have empty key in the list of attributes";
      if (!a.value || a.value->is_null() || !regexp_type) continue;
      if (!a.value->is_string())
        return fmt::format("match_type=regexp for \"{}\" only supports Str, but found {}", a.key, a.value->KindName());
      if (auto p = otlp::Pattern::Compile(a.value->string_value()); !p) return p.error().message;
    }
  }
  if (!regexp_type) return {};
  for (auto* list : {&services, &span_names, &log_bodies, &log_severity_texts, &metric_names, &span_kinds}) {
    for (auto& t : *list) {
      if (auto p = otlp::Pattern::Compile(t); !p) return p.error().message;
    }
  }
  for (auto& l : libraries) {
    if (auto p = otlp::Pattern::Compile(l.name); !p) return p.error().message;
    if (l.version) {
      if (auto p = otlp::Pattern::Compile(*l.version); !p) return p.error().message;
    }
  }
  return {};
}

RecordMatch::Texts::Texts(const std::vector<std::string>& texts, bool regexp) : given_(!texts.empty()) {
  for (auto& t : texts) {
    if (!regexp) {
      strict_.push_back(t);
    } else if (auto p = otlp::Pattern::Compile(t)) {
      patterns_.push_back(std::move(*p));
    }
  }
}

bool RecordMatch::Texts::Match(std::string_view text) const {
  return std::any_of(strict_.begin(), strict_.end(), [&](auto& s) { return s == text; }) ||
         std::any_of(patterns_.begin(), patterns_.end(), [&](auto& p) { return p.Found(text); });
}

RecordMatch::RecordMatch(Signal signal, const MatchConfig& c) : signal_(signal), severity_(c.log_severity_number) {
  bool regexp = c.match_type == "regexp";
  services_ = Texts(c.services, regexp);
  span_names_ = Texts(c.span_names, regexp);
  span_kinds_ = Texts(c.span_kinds, regexp);
  bodies_ = Texts(c.log_bodies, regexp);
  severity_texts_ = Texts(c.log_severity_texts, regexp);
  metric_names_ = Texts(c.metric_names, regexp);
  auto compile = [&](const std::vector<MatchAttribute>& from, std::vector<Attribute>& to) {
    for (auto& a : from) {
      Attribute out{a.key, std::nullopt, std::nullopt};
      if (a.value && !a.value->is_null()) {
        if (!regexp) {
          out.equal = EncodeConfigValue(*a.value);
        } else if (auto p = otlp::Pattern::Compile(a.value->string_value())) {
          out.pattern = std::move(*p);
        }
      }
      to.push_back(std::move(out));
    }
  };
  compile(c.attributes, attributes_);
  compile(c.resources, resources_);
  for (auto& l : c.libraries) {
    Library out;
    out.name = Texts({l.name}, regexp);
    if (l.version) out.version = Texts({*l.version}, regexp);
    libraries_.push_back(std::move(out));
  }
}

namespace {

// What a pattern is tried on; nothing for types that the reference does not turn into text here.
bool TextForPattern(const otlp::AnyValue& v, std::string* out) {
  using K = otlp::AnyValue::Kind;
  switch (v.kind) {
    case K::kString:
      *out = v.bytes;
      return true;
    case K::kBool:
      *out = v.boolean ? "true" : "false";
      return true;
    case K::kInt:
      *out = std::to_string(v.integer);
      return true;
    case K::kDouble: {
      char digits[400];  // the shortest form without an exponent
      auto end = std::to_chars(digits, digits + sizeof digits, v.real, std::chars_format::fixed).ptr;
      out->assign(digits, end);
      return true;
    }
    default:
      return false;
  }
}

// Maps are equal in any order of their entries; everything else compares as it is written.
bool Equal(const otlp::AnyValue& a, const otlp::AnyValue& b) {
  using K = otlp::AnyValue::Kind;
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case K::kEmpty:
      return true;
    case K::kBool:
      return a.boolean == b.boolean;
    case K::kInt:
      return a.integer == b.integer;
    case K::kDouble:
      return a.real == b.real;
    case K::kString:
    case K::kBytes:
      return a.bytes == b.bytes;
    default:
      return otlp::ValueText(a) == otlp::ValueText(b);
  }
}

}  // namespace

bool RecordMatch::MatchAll(const std::vector<Attribute>& wanted, const otlp::Attributes& attributes) {
  for (auto& w : wanted) {
    bool found = false;
    otlp::AnyValue v = otlp::FindAttribute(attributes, w.key, &found);
    if (!found) return false;
    if (w.pattern) {
      std::string text;
      if (!TextForPattern(v, &text) || !w.pattern->Found(text)) return false;
    } else if (w.equal && !Equal(otlp::AnyValue::Parse(*w.equal), v)) {
      return false;
    }
  }
  return true;
}

bool RecordMatch::Matches(const otlp::RecordRef& r) const {
  otlp::Attributes attributes;
  if (signal_ == Signal::kTraces) {
    otlp::Span span = otlp::Span::Parse(r.record);
    if (span_names_.given() && !span_names_.Match(span.name)) return false;
    if (span_kinds_.given() && !span_kinds_.Match(span.kind >= 0 && span.kind < 6 ? kKinds[span.kind] : ""))
      return false;
    attributes = span.attributes;
  } else if (signal_ == Signal::kLogs) {
    otlp::LogRecord log = otlp::LogRecord::Parse(r.record);
    if (bodies_.given() && !bodies_.Match(otlp::ValueText(log.body))) return false;
    if (severity_texts_.given() && !severity_texts_.Match(log.severity_text)) return false;
    if (severity_ && !(log.severity_number == 0 ? severity_->match_undefined : log.severity_number >= severity_->min))
      return false;
    attributes = log.attributes;
  } else {
    otlp::Metric metric = otlp::Metric::Parse(r.record);
    if (metric_names_.given() && !metric_names_.Match(metric.name)) return false;
  }
  if (!attributes_.empty() && !MatchAll(attributes_, attributes)) return false;
  if (services_.given() || !resources_.empty()) {
    otlp::Resource resource = otlp::Resource::Parse(r.resource);
    if (services_.given()) {
      bool found = false;
      otlp::AnyValue v = otlp::FindAttribute(resource.attributes, "service.name", &found);
      if (!services_.Match(found ? otlp::ValueText(v) : "<nil-service-name>")) return false;
    }
    if (!MatchAll(resources_, resource.attributes)) return false;
  }
  if (!libraries_.empty()) {
    otlp::InstrumentationScope scope = otlp::InstrumentationScope::Parse(r.scope);
    for (auto& l : libraries_) {
      if (!l.name.Match(scope.name)) return false;
      if (l.version.given() && !l.version.Match(scope.version)) return false;
    }
  }
  return true;
}

otlp::RecordTest MakeSelection(Signal signal, const std::optional<MatchConfig>& include,
                               const std::vector<MatchConfig>& exclude) {
  if (!include && exclude.empty()) return nullptr;
  auto in = include ? std::make_shared<const RecordMatch>(signal, *include) : nullptr;
  auto out = std::make_shared<std::vector<RecordMatch>>();
  for (auto& c : exclude) out->emplace_back(signal, c);
  return [in, out = std::shared_ptr<const std::vector<RecordMatch>>(out)](const otlp::RecordRef& r) {
    if (in && !in->Matches(r)) return false;
    return std::none_of(out->begin(), out->end(), [&](auto& m) { return m.Matches(r); });
  };
}

}  // namespace naru::pipeline
