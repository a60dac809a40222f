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
  static ListenerSettings Of(const GrpcServerConfig& c) { return {c.endpoint, c.transport, c.tls}; }
  static ListenerSettings Of(const HttpServerConfig& c) { return {c.endpoint, c.transport, c.tls}; }
};

/// Listens on the control loop; `accept` gets each connection, ready for HTTP, on its own loop's thread. Control loop
/// only. Errors name the address, or the file that is missing.
Result<std::unique_ptr<net::Listener>> Listen(Host& host, const ListenerSettings& settings,
                                              std::vector<std::string> alpn,
                                              std::function<void(net::Loop&, std::unique_ptr<net::Stream>)> accept);

}  // namespace naru::pipeline
