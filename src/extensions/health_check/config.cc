#include "extensions/health_check/config.h"

namespace naru::extensions::health_check {

namespace {

// The reference leaves its timeouts at zero here: none.
void AsInTheReference(pipeline::HttpServerConfig& server) {
  server.endpoint = "localhost:13133";
  server.read_header_timeout = server.write_timeout = server.idle_timeout = Duration(0);
}

}  // namespace

HttpV2::HttpV2() {
  AsInTheReference(server);
}

Config::Config() {
  AsInTheReference(server);
}

void ResponseBody::Describe(conf::Struct<ResponseBody>& s) {
  s.Field("healthy", &ResponseBody::healthy, "body of the 200 answer");
  s.Field("unhealthy", &ResponseBody::unhealthy, "body of the 503 answer");
}

void StatusPath::Describe(conf::Struct<StatusPath>& s) {
  s.Field("enabled", &StatusPath::enabled, "serve the states of components");
  s.Field("path", &StatusPath::path, "path of the page");
  s.Field("include_attributes", &StatusPath::include_attributes, "accepted; states have no attributes");
}

void ConfigPath::Describe(conf::Struct<ConfigPath>& s) {
  s.Field("enabled", &ConfigPath::enabled, "serve the effective configuration, secrets hidden");
  s.Field("path", &ConfigPath::path, "path of the page");
  s.Field("include_attributes", &ConfigPath::include_attributes, "accepted; changes nothing");
}

void HttpV2::Describe(conf::Struct<HttpV2>& s) {
  s.Squash(&HttpV2::server);
  s.Field("status", &HttpV2::status, "the page of states");
  s.Field("config", &HttpV2::config, "the page of the configuration");
}

void GrpcV2::Describe(conf::Struct<GrpcV2>& s) {
  s.Squash(&GrpcV2::server);
}

void ComponentHealth::Describe(conf::Struct<ComponentHealth>& s) {
  s.Field("include_permanent_errors", &ComponentHealth::include_permanent_errors,
          "permanent errors of components make the collector unhealthy");
  s.Field("include_recoverable_errors", &ComponentHealth::include_recoverable_errors,
          "so do errors that last longer than recovery_duration");
  s.Field("recovery_duration", &ComponentHealth::recovery_duration, "time that a component has to recover");
}

void Config::Describe(conf::Struct<Config>& s) {
  s.Squash(&Config::server);
  s.Field("path", &Config::path, "path of the page");
  s.Field("response_body", &Config::response_body, "fixed bodies instead of the JSON status");
  s.Ignored("check_collector_pipeline", "documented as broken in the reference; accepted, does nothing");
  s.Field("use_v2", &Config::use_v2,
          "the second form: `http`, `grpc` and `component_health` count instead of the rest");
  s.Field("http", &Config::http, "with use_v2: pages of states");
  s.Field("grpc", &Config::grpc, "with use_v2: the service grpc.health.v1.Health");
  s.Field("component_health", &Config::component_health, "with use_v2: which errors of components count");
}

void Config::Validate(conf::Issues& issues) const {
  if (path.empty() || path[0] != '/') issues.Add("path", "path must start with /");
  if (!use_v2) return;
  if (!http && !grpc) issues.Add("use_v2", "http or grpc must be configured with use_v2");
  if (http) {
    if (http->status.enabled && (http->status.path.empty() || http->status.path[0] != '/'))
      issues.Add("http::status::path", "path must start with /");
    if (http->config.enabled && (http->config.path.empty() || http->config.path[0] != '/'))
      issues.Add("http::config::path", "path must start with /");
  }
  if (component_health && component_health->recovery_duration < Duration(0))
    issues.Add("component_health::recovery_duration", "must not be negative");
}

}  // namespace naru::extensions::health_check
