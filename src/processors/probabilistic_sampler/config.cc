#include "processors/probabilistic_sampler/config.h"

#include <cmath>
#include <limits>

#include "processors/probabilistic_sampler/threshold.h"

namespace naru::processors::probabilistic_sampler {

void Config::Describe(conf::Struct<Config>& s) {
  s.Field("sampling_percentage", &Config::sampling_percentage,
          "share of the records that is kept; 100 and more keeps all, 0 none");
  s.Field("mode", &Config::mode, "`hash_seed` (as when it is empty), `proportional` or `equalizing`");
  s.Field("hash_seed", &Config::hash_seed,
          "for the mode `hash_seed`: the same in all collectors that are to choose alike");
  s.Field("fail_closed", &Config::fail_closed,
          "whether records without randomness, or with sampling information that is wrong, are removed or kept");
  s.Field("sampling_precision", &Config::sampling_precision,
          "hexadecimal digits of thresholds, 1 to 14; for the modes `proportional` and `equalizing`, and priorities of "
          "logs");
  s.Field("attribute_source", &Config::attribute_source,
          "logs, mode `hash_seed`: `traceID`, or `record` to look at `from_attribute` only");
  s.Field("from_attribute", &Config::from_attribute,
          "logs, mode `hash_seed`: the attribute that is hashed where there is no trace id");
  s.Field("sampling_priority", &Config::sampling_priority,
          "logs: the attribute with a number that is the percentage for its record");
}

void Config::Validate(conf::Issues& issues) const {
  constexpr double kMost = std::numeric_limits<float>::max();
  if (!std::isfinite(sampling_percentage) || std::abs(sampling_percentage) > kMost) {
    issues.Add("sampling_percentage", fmt::format("sampling rate is invalid: {}%", sampling_percentage));
  } else if (auto percentage = static_cast<float>(sampling_percentage); percentage < 0) {
    issues.Add("sampling_percentage", fmt::format("sampling rate is negative: {:f}%", percentage));
  } else if (percentage > 0 && static_cast<double>(percentage) / 100 < kLeastProbability) {
    issues.Add("sampling_percentage", fmt::format("sampling rate is too small: {:g}%", percentage));
  }
  if (!mode.empty() && mode != "hash_seed" && mode != "proportional" && mode != "equalizing")
    issues.Add("mode", fmt::format("unsupported sampler mode \"{}\"", mode));
  if (!attribute_source.empty() && attribute_source != "traceID" && attribute_source != "record") {
    issues.Add("attribute_source",
               fmt::format("invalid attribute source: {}. Expected: traceID or record", attribute_source));
  }
  if (sampling_precision == 0) {
    issues.Add("sampling_precision", "invalid sampling precision: 0");
  } else if (sampling_precision > kHexDigits) {
    issues.Add("sampling_precision",
               fmt::format("sampling precision is too great, should be <= 14: {}", sampling_precision));
  }
}

}  // namespace naru::processors::probabilistic_sampler
