// Own metrics of single HTTP requests and RPCs, named by the semantic conventions of OpenTelemetry (HTTP 1.2x, RPC).
// They are recorded at level detailed only, as in the reference: each costs a look into the registry.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "otlp/signal.h"
#include "pipeline/metrics.h"

namespace naru::pipeline {

/// One request over HTTP, on either side. The texts are borrowed for the call.
struct HttpCall {
  std::string_view method = "POST", route;  // route: of servers
  std::string_view scheme = "http", version = "1.1";
  std::string_view server_address;
  uint16_t server_port = 0;
  int status = 0;               // 0: none came
  std::string_view error_type;  // of clients, when none came
  Duration duration{0};
  uint64_t request_bytes = 0, response_bytes = 0;
};

/// http.server.request.duration, http.server.request.body.size, http.server.response.body.size. Thread-safe.
void RecordHttpServer(Metrics& metrics, const HttpCall& call);
/// http.client.request.duration, http.client.request.body.size. Thread-safe.
void RecordHttpClient(Metrics& metrics, const HttpCall& call);

/// rpc.server.call.duration, or with a server address rpc.client.call.duration. `path` is "/package.Service/Method".
/// Thread-safe.
void RecordRpcServer(Metrics& metrics, std::string_view path, Code code, Duration duration);
void RecordRpcClient(Metrics& metrics, std::string_view path, Code code, Duration duration,
                     std::string_view server_address, uint16_t server_port);

/// otelcol_exporter_in_flight_requests of an exporter.
Sum* InFlightRequests(Metrics& metrics, const std::string& exporter, otlp::Signal signal);

/// A request of an exporter without an engine, for the time that it takes.
class InFlight {
 public:
  explicit InFlight(Sum* requests) : requests_(requests) { requests_->Add(1); }
  ~InFlight() { requests_->Add(-1); }
  InFlight(const InFlight&) = delete;

 private:
  Sum* requests_;
};

}  // namespace naru::pipeline
