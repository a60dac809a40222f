// One protocol of the otlp receiver: which requests are taken, and what is answered.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "net/http_server.h"
#include "otlp/signal.h"
#include "pipeline/call_metrics.h"
#include "pipeline/component.h"
#include "pipeline/config/cors.h"
#include "pipeline/config/listener.h"
#include "receivers/otlp/config.h"

namespace naru::receivers::otlp {

class Request;

/// The counters of one signal over one transport.
struct Accounts {
  pipeline::Counter offered, accepted, refused, failed;
  pipeline::Counter malformed, refused_memory, requests_ok, requests_failed;
};

class Endpoint final : public net::Service, public std::enable_shared_from_this<Endpoint> {
 public:
  static std::shared_ptr<Endpoint> Grpc(const pipeline::GrpcServerConfig& config,
                                        const pipeline::ReceiverContext& context);
  static std::shared_ptr<Endpoint> Http(const HttpProtocol& config, const pipeline::ReceiverContext& context);

  Status Open(pipeline::Host& host);
  void Shutdown(MonoTime deadline, std::function<void()> done);
  std::shared_ptr<net::RequestHandler> OnRequest(const net::RequestHead& head, net::ServerCall& call) override;

 private:
  friend class Request;
  explicit Endpoint(const pipeline::ReceiverContext& context) : context_(context) {}
  std::shared_ptr<net::RequestHandler> OnGrpc(const net::RequestHead& head, net::ServerCall& call);
  std::shared_ptr<net::RequestHandler> OnHttp(const net::RequestHead& head, net::ServerCall& call);
  Result<std::shared_ptr<pipeline::ClientInfo>> Client(const net::RequestHead& head);
  /// Answers an error over HTTP in the request's encoding.
  /// The size of the answer's body.
  size_t FailHttp(net::ServerCall& call, int status, const Error& error, bool json, const std::string& origin);
  /// The code that was answered.
  static Code FailGrpc(net::ServerCall& call, const Error& error);
  /// Completes and records a request, with metrics at level detailed.
  void Measure(pipeline::HttpCall call) const;
  static int HttpStatus(const Error& error);
  /// Configured response headers, and those of CORS for this origin.
  void AddHeaders(std::vector<net::Header>& headers, const std::string& origin) const;

  pipeline::ReceiverContext context_;
  std::string transport_;  // "grpc", "http"
  bool grpc_only_ = false;
  size_t max_bytes_ = 0;
  std::array<std::string, 4> paths_;
  std::array<Accounts, 4> accounts_;
  bool include_metadata_ = false;
  conf::Optional<pipeline::ServerAuthConfig> auth_config_;
  pipeline::ServerAuth* auth_ = nullptr;
  pipeline::Cors cors_;
  std::vector<std::pair<std::string, std::string>> response_headers_;
  std::array<bool, 16> codecs_{};  // by wire::Codec
  pipeline::ListenerSettings listen_;
  net::HttpServerOptions options_;
  pipeline::Gate* gate_ = nullptr;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<net::Listener> listener_;
  net::Address local_;  // of the listener; requests on any loop read it, also when the listener has gone
};

}  // namespace naru::receivers::otlp
