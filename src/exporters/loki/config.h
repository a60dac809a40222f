// Configuration of the loki exporter.
#pragma once

#include "pipeline/config/client_config.h"
#include "pipeline/engine_config.h"

namespace naru::exporters::loki {

struct DefaultLabelsConfig {
  bool exporter = true, job = true, instance = true, level = true;
  static void Describe(conf::Struct<DefaultLabelsConfig>& s);
};

struct Config {
  Config();
  pipeline::HttpClientConfig client;
  DefaultLabelsConfig default_labels_enabled;
  conf::Optional<pipeline::QueueConfig> queue{pipeline::QueueConfig()};
  pipeline::RetryConfig retry;
  static void Describe(conf::Struct<Config>& s);
  void Validate(conf::Issues& issues) const;
};

}  // namespace naru::exporters::loki
