// Configuration of the zipkin exporter.
#pragma once

#include <string>

#include "pipeline/config/client_config.h"
#include "pipeline/engine_config.h"

namespace naru::exporters::zipkin {

struct Config {
  Config();
  pipeline::HttpClientConfig client;
  std::string format = "json";
  std::string default_service_name = "<missing service name>";
  conf::Optional<pipeline::QueueConfig> queue{pipeline::QueueConfig()};
  pipeline::RetryConfig retry;
  static void Describe(conf::Struct<Config>& s);
  void Validate(conf::Issues& issues) const;
};

}  // namespace naru::exporters::zipkin
