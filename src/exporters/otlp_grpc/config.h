// Configuration of the otlp_grpc (otlp) exporter.
#pragma once

#include "pipeline/config/client_config.h"
#include "pipeline/engine_config.h"

namespace naru::exporters::otlp_grpc {

struct Config {
  pipeline::GrpcClientConfig client;
  Duration timeout = std::chrono::seconds(5);
  conf::Optional<pipeline::QueueConfig> queue{pipeline::QueueConfig()};
  pipeline::RetryConfig retry;
  static void Describe(conf::Struct<Config>& s) {
    s.Squash(&Config::client);
    s.Field("timeout", &Config::timeout, "time for a request with its answer; 0 for ever");
    s.Field("sending_queue", &Config::queue, "queue before sending");
    s.Field("retry_on_failure", &Config::retry, "retries");
  }
  void Validate(conf::Issues& issues) const {
    if (timeout < Duration(0)) issues.Add("timeout", "'timeout' must be non-negative");
  }
};

}  // namespace naru::exporters::otlp_grpc
