#include "pipeline/call_metrics.h"

namespace naru::pipeline {
namespace {

const std::vector<double>& Seconds() {
  static const std::vector<double> bounds = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10};
  return bounds;
}

const std::vector<double>& Bytes() {
  static const std::vector<double> bounds = {0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000};
  return bounds;
}

void Record(Metrics& metrics, const char* name, const char* text, const char* unit, const Attributes& attributes,
            const std::vector<double>& bounds, double value) {
  metrics.GetHistogram({name, text, unit, Metrics::Kind::kHistogram, MetricLevel::kDetailed}, attributes, bounds)
      ->Record(value);
}

double InSeconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}

Attributes Of(const HttpCall& c) {
  Attributes a = {
      {"http.request.method", std::string(c.method)},       {"network.protocol.name", "http"},
      {"network.protocol.version", std::string(c.version)}, {"server.address", std::string(c.server_address)},
      {"server.port", std::to_string(c.server_port)},       {"url.scheme", std::string(c.scheme)}};
  if (!c.route.empty()) a.emplace_back("http.route", c.route);
  if (c.status) a.emplace_back("http.response.status_code", std::to_string(c.status));
  if (!c.error_type.empty()) a.emplace_back("error.type", c.error_type);
  return a;
}

// INVALID_ARGUMENT: as the gRPC specification writes it.
std::string StatusName(Code code) {
  if (code == Code::kOk || code == Code::kCancelled) return code == Code::kOk ? "OK" : "CANCELLED";
  std::string out;
  for (char c : std::string_view(CodeName(code))) {
    bool upper = c >= 'A' && c <= 'Z';
    if (upper && !out.empty()) out += '_';
    out += upper ? c : static_cast<char>(c & ~0x20);
  }
  return out;
}

Attributes Of(std::string_view path, Code code) {
  return {{"rpc.method", std::string(path.substr(path.starts_with('/') ? 1 : 0))},
          {"rpc.response.status_code", StatusName(code)},
          {"rpc.system.name", "grpc"}};
}

}  // namespace

void RecordHttpServer(Metrics& metrics, const HttpCall& call) {
  Attributes a = Of(call);
  Record(metrics, "http.server.request.duration", "Duration of HTTP server requests.", "s", a, Seconds(),
         InSeconds(call.duration));
  Record(metrics, "http.server.request.body.size", "Size of HTTP server request bodies.", "By", a, Bytes(),
         static_cast<double>(call.request_bytes));
  Record(metrics, "http.server.response.body.size", "Size of HTTP server response bodies.", "By", a, Bytes(),
         static_cast<double>(call.response_bytes));
}

void RecordHttpClient(Metrics& metrics, const HttpCall& call) {
  Attributes a = Of(call);
  Record(metrics, "http.client.request.duration", "Duration of HTTP client requests.", "s", a, Seconds(),
         InSeconds(call.duration));
  Record(metrics, "http.client.request.body.size", "Size of HTTP client request bodies.", "By", a, Bytes(),
         static_cast<double>(call.request_bytes));
}

void RecordRpcServer(Metrics& metrics, std::string_view path, Code code, Duration duration) {
  Record(metrics, "rpc.server.call.duration", "Measures the duration of an incoming Remote Procedure Call (RPC).", "s",
         Of(path, code), Seconds(), InSeconds(duration));
}

void RecordRpcClient(Metrics& metrics, std::string_view path, Code code, Duration duration,
                     std::string_view server_address, uint16_t server_port) {
  Attributes a = Of(path, code);
  a.emplace_back("server.address", server_address);
  a.emplace_back("server.port", std::to_string(server_port));
  Record(metrics, "rpc.client.call.duration", "Measures the duration of an outgoing Remote Procedure Call (RPC).", "s",
         a, Seconds(), InSeconds(duration));
}

Sum* InFlightRequests(Metrics& metrics, const std::string& exporter, otlp::Signal signal) {
  return metrics.GetSum({"otelcol_exporter_in_flight_requests", "Requests being sent now, or waiting to be sent again.",
                         "{requests}", Metrics::Kind::kUpDown, MetricLevel::kBasic},
                        {{"exporter", exporter}, {"data_type", std::string(otlp::Names(signal).name)}});
}

}  // namespace naru::pipeline
