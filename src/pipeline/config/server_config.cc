#include "pipeline/config/server_config.h"

#include <algorithm>

#include "net/dialer.h"

namespace naru::pipeline {

void ServerAuthConfig::Describe(conf::Struct<ServerAuthConfig>& s) {
  s.Field("authenticator", &ServerAuthConfig::authenticator, "id of the extension that judges requests");
  s.Field("request_params", &ServerAuthConfig::request_params,
          "query parameters that the authenticator sees as headers (HTTP)");
}

void MiddlewareConfig::Describe(conf::Struct<MiddlewareConfig>& s) {
  s.Field("id", &MiddlewareConfig::id, "id of the middleware extension");
}

void KeepaliveServerParameters::Describe(conf::Struct<KeepaliveServerParameters>& s) {
  using C = KeepaliveServerParameters;
  s.Field("max_connection_idle", &C::max_connection_idle,
          "close a connection without requests after this time; 0 never");
  s.Field("max_connection_age", &C::max_connection_age, "ask clients to reconnect after this time, +-10 %; 0 never");
  s.Field("max_connection_age_grace", &C::max_connection_age_grace,
          "time for requests under way after that; 0 for ever");
  s.Field("time", &C::time, "ping a silent client after this time; 0 is 2h");
  s.Field("timeout", &C::timeout, "close when the ping is not answered within this time; 0 is 20s");
}
void KeepaliveEnforcement::Describe(conf::Struct<KeepaliveEnforcement>& s) {
  s.Field("min_time", &KeepaliveEnforcement::min_time, "least time between a client's pings; 0 is 5m");
  s.Field("permit_without_stream", &KeepaliveEnforcement::permit_without_stream,
          "allow pings while no request is under way");
}
void KeepaliveServerConfig::Describe(conf::Struct<KeepaliveServerConfig>& s) {
  s.Field("server_parameters", &KeepaliveServerConfig::server_parameters, "limits of connections, and pings");
  s.Field("enforcement_policy", &KeepaliveServerConfig::enforcement_policy, "which pings of clients are abuse");
}

void GrpcServerConfig::Describe(conf::Struct<GrpcServerConfig>& s) {
  using C = GrpcServerConfig;
  s.Field("endpoint", &C::endpoint, "address to listen on");
  s.Field("transport", &C::transport, "`tcp` (`tcp4`, `tcp6`) or `unix`");
  s.Field("tls", &C::tls, "TLS; without it connections are plain");
  s.Field("max_recv_msg_size_mib", &C::max_recv_msg_size_mib, "largest message in MiB, after decompression; 0 is 4");
  s.Field("max_concurrent_streams", &C::max_concurrent_streams, "requests at once on a connection; 0 is 1024");
  s.Field("read_buffer_size", &C::read_buffer_size, "accepted; naru reads into one buffer a loop");
  s.Field("write_buffer_size", &C::write_buffer_size, "accepted; naru writes what is ready");
  s.Field("keepalive", &C::keepalive, "limits of connections, and pings");
  s.Field("auth", &C::auth, "who may send");
  s.Field("include_metadata", &C::include_metadata,
          "keep request headers beside the data, for batch metadata_keys, headers_setter and from_context");
  s.Field("middlewares", &C::middlewares, "extensions that see each request: `memory_limiter`");
}

void GrpcServerConfig::Validate(conf::Issues& issues) const {
  if (endpoint.empty())
    issues.Add("endpoint", "must not be empty");
  else if (auto a = CheckListenAddress(endpoint, transport); !a)
    issues.Add("endpoint", a.error().message);
  if (max_recv_msg_size_mib < 0 || max_recv_msg_size_mib > 2047)
    issues.Add("max_recv_msg_size_mib", "must be between 0 and 2047");
  if (read_buffer_size < 0) issues.Add("read_buffer_size", "must not be negative");
  if (write_buffer_size < 0) issues.Add("write_buffer_size", "must not be negative");
}

net::HttpServerOptions GrpcServerConfig::Options() const {
  net::HttpServerOptions o;
  o.http1 = true;  // so that a browser or curl gets an answer that says what is spoken here
  o.read_header_timeout = std::chrono::minutes(2);
  if (max_concurrent_streams) o.max_concurrent_streams = max_concurrent_streams;
  if (keepalive && keepalive->server_parameters) {
    auto& p = *keepalive->server_parameters;
    o.max_connection_idle = p.max_connection_idle;
    o.max_connection_age = p.max_connection_age;
    o.max_connection_age_grace = p.max_connection_age_grace;
    if (p.time > Duration(0)) o.keepalive_time = p.time;
    if (p.timeout > Duration(0)) o.keepalive_timeout = p.timeout;
  }
  if (keepalive && keepalive->enforcement_policy) {
    if (keepalive->enforcement_policy->min_time > Duration(0))
      o.min_ping_interval = keepalive->enforcement_policy->min_time;
    o.permit_pings_without_stream = keepalive->enforcement_policy->permit_without_stream;
  }
  return o;
}

void CorsConfig::Describe(conf::Struct<CorsConfig>& s) {
  s.Field("allowed_origins", &CorsConfig::allowed_origins, "origins of web pages that may send; `*` matches any text");
  s.Field("allowed_headers", &CorsConfig::allowed_headers, "headers that they may send beside the safe ones");
  s.Field("exposed_headers", &CorsConfig::exposed_headers, "response headers that scripts may read");
  s.Field("max_age", &CorsConfig::max_age, "seconds that a browser may keep the answer to a preflight request");
}

void HttpServerConfig::Describe(conf::Struct<HttpServerConfig>& s) {
  using C = HttpServerConfig;
  s.Field("endpoint", &C::endpoint, "address to listen on");
  s.Field("transport", &C::transport, "`tcp` (`tcp4`, `tcp6`) or `unix`");
  s.Field("tls", &C::tls, "TLS; without it connections are plain");
  s.Field("cors", &C::cors, "which web pages may send");
  s.Field("auth", &C::auth, "who may send");
  s.Field("max_request_body_size", &C::max_request_body_size,
          "largest body in bytes, before and after decompression; 0 and less: 20 MiB");
  s.Field("include_metadata", &C::include_metadata,
          "keep request headers beside the data, for batch metadata_keys, headers_setter and from_context");
  s.Field("response_headers", &C::response_headers, "headers of every response");
  s.Field("compression_algorithms", &C::compression_algorithms, "content encodings that are understood");
  s.Field("read_timeout", &C::read_timeout, "time for a whole request; 0 for ever");
  s.Field("read_header_timeout", &C::read_header_timeout, "time for the head of a request; 0 for ever");
  s.Field("write_timeout", &C::write_timeout, "time without progress of a response; 0 for ever");
  s.Field("idle_timeout", &C::idle_timeout, "close a connection without requests after this time; 0 never");
  s.Field("keep_alives_enabled", &C::keep_alives_enabled, "keep connections for further requests");
  s.Field("middlewares", &C::middlewares, "extensions that see each request: `memory_limiter`");
}

void HttpServerConfig::Validate(conf::Issues& issues) const {
  if (endpoint.empty())
    issues.Add("endpoint", "must not be empty");
  else if (auto a = CheckListenAddress(endpoint, transport); !a)
    issues.Add("endpoint", a.error().message);
}

net::HttpServerOptions HttpServerConfig::Options() const {
  net::HttpServerOptions o;
  o.read_timeout = read_timeout;
  o.read_header_timeout = read_header_timeout;
  o.write_timeout = write_timeout;
  o.idle_timeout = idle_timeout;
  o.keep_alives = keep_alives_enabled;
  return o;
}

namespace {

// The endpoint as Address::Parse takes it, as far as no name has to be looked up.
Result<std::string> AddressText(const std::string& endpoint, const std::string& transport) {
  if (transport == "unix") return "unix:" + endpoint;
  if (transport != "tcp" && transport != "tcp4" && transport != "tcp6") {
    return Fail(Code::kInvalidArgument, "transport \"{}\" is none of tcp, tcp4, tcp6, unix", transport);
  }
  std::string text = endpoint;
  if (text.rfind("localhost:", 0) == 0) text = (transport == "tcp6" ? "[::1]" : "127.0.0.1") + text.substr(9);
  if (text.rfind(":", 0) == 0 && transport == "tcp4") text = "0.0.0.0" + text;
  return text;
}

// "host:port" with a host that could be a name.
bool IsNamed(const std::string& text) {
  size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  return std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(colon), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
  });
}

}  // namespace

namespace {

// What is wrong with `text`, in terms of the endpoint that the user wrote.
Unexpected AddressError(const std::string& endpoint, const std::string& text) {
  Error e = net::Address::Parse(text).error();
  if (size_t at = e.message.find(text); at != std::string::npos) e.message.replace(at, text.size(), endpoint);
  return Unexpected(e);
}

}  // namespace

Status CheckListenAddress(const std::string& endpoint, const std::string& transport) {
  auto text = AddressText(endpoint, transport);
  if (!text) return Unexpected(text.error());
  if (net::Address::Parse(*text)) return {};
  // Of a name only the port can be judged without asking the network.
  if (IsNamed(*text)) *text = "0.0.0.0" + text->substr(text->rfind(':'));
  if (net::Address::Parse(*text)) return {};
  return AddressError(endpoint, *text);
}

Result<net::Address> ListenAddress(const std::string& endpoint, const std::string& transport) {
  auto text = AddressText(endpoint, transport);
  if (!text) return tl::unexpected(text.error());
  auto numeric = net::Address::Parse(*text);
  if (numeric) return numeric;
  if (!IsNamed(*text)) return AddressError(endpoint, *text);
  size_t colon = text->rfind(':');
  auto port = net::Address::Parse("0.0.0.0" + text->substr(colon));
  if (!port) return AddressError(endpoint, "0.0.0.0" + text->substr(colon));
  auto all = net::ResolveNow(text->substr(0, colon), port->port);
  if (!all) return tl::unexpected(all.error());
  for (auto& a : *all) {
    if (transport == "tcp" || (a.kind == net::Address::Kind::kIpv6) == (transport == "tcp6")) return a;
  }
  return Fail(Code::kUnavailable, "lookup {}: no address of {}", text->substr(0, colon), transport);
}

}  // namespace naru::pipeline
