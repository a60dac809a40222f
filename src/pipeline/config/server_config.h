// The server blocks: configgrpc and confighttp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conf/schema.h"
#include "net/http_server.h"
#include "pipeline/config/tls_config.h"

namespace naru::pipeline {

struct ServerAuthConfig {
  std::string authenticator;
  std::vector<std::string> request_params;
  static void Describe(conf::Struct<ServerAuthConfig>& s);
};

struct MiddlewareConfig {
  std::string id;
  static void Describe(conf::Struct<MiddlewareConfig>& s);
};

struct KeepaliveServerParameters {
  Duration max_connection_idle{0}, max_connection_age{0}, max_connection_age_grace{0}, time{0}, timeout{0};
  static void Describe(conf::Struct<KeepaliveServerParameters>& s);
};
struct KeepaliveEnforcement {
  Duration min_time{0};
  bool permit_without_stream = false;
  static void Describe(conf::Struct<KeepaliveEnforcement>& s);
};
struct KeepaliveServerConfig {
  conf::Optional<KeepaliveServerParameters> server_parameters;
  conf::Optional<KeepaliveEnforcement> enforcement_policy;
  static void Describe(conf::Struct<KeepaliveServerConfig>& s);
};

struct GrpcServerConfig {
  std::string endpoint;
  std::string transport = "tcp";
  conf::Optional<TlsServerConfig> tls;
  int64_t max_recv_msg_size_mib = 0;  // 0: 4
  uint32_t max_concurrent_streams = 0;
  int64_t read_buffer_size = 512 << 10;
  int64_t write_buffer_size = 0;
  conf::Optional<KeepaliveServerConfig> keepalive;
  conf::Optional<ServerAuthConfig> auth;
  bool include_metadata = false;
  std::vector<MiddlewareConfig> middlewares;
  static void Describe(conf::Struct<GrpcServerConfig>& s);
  void Validate(conf::Issues& issues) const;
  net::HttpServerOptions Options() const;
};

struct CorsConfig {
  std::vector<std::string> allowed_origins, allowed_headers, exposed_headers;
  int64_t max_age = 0;
  static void Describe(conf::Struct<CorsConfig>& s);
};

struct HttpServerConfig {
  std::string endpoint;
  std::string transport = "tcp";
  conf::Optional<TlsServerConfig> tls;
  conf::Optional<CorsConfig> cors;
  conf::Optional<ServerAuthConfig> auth;
  int64_t max_request_body_size = 20 << 20;
  bool include_metadata = false;
  conf::HeaderMap response_headers;
  std::vector<std::string> compression_algorithms = {"", "gzip", "zstd", "zlib", "snappy", "deflate", "lz4"};
  Duration read_timeout{0}, read_header_timeout = std::chrono::minutes(1), write_timeout = std::chrono::seconds(30),
                            idle_timeout = std::chrono::minutes(1);
  bool keep_alives_enabled = true;
  std::vector<MiddlewareConfig> middlewares;
  static void Describe(conf::Struct<HttpServerConfig>& s);
  void Validate(conf::Issues& issues) const;
  net::HttpServerOptions Options() const;
};

/// Whether `endpoint` can be listened on, as far as that shows without asking for a host's name.
Status CheckListenAddress(const std::string& endpoint, const std::string& transport);
/// The address of `endpoint`: a host, or a path with transport `unix`. A name other than `localhost` is looked up,
/// which may block for seconds.
Result<net::Address> ListenAddress(const std::string& endpoint, const std::string& transport);

}  // namespace naru::pipeline
