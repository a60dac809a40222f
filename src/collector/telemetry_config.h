// service::telemetry: what naru tells about itself. Keys and defaults are the reference's (otelconf 0.3.0 for readers
// and processors).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "collector/metric_views.h"
#include "conf/schema.h"
#include "conf/value.h"

namespace naru::collector {

struct LogSamplingConfig {
  bool enabled = true;
  Duration tick = std::chrono::seconds(10);
  int64_t initial = 10;
  int64_t thereafter = 100;
  static void Describe(conf::Struct<LogSamplingConfig>& s) {
    s.Field("enabled", &LogSamplingConfig::enabled, "drop repeated lines");
    s.Field("tick", &LogSamplingConfig::tick, "period over which lines with the same level and message are counted");
    s.Field("initial", &LogSamplingConfig::initial, "how many of them are written each tick before sampling begins");
    s.Field("thereafter", &LogSamplingConfig::thereafter, "then one of so many is written; 0 drops the rest");
  }
};

/// An OTLP push target of own telemetry (otlp under an otelconf exporter).
struct SelfOtlpConfig {
  std::string protocol = "http/protobuf";
  std::string endpoint;
  conf::HeaderMap headers;
  std::string headers_list;
  std::string compression;
  int64_t timeout_ms = 10000;
  std::string certificate, client_certificate, client_key;
  bool insecure = false;
  std::string temporality_preference;
  std::string default_histogram_aggregation;
  static void Describe(conf::Struct<SelfOtlpConfig>& s) {
    s.Field("protocol", &SelfOtlpConfig::protocol, "`grpc`, `http/protobuf` or `http/json`");
    s.Field("endpoint", &SelfOtlpConfig::endpoint,
            "where to push: `http://host:port` (gRPC) or the full URL of the signal (HTTP)");
    s.Field("headers", &SelfOtlpConfig::headers, "headers of every request");
    s.Field("headers_list", &SelfOtlpConfig::headers_list, "the same as `a=b,c=d`");
    s.Field("compression", &SelfOtlpConfig::compression, "`gzip` or `none`");
    s.Field("timeout", &SelfOtlpConfig::timeout_ms, "milliseconds a request may take");
    s.Field("certificate", &SelfOtlpConfig::certificate, "CA file that the server's certificate must come from");
    s.Field("client_certificate", &SelfOtlpConfig::client_certificate, "certificate file for mTLS");
    s.Field("client_key", &SelfOtlpConfig::client_key, "key file for mTLS");
    s.Field("insecure", &SelfOtlpConfig::insecure, "gRPC without TLS");
    s.Field("temporality_preference", &SelfOtlpConfig::temporality_preference, "`cumulative`, `delta` or `lowmemory`");
    s.Field(
        "default_histogram_aggregation", &SelfOtlpConfig::default_histogram_aggregation,
        "`explicit_bucket_histogram` or `base2_exponential_bucket_histogram`; accepted, changes nothing (views do)");
  }
  void Validate(conf::Issues& issues) const;
};

struct SelfExporterConfig {
  conf::Optional<SelfOtlpConfig> otlp;
  conf::Optional<conf::Value> console;
  static void Describe(conf::Struct<SelfExporterConfig>& s) {
    s.Field("otlp", &SelfExporterConfig::otlp, "push by OTLP");
    s.Field("console", &SelfExporterConfig::console, "print to standard output");
  }
};

struct PrometheusReaderConfig {
  std::string host = "localhost";
  int64_t port = 8888;
  // The reference 0.155 prints plain names unless it is told otherwise.
  bool without_scope_info = true;
  bool without_units = true;
  bool without_type_suffix = true;
  conf::Optional<IncludeExclude> with_resource_constant_labels;
  static void Describe(conf::Struct<PrometheusReaderConfig>& s) {
    s.Field("host", &PrometheusReaderConfig::host, "interface that the page is served on");
    s.Field("port", &PrometheusReaderConfig::port, "its port");
    s.Field("without_scope_info", &PrometheusReaderConfig::without_scope_info, "leave out otel_scope_* labels");
    s.Field("without_units", &PrometheusReaderConfig::without_units, "leave out unit suffixes");
    s.Field("without_type_suffix", &PrometheusReaderConfig::without_type_suffix, "leave out `_total`");
    s.Field("with_resource_constant_labels", &PrometheusReaderConfig::with_resource_constant_labels,
            "resource attributes to put on every series: `included`, `excluded`");
  }
};

struct PullExporterConfig {
  conf::Optional<PrometheusReaderConfig> prometheus;
  static void Describe(conf::Struct<PullExporterConfig>& s) {
    s.Field("prometheus", &PullExporterConfig::prometheus, "a page in Prometheus text format at `/metrics`");
  }
};
struct PullReaderConfig {
  PullExporterConfig exporter;
  static void Describe(conf::Struct<PullReaderConfig>& s) {
    s.Field("exporter", &PullReaderConfig::exporter, "what serves it");
  }
};
struct PeriodicReaderConfig {
  int64_t interval_ms = 60000;
  int64_t timeout_ms = 30000;
  SelfExporterConfig exporter;
  static void Describe(conf::Struct<PeriodicReaderConfig>& s) {
    s.Field("interval", &PeriodicReaderConfig::interval_ms, "milliseconds between two pushes");
    s.Field("timeout", &PeriodicReaderConfig::timeout_ms, "milliseconds a push may take");
    s.Field("exporter", &PeriodicReaderConfig::exporter, "where to");
  }
  void Validate(conf::Issues& issues) const;
};
struct MetricReaderConfig {
  conf::Optional<PullReaderConfig> pull;
  conf::Optional<PeriodicReaderConfig> periodic;
  static void Describe(conf::Struct<MetricReaderConfig>& s) {
    s.Field("pull", &MetricReaderConfig::pull, "a page that others read");
    s.Field("periodic", &MetricReaderConfig::periodic, "pushes at an interval");
  }
};

struct BatchSpanOrLogConfig {
  int64_t schedule_delay_ms = 5000;
  int64_t export_timeout_ms = 30000;
  int64_t max_queue_size = 2048;
  int64_t max_export_batch_size = 512;
  SelfExporterConfig exporter;
  static void Describe(conf::Struct<BatchSpanOrLogConfig>& s) {
    s.Field("schedule_delay", &BatchSpanOrLogConfig::schedule_delay_ms, "milliseconds between two exports");
    s.Field("export_timeout", &BatchSpanOrLogConfig::export_timeout_ms, "milliseconds an export may take");
    s.Field("max_queue_size", &BatchSpanOrLogConfig::max_queue_size, "records kept before new ones are dropped");
    s.Field("max_export_batch_size", &BatchSpanOrLogConfig::max_export_batch_size, "records of one request");
    s.Field("exporter", &BatchSpanOrLogConfig::exporter, "where to");
  }
  void Validate(conf::Issues& issues) const;
};
struct SimpleSpanOrLogConfig {
  SelfExporterConfig exporter;
  static void Describe(conf::Struct<SimpleSpanOrLogConfig>& s) {
    s.Field("exporter", &SimpleSpanOrLogConfig::exporter, "where to");
  }
};
struct SelfProcessorConfig {
  conf::Optional<BatchSpanOrLogConfig> batch;
  conf::Optional<SimpleSpanOrLogConfig> simple;
  static void Describe(conf::Struct<SelfProcessorConfig>& s) {
    s.Field("batch", &SelfProcessorConfig::batch, "export in batches");
    s.Field("simple", &SelfProcessorConfig::simple, "export each record at once");
  }
};

struct LogsTelemetryConfig {
  std::string level = "info";
  std::string encoding = "console";
  bool development = false, disable_caller = false, disable_stacktrace = false, disable_zap_resource = false;
  conf::Optional<LogSamplingConfig> sampling{LogSamplingConfig()};
  std::vector<std::string> output_paths = {"stderr"};
  std::vector<std::string> error_output_paths = {"stderr"};
  std::map<std::string, conf::Value> initial_fields;
  std::vector<SelfProcessorConfig> processors;
  static void Describe(conf::Struct<LogsTelemetryConfig>& s);
};

/// One page on localhost:8888; unlike a page that the user lists it leaves out suffixes and scopes.
MetricReaderConfig DefaultReader();

struct MetricsTelemetryConfig {
  std::string level = "normal";
  std::vector<MetricReaderConfig> readers = {DefaultReader()};
  std::vector<ViewConfig> views;
  std::string address;
  static void Describe(conf::Struct<MetricsTelemetryConfig>& s);
};

struct TracesTelemetryConfig {
  std::string level = "basic";
  std::vector<std::string> propagators;
  std::vector<SelfProcessorConfig> processors;
  std::optional<conf::Value> sampler;
  static void Describe(conf::Struct<TracesTelemetryConfig>& s);
};

struct TelemetryConfig {
  LogsTelemetryConfig logs;
  MetricsTelemetryConfig metrics;
  TracesTelemetryConfig traces;
  /// The legacy inline map (`service.name: x`, null removes) or the declarative form (`attributes: [{name, value}]`).
  std::optional<conf::Value> resource;
  static void Describe(conf::Struct<TelemetryConfig>& s);
  void Validate(conf::Issues& issues) const;
};

}  // namespace naru::collector
