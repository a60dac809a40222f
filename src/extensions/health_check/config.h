// Configuration of the health_check extension, in both of its forms.
#pragma once

#include <string>

#include "pipeline/config/server_config.h"

namespace naru::extensions::health_check {

struct ResponseBody {
  std::string healthy, unhealthy;
  static void Describe(conf::Struct<ResponseBody>& s);
};

struct StatusPath {
  bool enabled = true, include_attributes = false;
  std::string path = "/status";
  static void Describe(conf::Struct<StatusPath>& s);
};
struct ConfigPath {
  bool enabled = false, include_attributes = false;
  std::string path = "/config";
  static void Describe(conf::Struct<ConfigPath>& s);
};

struct HttpV2 {
  pipeline::HttpServerConfig server;
  StatusPath status;
  ConfigPath config;
  HttpV2();
  static void Describe(conf::Struct<HttpV2>& s);
};

struct GrpcV2 {
  pipeline::GrpcServerConfig server;
  GrpcV2() { server.endpoint = "localhost:13132"; }
  static void Describe(conf::Struct<GrpcV2>& s);
};

struct ComponentHealth {
  bool include_permanent_errors = false;
  bool include_recoverable_errors = false;
  Duration recovery_duration = std::chrono::minutes(1);
  static void Describe(conf::Struct<ComponentHealth>& s);
};

struct Config {
  pipeline::HttpServerConfig server;
  std::string path = "/";
  conf::Optional<ResponseBody> response_body;
  bool use_v2 = false;
  conf::Optional<HttpV2> http = conf::Optional<HttpV2>::Default({});
  conf::Optional<GrpcV2> grpc = conf::Optional<GrpcV2>::Default({});
  conf::Optional<ComponentHealth> component_health;
  Config();
  static void Describe(conf::Struct<Config>& s);
  void Validate(conf::Issues& issues) const;
};

}  // namespace naru::extensions::health_check
