// Configuration of the otlp receiver.
#pragma once

#include "conf/schema.h"
#include "pipeline/config/server_config.h"

namespace naru::receivers::otlp {

struct GrpcProtocol {
  pipeline::GrpcServerConfig server;
  GrpcProtocol() { server.endpoint = "localhost:4317"; }
  static void Describe(conf::Struct<GrpcProtocol>& s) { s.Squash(&GrpcProtocol::server); }
};

struct HttpProtocol {
  pipeline::HttpServerConfig server;
  std::string traces_url_path = "/v1/traces";
  std::string metrics_url_path = "/v1/metrics";
  std::string logs_url_path = "/v1/logs";
  std::string profiles_url_path = "/v1development/profiles";
  HttpProtocol() {
    server.endpoint = "localhost:4318";
    // As in the reference: uploads take the time they take.
    server.write_timeout = server.read_header_timeout = server.idle_timeout = Duration(0);
  }
  static void Describe(conf::Struct<HttpProtocol>& s);
};

struct Protocols {
  conf::Optional<GrpcProtocol> grpc = conf::Optional<GrpcProtocol>::Default({});
  conf::Optional<HttpProtocol> http = conf::Optional<HttpProtocol>::Default({});
  static void Describe(conf::Struct<Protocols>& s);
};

struct Config {
  Protocols protocols;
  static void Describe(conf::Struct<Config>& s);
  void Validate(conf::Issues& issues) const;
};

}  // namespace naru::receivers::otlp
