#include "pipeline/config/client_config.h"

#include <algorithm>
#include <charconv>

#include "net/http_client.h"
#include "wire/compress.h"

namespace naru::pipeline {

void ClientAuthConfig::Describe(conf::Struct<ClientAuthConfig>& s) {
  s.Field("authenticator", &ClientAuthConfig::authenticator, "id of the extension that adds credentials");
}

void KeepaliveClientConfig::Describe(conf::Struct<KeepaliveClientConfig>& s) {
  s.Field("time", &KeepaliveClientConfig::time, "ping a silent server after this time");
  s.Field("timeout", &KeepaliveClientConfig::timeout, "reconnect when the ping is not answered within this time");
  s.Field("permit_without_stream", &KeepaliveClientConfig::permit_without_stream,
          "ping also while no request is under way");
}

void GrpcClientConfig::Describe(conf::Struct<GrpcClientConfig>& s) {
  using C = GrpcClientConfig;
  s.Field("endpoint", &C::endpoint,
          "`host:port`; `https://` forces TLS, `http://` none; `dns:///`, `passthrough:///` and `unix://` too");
  s.Field("compression", &C::compression, "`gzip`, `snappy`, `zstd` or `none`");
  s.Field("tls", &C::tls, "TLS; on unless `insecure` is true");
  s.Field("keepalive", &C::keepalive, "pings");
  s.Field("read_buffer_size", &C::read_buffer_size, "accepted; naru sizes its buffers itself");
  s.Field("write_buffer_size", &C::write_buffer_size, "accepted; naru writes from where the data lies");
  s.Field("wait_for_ready", &C::wait_for_ready,
          "wait for a connection until the timeout, instead of failing an attempt without one");
  s.Field("headers", &C::headers, "headers of every request");
  s.Field("user_agent", &C::user_agent, "user agent instead of naru's own");
  s.Field("balancer_name", &C::balancer_name,
          "`round_robin` over all addresses, or `pick_first`, which an empty name means too");
  s.Field("authority", &C::authority, "`:authority` instead of the endpoint");
  s.Field("auth", &C::auth, "credentials");
  s.Field("middlewares", &C::middlewares, "extensions that see each request");
}

void GrpcClientConfig::Validate(conf::Issues& issues) const {
  if (endpoint.empty()) {
    issues.Add("endpoint", "must not be empty");
  } else if (auto t = GrpcTarget::Parse(endpoint); !t) {
    issues.Add("endpoint", t.error().message);
  }
  if (!wire::CodecByGrpcName(compression))
    issues.Add("compression",
               fmt::format("unsupported compression type \"{}\" (gzip, snappy, zstd, none)", compression));
  if (!balancer_name.empty() && balancer_name != "round_robin" && balancer_name != "pick_first")
    issues.Add("balancer_name", fmt::format("invalid balancer_name: {} (round_robin, pick_first)", balancer_name));
}

void CompressionParams::Describe(conf::Struct<CompressionParams>& s) {
  s.Field("level", &CompressionParams::level, "level of the compression; 0 is the default of the algorithm");
}
void CookiesConfig::Describe(conf::Struct<CookiesConfig>& s) {
  s.Field("enabled", &CookiesConfig::enabled, "keep and send the server's cookies");
}

void HttpClientConfig::Describe(conf::Struct<HttpClientConfig>& s) {
  using C = HttpClientConfig;
  s.Field("endpoint", &C::endpoint, "base URL; `/v1/traces` and so on are added");
  s.Field("proxy_url", &C::proxy_url, "proxy instead of that of HTTP_PROXY and HTTPS_PROXY");
  s.Field("tls", &C::tls, "TLS of https endpoints");
  s.Field("read_buffer_size", &C::read_buffer_size, "accepted; naru sizes its buffers itself");
  s.Field("write_buffer_size", &C::write_buffer_size, "accepted; naru writes from where the data lies");
  s.Field("timeout", &C::timeout, "time for a request with its answer; 0 for ever");
  s.Field("headers", &C::headers, "headers of every request; `Host` replaces the host");
  s.Field("auth", &C::auth, "credentials");
  s.Field("compression", &C::compression,
          "`gzip`, `zstd`, `snappy`, `x-snappy-framed`, `zlib`, `deflate`, `lz4` or `none`");
  s.Field("compression_params", &C::compression_params, "settings of the compression");
  s.Field("max_idle_conns", &C::max_idle_conns, "idle connections to keep");
  s.Field("max_idle_conns_per_host", &C::max_idle_conns_per_host,
          "idle connections to keep to the endpoint; 0: max_idle_conns counts");
  s.Field("max_conns_per_host", &C::max_conns_per_host, "connections at most; 0 for no limit");
  s.Field("idle_conn_timeout", &C::idle_conn_timeout, "close an idle connection after this time; 0 never");
  s.Field("disable_keep_alives", &C::disable_keep_alives, "a new connection for every request");
  s.Field("force_attempt_http2", &C::force_attempt_http2, "offer HTTP/2 on https endpoints");
  s.Field("http2_read_idle_timeout", &C::http2_read_idle_timeout,
          "ping an HTTP/2 server that is silent for this time; 0 never");
  s.Field("http2_ping_timeout", &C::http2_ping_timeout,
          "reconnect when that ping is not answered within this time; 0 is 15s");
  s.Field("cookies", &C::cookies, "keep cookies that the server sets, and send them");
  s.Field("middlewares", &C::middlewares, "extensions that see each request");
}

void HttpClientConfig::Validate(conf::Issues& issues) const {
  auto url = [&](std::string_view name, const std::string& text, bool proxy) {
    if (text.empty()) return;
    auto u = net::Url::Parse(text);
    if (!u) {
      issues.Add(name, u.error().message);
    } else if (u->scheme != "http" && u->scheme != "https" && !(proxy && u->scheme == "socks5")) {
      issues.Add(name, fmt::format("\"{}\": only http:// and https:// are supported", text));
    }
  };
  url("endpoint", endpoint, false);
  url("proxy_url", proxy_url, true);
  if (!wire::CodecByHttpName(compression))
    issues.Add("compression", fmt::format("unsupported compression type \"{}\"", compression));
  bool any = compression.empty() || compression == "none" || compression == "zstd";
  bool deflates = compression == "gzip" || compression == "zlib" || compression == "deflate";
  int64_t level = compression_params.level;
  if (!any && (deflates ? level < -2 || level > 9 : level != 0)) {
    issues.Add("compression_params::level", deflates ? fmt::format("must be between -2 and 9 for {}", compression)
                                                     : fmt::format("{} has no levels", compression));
  }
}

Result<GrpcTarget> GrpcTarget::Parse(const std::string& endpoint) {
  GrpcTarget t;
  std::string rest = endpoint;
  auto strip = [&](std::string_view prefix) {
    if (rest.rfind(prefix, 0) != 0) return false;
    rest.erase(0, prefix.size());
    return true;
  };
  if (strip("https://")) {
    t.tls = true;
  } else if (strip("http://")) {
    t.plain = true;
  } else if (strip("unix://") || strip("unix:")) {
    t.unix_path = true;
    t.host = rest;
    if (t.host.empty()) return Fail(Code::kInvalidArgument, "\"{}\": no path", endpoint);
    return t;
  } else if (!strip("dns:///")) {
    if (strip("dns://")) {
      size_t slash = rest.find('/');  // dns://server/name: the name server of the system is asked
      rest = slash == std::string::npos ? rest : rest.substr(slash + 1);
    } else {
      strip("passthrough:///");
    }
  }
  size_t colon = rest.rfind(':');
  if (colon == std::string::npos || (!rest.empty() && rest.back() == ']')) {
    return Fail(Code::kInvalidArgument, "\"{}\": missing port in address (host:port)", endpoint);
  }
  if (rest.find(':') != colon && rest.front() != '[') {
    return Fail(Code::kInvalidArgument, "\"{}\": too many colons: an IPv6 address stands in brackets ([::1]:4317)",
                endpoint);
  }
  std::string_view port = std::string_view(rest).substr(colon + 1);
  unsigned n = 0;
  auto [end, err] = std::from_chars(port.data(), port.data() + port.size(), n);
  if (err != std::errc() || end != port.data() + port.size() || n == 0 || n > 65535)
    return Fail(Code::kInvalidArgument, "\"{}\": invalid port \"{}\"", endpoint, port);
  t.port = static_cast<uint16_t>(n);
  t.host = rest.substr(0, colon);
  if (t.host.size() > 1 && t.host.front() == '[' && t.host.back() == ']') t.host = t.host.substr(1, t.host.size() - 2);
  if (t.host.empty()) t.host = "localhost";
  if (t.host.find('/') != std::string::npos)
    return Fail(Code::kInvalidArgument, "\"{}\": a gRPC endpoint has no path", endpoint);
  return t;
}

}  // namespace naru::pipeline
