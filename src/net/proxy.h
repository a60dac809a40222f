// Proxies on the way to a server: which one (HTTP_PROXY, HTTPS_PROXY, NO_PROXY), and the tunnel through it (CONNECT of
// RFC 9110 section 9.3.6, SOCKS5 of RFC 1928 and 1929).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "net/dialer.h"
#include "net/http_client.h"

namespace naru::net {

/// What the environment says of proxies, by the rules of Go's http.ProxyFromEnvironment, which is what users have
/// written their variables for.
struct ProxyEnvironment {
  std::string http, https, no_proxy;

  /// From a source of variables; upper-case names win over lower-case ones.
  static ProxyEnvironment From(const std::function<std::string(const char*)>& variable);
  /// Of this process. Read once.
  static const ProxyEnvironment& Process();

  /// The proxy for requests to `scheme`://`host`:`port`; none for localhost and loopback addresses, and for what
  /// NO_PROXY names. Schemes http, https and socks5; a text without one is an http proxy.
  Result<std::optional<Url>> For(std::string_view scheme, std::string_view host, uint16_t port) const;
};

/// Parses the text of a proxy variable or of `proxy_url`.
Result<Url> ParseProxy(std::string_view text);

/// The value of a Proxy-Authorization header for the user of `proxy`; empty without one.
std::string ProxyAuthorization(const Url& proxy);

/// Opens a tunnel to host:port over a stream that is connected to `proxy`.
StreamWrapper Tunnel(const Url& proxy, std::string host, uint16_t port, std::string user_agent);

/// `first`, then `second` over what it made. Either may be null.
StreamWrapper Chain(StreamWrapper first, StreamWrapper second);

}  // namespace naru::net
