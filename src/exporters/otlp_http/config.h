// Configuration of the otlp_http (otlphttp) exporter.
#pragma once

#include "net/http_client.h"
#include "pipeline/config/client_config.h"
#include "pipeline/engine_config.h"

namespace naru::exporters::otlp_http {

struct Config {
  pipeline::HttpClientConfig client;
  std::string traces_endpoint, metrics_endpoint, logs_endpoint, profiles_endpoint;
  std::string encoding = "proto";
  conf::Optional<pipeline::QueueConfig> queue{pipeline::QueueConfig()};
  pipeline::RetryConfig retry;
  static void Describe(conf::Struct<Config>& s) {
    s.Squash(&Config::client);
    s.Field("traces_endpoint", &Config::traces_endpoint, "full URL for traces instead of endpoint + /v1/traces");
    s.Field("metrics_endpoint", &Config::metrics_endpoint, "full URL for metrics");
    s.Field("logs_endpoint", &Config::logs_endpoint, "full URL for logs");
    s.Field("profiles_endpoint", &Config::profiles_endpoint, "full URL for profiles");
    s.Field("encoding", &Config::encoding, "`proto` or `json`");
    s.Field("sending_queue", &Config::queue, "queue before sending");
    s.Field("retry_on_failure", &Config::retry, "retries");
  }
  void Validate(conf::Issues& issues) const {
    if (client.endpoint.empty() && traces_endpoint.empty() && metrics_endpoint.empty() && logs_endpoint.empty() &&
        profiles_endpoint.empty()) {
      issues.Add("endpoint", "at least one endpoint must be specified");
    }
    if (encoding != "proto" && encoding != "json")
      issues.Add("encoding", fmt::format("invalid encoding type: \"{}\" (proto, json)", encoding));
    for (auto& [name, url] :
         {std::pair("traces_endpoint", traces_endpoint), std::pair("metrics_endpoint", metrics_endpoint),
          std::pair("logs_endpoint", logs_endpoint), std::pair("profiles_endpoint", profiles_endpoint)}) {
      if (url.empty()) continue;
      if (auto u = net::Url::Parse(url); !u) issues.Add(name, u.error().message);
    }
  }
};

}  // namespace naru::exporters::otlp_http
