#include "processors/filter/config.h"

#include <cstdlib>

namespace naru::processors::filter {
namespace {

// 1 to 24, or TRACE, TRACE2 ... FATAL4 in any case; 0 for nothing, -1 when it is none.
int SeverityNumber(std::string text) {
  if (text.empty()) return 0;
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c & ~0x20);
  }
  static constexpr const char* kNames[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"};
  for (int i = 0; i < 6; ++i) {
    std::string name = kNames[i];
    if (text == name) return i * 4 + 1;
    for (int k = 2; k <= 4; ++k) {
      if (text == name + std::to_string(k)) return i * 4 + k;
    }
  }
  int n = std::atoi(text.c_str());
  return n >= 1 && n <= 24 && text == std::to_string(n) ? n : -1;
}

}  // namespace

void SpanFilters::Describe(conf::Struct<SpanFilters>& s) {
  s.Field("include", &SpanFilters::include, "keep only spans that match");
  s.Field("exclude", &SpanFilters::exclude, "remove spans that match");
}
void MetricMatch::Describe(conf::Struct<MetricMatch>& s) {
  s.Field("match_type", &MetricMatch::match_type, "`strict` or `regexp`");
  s.Field("regexp", &MetricMatch::regexp, "settings of regular expressions");
  s.Field("metric_names", &MetricMatch::metric_names, "names of metrics, one of these");
  s.Field("expressions", &MetricMatch::expressions,
          "expressions of the `expr` match type, which naru does not evaluate");
  s.Field("resource_attributes", &MetricMatch::resource_attributes, "attributes of the resource, all of these");
}
void MetricFilters::Describe(conf::Struct<MetricFilters>& s) {
  s.Field("include", &MetricFilters::include, "keep only metrics that match");
  s.Field("exclude", &MetricFilters::exclude, "remove metrics that match");
  s.Field("regexp", &MetricFilters::regexp, "settings of regular expressions");
  s.Field("resource", &MetricFilters::resource, "refused: OTTL conditions");
  s.Field("metric", &MetricFilters::metric, "refused: OTTL conditions");
  s.Field("datapoint", &MetricFilters::datapoint, "refused: OTTL conditions");
}
void LogSeverity::Describe(conf::Struct<LogSeverity>& s) {
  s.Field("min", &LogSeverity::min, "least severity: a number, or a name such as `INFO` or `WARN2`");
  s.Field("match_undefined", &LogSeverity::match_undefined, "whether records without severity match");
}
void LogMatch::Describe(conf::Struct<LogMatch>& s) {
  s.Field("match_type", &LogMatch::match_type, "`strict` or `regexp`");
  s.Field("resource_attributes", &LogMatch::resource_attributes, "attributes of the resource, all of these");
  s.Field("record_attributes", &LogMatch::record_attributes, "attributes of the record, all of these");
  s.Field("severity_texts", &LogMatch::severity_texts, "severity texts, one of these");
  s.Field("severity_number", &LogMatch::severity_number, "severity numbers");
  s.Field("bodies", &LogMatch::bodies, "bodies, one of these");
}
void LogFilters::Describe(conf::Struct<LogFilters>& s) {
  s.Field("include", &LogFilters::include, "keep only records that match");
  s.Field("exclude", &LogFilters::exclude, "remove records that match");
  s.Field("resource", &LogFilters::resource, "refused: OTTL conditions");
  s.Field("log_record", &LogFilters::log_record, "refused: OTTL conditions");
}
void TraceFilters::Describe(conf::Struct<TraceFilters>& s) {
  s.Field("resource", &TraceFilters::resource, "refused: OTTL conditions");
  s.Field("span", &TraceFilters::span, "refused: OTTL conditions");
  s.Field("spanevent", &TraceFilters::spanevent, "refused: OTTL conditions");
}
void ProfileFilters::Describe(conf::Struct<ProfileFilters>& s) {
  s.Field("resource", &ProfileFilters::resource, "refused: OTTL conditions");
  s.Field("profile", &ProfileFilters::profile, "refused: OTTL conditions");
}

void Config::Describe(conf::Struct<Config>& s) {
  s.Field("error_mode", &Config::error_mode,
          "accepted; errors of conditions, which the include/exclude form has not: `ignore`, `silent` or `propagate`");
  s.Field("spans", &Config::spans, "spans to keep and to remove");
  s.Field("metrics", &Config::metrics, "metrics to keep and to remove");
  s.Field("logs", &Config::logs, "log records to keep and to remove");
  s.Field("traces", &Config::traces, "refused: OTTL conditions");
  s.Field("profiles", &Config::profiles, "refused: OTTL conditions");
  s.Field("trace_conditions", &Config::trace_conditions, "refused: OTTL conditions");
  s.Field("metric_conditions", &Config::metric_conditions, "refused: OTTL conditions");
  s.Field("log_conditions", &Config::log_conditions, "refused: OTTL conditions");
  s.Field("profile_conditions", &Config::profile_conditions, "refused: OTTL conditions");
}

void Config::Validate(conf::Issues& issues) const {
  if (error_mode != "propagate" && error_mode != "ignore" && error_mode != "silent")
    issues.Add("error_mode", fmt::format("unknown error mode {}", error_mode));
  const std::pair<const char*, bool> ottl[] = {
      {"traces::resource", !traces.resource.empty()},     {"traces::span", !traces.span.empty()},
      {"traces::spanevent", !traces.spanevent.empty()},   {"metrics::resource", !metrics.resource.empty()},
      {"metrics::metric", !metrics.metric.empty()},       {"metrics::datapoint", !metrics.datapoint.empty()},
      {"logs::resource", !logs.resource.empty()},         {"logs::log_record", !logs.log_record.empty()},
      {"profiles::resource", !profiles.resource.empty()}, {"profiles::profile", !profiles.profile.empty()},
      {"trace_conditions", !trace_conditions.empty()},    {"metric_conditions", !metric_conditions.empty()},
      {"log_conditions", !log_conditions.empty()},        {"profile_conditions", !profile_conditions.empty()}};
  for (auto& [path, given] : ottl) {
    if (given)
      issues.Add(path,
                 "OTTL conditions cannot be evaluated by this version of naru; use the include/exclude form (spans, "
                 "metrics, logs), or leave the condition out");
  }
  for (auto& [path, m] :
       {std::pair("metrics::include", &metrics.include), std::pair("metrics::exclude", &metrics.exclude)}) {
    if (*m && ((*m)->match_type == "expr" || !(*m)->expressions.empty())) {
      issues.Add(path,
                 "the match type `expr` cannot be evaluated by this version of naru; use `strict` or `regexp` with "
                 "metric_names");
    }
  }
  for (auto& [path, m] : {std::pair("logs::include", &logs.include), std::pair("logs::exclude", &logs.exclude)}) {
    if (*m && (*m)->severity_number && SeverityNumber((*m)->severity_number->min) < 0) {
      issues.Add(std::string(path) + "::severity_number::min",
                 fmt::format("'{}' is not a valid severity: not a valid severity", (*m)->severity_number->min));
    }
  }
}

std::pair<std::optional<pipeline::MatchConfig>, std::optional<pipeline::MatchConfig>> Config::MatchFor(
    otlp::Signal signal) const {
  std::optional<pipeline::MatchConfig> in, out;
  if (signal == otlp::Signal::kTraces) return {spans.include, spans.exclude};
  auto of_metrics = [](const std::optional<MetricMatch>& m) -> std::optional<pipeline::MatchConfig> {
    if (!m) return std::nullopt;
    pipeline::MatchConfig c;
    c.match_type = m->match_type;
    c.metric_names = m->metric_names;
    c.resources = m->resource_attributes;
    return c;
  };
  auto of_logs = [](const std::optional<LogMatch>& m) -> std::optional<pipeline::MatchConfig> {
    if (!m) return std::nullopt;
    pipeline::MatchConfig c;
    c.match_type = m->match_type;
    c.resources = m->resource_attributes;
    c.attributes = m->record_attributes;
    c.log_severity_texts = m->severity_texts;
    c.log_bodies = m->bodies;
    if (m->severity_number)
      c.log_severity_number =
          pipeline::MatchSeverityNumber{SeverityNumber(m->severity_number->min), m->severity_number->match_undefined};
    bool empty = c.resources.empty() && c.attributes.empty() && c.log_severity_texts.empty() && c.log_bodies.empty() &&
                 !c.log_severity_number;
    if (empty) return std::nullopt;
    return c;
  };
  if (signal == otlp::Signal::kMetrics) return {of_metrics(metrics.include), of_metrics(metrics.exclude)};
  return {of_logs(logs.include), of_logs(logs.exclude)};
}

}  // namespace naru::processors::filter
