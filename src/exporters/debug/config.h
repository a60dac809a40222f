// Configuration of the debug (logging) exporter.
#pragma once

#include "conf/schema.h"
#include "pipeline/engine_config.h"

namespace naru::exporters::debug {

struct Config {
  std::string verbosity = "basic";
  std::string loglevel;  // of the removed `logging` exporter
  int64_t sampling_initial = 2;
  int64_t sampling_thereafter = 1;
  bool use_internal_logger = true;
  std::optional<std::vector<std::string>> output_paths;  // not given: stdout
  conf::Optional<pipeline::QueueConfig> queue = conf::Optional<pipeline::QueueConfig>::Default({});
  static void Describe(conf::Struct<Config>& s);
  void Validate(conf::Issues& issues) const;
  enum class Verbosity { kBasic, kNormal, kDetailed };
  Verbosity Level() const;
};

}  // namespace naru::exporters::debug
