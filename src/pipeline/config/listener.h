// From a server block to a listening socket, with TLS where it is asked for.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/component.h"
#include "pipeline/config/server_config.h"

namespace naru::pipeline {

struct ListenerSettings {
  std::string endpoint, transport;
  conf::Optional<TlsServerConfig> tls;
  std::vector<MiddlewareConfig> middlewares;
  static ListenerSettings Of(const GrpcServerConfig& c) { return {c.endpoint, c.transport, c.tls, c.middlewares}; }
  static ListenerSettings Of(const HttpServerConfig& c) { return {c.endpoint, c.transport, c.tls, c.middlewares}; }
};

/// That each is an extension in service::extensions which sees requests.
Status CheckMiddlewares(Host& host, const std::vector<MiddlewareConfig>& middlewares, bool server);

/// Listens on the control loop; `accept` gets each connection, ready for HTTP, on its own loop's thread. Control loop
/// only. Warns on `log` as WarnIfExposed. Errors name the address, the file or the middleware that is missing.
Result<std::unique_ptr<net::Listener>> Listen(Host& host, const Logger& log, const ListenerSettings& settings,
                                              std::vector<std::string> alpn,
                                              std::function<void(net::Loop&, std::unique_ptr<net::Stream>)> accept);

/// Warns when an address that is listened on means every interface.
void WarnIfExposed(const Logger& log, const net::Address& address);

}  // namespace naru::pipeline
