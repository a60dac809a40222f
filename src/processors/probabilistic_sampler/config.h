// Configuration of the probabilistic sampler: the reference's keys, defaults and errors.
#pragma once

#include <cstdint>
#include <string>

#include "conf/schema.h"

namespace naru::processors::probabilistic_sampler {

struct Config {
  double sampling_percentage = 0;
  uint32_t hash_seed = 0;
  std::string mode;
  bool fail_closed = true;
  int64_t sampling_precision = 4;
  std::string attribute_source = "traceID";
  std::string from_attribute, sampling_priority;

  static void Describe(conf::Struct<Config>& s);
  void Validate(conf::Issues& issues) const;
};

}  // namespace naru::processors::probabilistic_sampler
