#include "pipeline/config/listener.h"

namespace naru::pipeline {

Result<std::unique_ptr<net::Listener>> Listen(Host& host, const ListenerSettings& settings, std::vector<std::string> alpn,
                                              std::function<void(net::Loop&, std::unique_ptr<net::Stream>)> accept) {
  auto address = ListenAddress(settings.endpoint, settings.transport);
  if (!address) return tl::unexpected(address.error());
  (void)alpn;
  return host.control_loop().Listen(*address, {}, std::move(accept));
}

}  // namespace naru::pipeline
