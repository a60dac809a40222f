// The signals of OpenTelemetry and the names that go with them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace naru::otlp {

enum class Signal : uint8_t { kTraces = 0, kMetrics = 1, kLogs = 2, kProfiles = 3 };
inline constexpr int kSignals = 4;

struct SignalNames {
  std::string_view name;       // as in service::pipelines: "traces"
  std::string_view items;      // as in metric names: otelcol_exporter_sent_spans
  std::string_view http_path;  // OTLP/HTTP default path
  std::string_view grpc_path;  // OTLP/gRPC Export method
};

inline constexpr SignalNames kSignalNames[kSignals] = {
    {"traces", "spans", "/v1/traces", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"},
    {"metrics", "metric_points", "/v1/metrics", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"},
    {"logs", "log_records", "/v1/logs", "/opentelemetry.proto.collector.logs.v1.LogsService/Export"},
    {"profiles", "profile_samples", "/v1development/profiles",
     "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"}};

inline constexpr const SignalNames& Names(Signal signal) {
  return kSignalNames[static_cast<int>(signal)];
}

inline constexpr std::optional<Signal> SignalByName(std::string_view name) {
  for (int i = 0; i < kSignals; ++i) {
    if (Names(static_cast<Signal>(i)).name == name) return static_cast<Signal>(i);
  }
  return std::nullopt;
}

}  // namespace naru::otlp
