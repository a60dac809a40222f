// Configuration of the filter processor: the include/exclude form. Conditions in OTTL are refused with a message that
// says so.
#pragma once

#include <optional>
#include <utility>

#include "conf/schema.h"
#include "pipeline/record_match.h"

namespace naru::processors::filter {

struct SpanFilters {
  std::optional<pipeline::MatchConfig> include, exclude;
  static void Describe(conf::Struct<SpanFilters>& s);
};

struct MetricMatch {
  std::string match_type;
  std::optional<pipeline::MatchRegexp> regexp;
  std::vector<std::string> metric_names, expressions;
  std::vector<pipeline::MatchAttribute> resource_attributes;
  static void Describe(conf::Struct<MetricMatch>& s);
};
struct MetricFilters {
  std::optional<MetricMatch> include, exclude;
  std::optional<pipeline::MatchRegexp> regexp;
  std::vector<std::string> resource, metric, datapoint;
  static void Describe(conf::Struct<MetricFilters>& s);
};

struct LogSeverity {
  std::string min;
  bool match_undefined = false;
  static void Describe(conf::Struct<LogSeverity>& s);
};
struct LogMatch {
  std::string match_type;
  std::vector<pipeline::MatchAttribute> resource_attributes, record_attributes;
  std::vector<std::string> severity_texts, bodies;
  std::optional<LogSeverity> severity_number;
  static void Describe(conf::Struct<LogMatch>& s);
};
struct LogFilters {
  std::optional<LogMatch> include, exclude;
  std::vector<std::string> resource, log_record;
  static void Describe(conf::Struct<LogFilters>& s);
};
struct TraceFilters {
  std::vector<std::string> resource, span, spanevent;
  static void Describe(conf::Struct<TraceFilters>& s);
};
struct ProfileFilters {
  std::vector<std::string> resource, profile;
  static void Describe(conf::Struct<ProfileFilters>& s);
};

struct Config {
  std::string error_mode = "propagate";
  SpanFilters spans;
  MetricFilters metrics;
  LogFilters logs;
  TraceFilters traces;
  ProfileFilters profiles;
  std::vector<conf::Value> trace_conditions, metric_conditions, log_conditions, profile_conditions;
  static void Describe(conf::Struct<Config>& s);
  void Validate(conf::Issues& issues) const;
  /// What is kept, and what of that is removed, for a signal.
  std::pair<std::optional<pipeline::MatchConfig>, std::optional<pipeline::MatchConfig>> MatchFor(
      otlp::Signal signal) const;
};

}  // namespace naru::processors::filter
