// Small pages of extensions, served with everything that an HTTP server block says: TLS, auth, CORS, response headers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/http_server.h"
#include "pipeline/component.h"
#include "pipeline/config/cors.h"
#include "pipeline/config/server_config.h"

namespace naru::pipeline {

struct PageAnswer {
  int status = 200;
  std::string_view type;  // of the content; static
  std::string body;
};

class PageServer final : public net::Service {
 public:
  /// Called for GET and HEAD requests on any loop, concurrently.
  using Handler = std::function<PageAnswer(const net::RequestHead& head, Clock& clock)>;
  PageServer(const HttpServerConfig& config, Handler handler)
      : config_(config), handler_(std::move(handler)), cors_(config.cors) {}
  /// Control loop, like Shutdown. `log` hears of an address that is open to all.
  Status Start(Host& host, const Logger& log);
  /// "127.0.0.1:13133"; after Start.
  std::string address() const { return listener_->local().ToString(); }
  void Shutdown(MonoTime deadline, std::function<void()> done);
  std::shared_ptr<net::RequestHandler> OnRequest(const net::RequestHead& head, net::ServerCall& call) override;

 private:
  HttpServerConfig config_;
  Handler handler_;
  Cors cors_;
  ServerAuth* auth_ = nullptr;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<net::Listener> listener_;
};

/// The server authenticator that `config` names; null without one.
Result<ServerAuth*> FindServerAuth(Host& host, const conf::Optional<ServerAuthConfig>& config);
/// Lets `auth` judge a request by its headers and the query parameters of `config`.
Result<std::map<std::string, std::string, std::less<>>> Authenticate(ServerAuth& auth, const ServerAuthConfig& config,
                                                                     const net::RequestHead& head);

}  // namespace naru::pipeline
