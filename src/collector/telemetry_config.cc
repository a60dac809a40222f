#include "collector/telemetry_config.h"

namespace naru::collector {

namespace {

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return text;
}

}  // namespace

void SelfOtlpConfig::Validate(conf::Issues& issues) const {
  auto one_of = [&](std::string_view key, const std::string& value, std::initializer_list<std::string_view> valid) {
    std::string list;
    for (auto v : valid) {
      if (v == value) return;
      if (!v.empty()) list += (list.empty() ? "" : ", ") + std::string(v);
    }
    issues.Add(key, fmt::format("\"{}\" is none of {}", value, list));
  };
  one_of("protocol", protocol, {"grpc", "http/protobuf", "http/json"});
  one_of("compression", compression, {"", "gzip", "none"});
  one_of("temporality_preference", temporality_preference, {"", "cumulative", "delta", "lowmemory"});
  one_of("default_histogram_aggregation", default_histogram_aggregation,
         {"", "explicit_bucket_histogram", "base2_exponential_bucket_histogram"});
  if (timeout_ms < 0) issues.Add("timeout", "must not be negative");
}

void PeriodicReaderConfig::Validate(conf::Issues& issues) const {
  if (interval_ms <= 0) issues.Add("interval", "must be positive (milliseconds)");
  if (timeout_ms <= 0) issues.Add("timeout", "must be positive (milliseconds)");
}

void BatchSpanOrLogConfig::Validate(conf::Issues& issues) const {
  if (schedule_delay_ms < 0) issues.Add("schedule_delay", "must not be negative");
  if (max_queue_size <= 0 || max_queue_size > 1'000'000) issues.Add("max_queue_size", "must be between 1 and 1000000");
  if (max_export_batch_size <= 0) issues.Add("max_export_batch_size", "must be positive");
}

void LogsTelemetryConfig::Describe(conf::Struct<LogsTelemetryConfig>& s) {
  s.Field("level", &LogsTelemetryConfig::level,
          "least level that is written: `debug`, `info`, `warn`, `error`, `dpanic`, `panic`, `fatal`; the last three "
          "silence naru");
  s.Field("encoding", &LogsTelemetryConfig::encoding, "`console` or `json`");
  s.Field("development", &LogsTelemetryConfig::development, "development mode of zap; accepted, changes nothing");
  s.Field("disable_caller", &LogsTelemetryConfig::disable_caller, "leave out the source position");
  s.Field("disable_stacktrace", &LogsTelemetryConfig::disable_stacktrace, "accepted; naru writes no stack traces");
  s.Field("disable_zap_resource", &LogsTelemetryConfig::disable_zap_resource, "leave the resource out of each line");
  s.Field("sampling", &LogsTelemetryConfig::sampling, "dropping of repeated lines");
  s.Field("output_paths", &LogsTelemetryConfig::output_paths, "files, `stdout` or `stderr`");
  s.Field("error_output_paths", &LogsTelemetryConfig::error_output_paths, "where errors of logging itself go");
  s.Field("initial_fields", &LogsTelemetryConfig::initial_fields, "fields of every line");
  s.Field("processors", &LogsTelemetryConfig::processors, "own log records as OTLP");
}

MetricReaderConfig DefaultReader() {
  PrometheusReaderConfig page;
  PullExporterConfig exporter;
  exporter.prometheus = conf::Optional<PrometheusReaderConfig>(page);
  MetricReaderConfig reader;
  reader.pull = conf::Optional<PullReaderConfig>(PullReaderConfig{exporter});
  return reader;
}

void MetricsTelemetryConfig::Describe(conf::Struct<MetricsTelemetryConfig>& s) {
  s.Field("level", &MetricsTelemetryConfig::level, "`none`, `basic`, `normal` or `detailed`");
  s.Field("readers", &MetricsTelemetryConfig::readers, "pull and push targets; by default one page on localhost:8888");
  s.Field("views", &MetricsTelemetryConfig::views, "views over own metrics (with level detailed)");
  s.Field("address", &MetricsTelemetryConfig::address, "old form of the pull reader: `host:port`");
}

void TracesTelemetryConfig::Describe(conf::Struct<TracesTelemetryConfig>& s) {
  s.Field("level", &TracesTelemetryConfig::level, "`none`, `basic`, `normal` or `detailed`");
  s.Field("propagators", &TracesTelemetryConfig::propagators, "`tracecontext`, `b3`");
  s.Field("processors", &TracesTelemetryConfig::processors, "own spans as OTLP");
  s.Field("sampler", &TracesTelemetryConfig::sampler, "sampler of own spans");
}

void TelemetryConfig::Describe(conf::Struct<TelemetryConfig>& s) {
  s.Field("logs", &TelemetryConfig::logs, "own logs");
  s.Field("metrics", &TelemetryConfig::metrics, "own metrics");
  s.Field("traces", &TelemetryConfig::traces, "own traces");
  s.Field("resource", &TelemetryConfig::resource, "resource attributes of own telemetry");
}

namespace {

// As the reference: attributes in a list, or texts by name in the old form, not both.
void CheckResource(const conf::Value& resource, conf::Issues& issues) {
  auto in = issues.In("resource", &resource);
  if (!resource.is_map()) return issues.Add("", "must be a map");
  const conf::Value* list = resource.Find("attributes");
  if (list && !list->is_null() && !list->is_list()) issues.Add("attributes", "must be a list of {name, value}");
  for (auto& [key, v] : resource.map()) {
    if (key == "attributes" || key == "attributes_list" || key == "schema_url" || key == "detectors" ||
        key == "detection/development")
      continue;
    if (!v.is_null() && !v.AsText()) issues.Add(key, "must be a string (put quotes around it), or null to remove it");
    if (list && !list->is_null()) issues.Add(key, "cannot stand beside `attributes`: add it to that list");
  }
}

}  // namespace

void TelemetryConfig::Validate(conf::Issues& issues) const {
  auto one_of = [&](std::string_view path, const std::string& value, std::initializer_list<std::string_view> valid) {
    for (auto v : valid) {
      if (v == value) return;
    }
    std::string list;
    for (auto v : valid) list += (list.empty() ? "" : ", ") + std::string(v);
    issues.Add(path, fmt::format("\"{}\" is none of {}", value, list));
  };
  if (!logs.level.empty())
    one_of("logs::level", Lower(logs.level), {"debug", "info", "warn", "warning", "error", "dpanic", "panic", "fatal"});
  one_of("logs::encoding", logs.encoding, {"console", "json"});
  one_of("metrics::level", Lower(metrics.level), {"none", "basic", "normal", "detailed"});
  one_of("traces::level", Lower(traces.level), {"none", "basic", "normal", "detailed"});
  if (metrics.readers.empty() && Lower(metrics.level) != "none")
    issues.Add("metrics::readers", "must not be empty while metrics::level is not none");
  if (resource) CheckResource(*resource, issues);
  for (auto& p : traces.propagators) one_of("traces::propagators", p, {"tracecontext", "b3"});
  if (!metrics.views.empty() && Lower(metrics.level) != "detailed")
    issues.Add("metrics::views", "views can only be set when service::telemetry::metrics::level is detailed");
}

}  // namespace naru::collector
