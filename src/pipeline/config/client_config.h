// The client blocks: configgrpc and confighttp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conf/schema.h"
#include "pipeline/config/server_config.h"
#include "pipeline/config/tls_config.h"

namespace naru::pipeline {

struct ClientAuthConfig {
  std::string authenticator;
  static void Describe(conf::Struct<ClientAuthConfig>& s);
};

struct KeepaliveClientConfig {
  Duration time = std::chrono::seconds(10);
  Duration timeout = std::chrono::seconds(10);
  bool permit_without_stream = false;
  static void Describe(conf::Struct<KeepaliveClientConfig>& s);
};

struct GrpcClientConfig {
  std::string endpoint;
  std::string compression = "gzip";
  TlsClientConfig tls;
  conf::Optional<KeepaliveClientConfig> keepalive;
  int64_t read_buffer_size = 0;
  int64_t write_buffer_size = 512 << 10;
  bool wait_for_ready = false;
  conf::HeaderMap headers;
  std::string user_agent;
  std::string balancer_name = "round_robin";
  std::string authority;
  conf::Optional<ClientAuthConfig> auth;
  std::vector<MiddlewareConfig> middlewares;
  static void Describe(conf::Struct<GrpcClientConfig>& s);
  void Validate(conf::Issues& issues) const;
};

struct CompressionParams {
  int64_t level = 0;
  static void Describe(conf::Struct<CompressionParams>& s);
};
struct CookiesConfig {
  bool enabled = false;
  static void Describe(conf::Struct<CookiesConfig>& s);
};

struct HttpClientConfig {
  std::string endpoint;
  std::string proxy_url;
  TlsClientConfig tls;
  int64_t read_buffer_size = 0;
  int64_t write_buffer_size = 512 << 10;
  Duration timeout = std::chrono::seconds(30);
  conf::HeaderMap headers;
  conf::Optional<ClientAuthConfig> auth;
  std::string compression = "gzip";
  CompressionParams compression_params;
  int64_t max_idle_conns = 100;
  int64_t max_idle_conns_per_host = 0;
  int64_t max_conns_per_host = 0;
  Duration idle_conn_timeout = std::chrono::seconds(90);
  bool disable_keep_alives = false;
  bool force_attempt_http2 = true;
  Duration http2_read_idle_timeout{0};
  Duration http2_ping_timeout{0};
  conf::Optional<CookiesConfig> cookies;
  std::vector<MiddlewareConfig> middlewares;
  static void Describe(conf::Struct<HttpClientConfig>& s);
  void Validate(conf::Issues& issues) const;
};

/// A gRPC endpoint taken apart: `host:port`, `http://`, `https://` (TLS), `dns:///`, `passthrough:///`, `unix:`.
struct GrpcTarget {
  std::string host;
  uint16_t port = 0;
  bool tls = false;        // asked for by https://
  bool plain = false;      // asked for by http://
  bool unix_path = false;  // host is a path
  static Result<GrpcTarget> Parse(const std::string& endpoint);
};

}  // namespace naru::pipeline
