// Views over own metrics (service::telemetry::metrics::views, otelconf 0.3.0): which are shown, under which name, with
// which attributes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/schema.h"
#include "pipeline/metrics.h"

namespace naru::collector {

struct ViewSelector {
  std::string instrument_name, instrument_type, unit, meter_name, meter_version, meter_schema_url;
  static void Describe(conf::Struct<ViewSelector>& s);
};

/// Names with `*` and `?`. Nothing included includes everything; excluded wins.
struct IncludeExclude {
  std::vector<std::string> included, excluded;
  static void Describe(conf::Struct<IncludeExclude>& s);
  bool Has(std::string_view name) const;
};

struct ViewHistogram {
  std::vector<double> boundaries = {0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000};
  bool record_min_max = false;
  static void Describe(conf::Struct<ViewHistogram>& s);
};

struct ViewExponential {
  int64_t max_scale = 20, max_size = 160;
  bool record_min_max = false;
  static void Describe(conf::Struct<ViewExponential>& s);
};

struct Nothing {
  static void Describe(conf::Struct<Nothing>&) {}
};

struct ViewAggregation {
  conf::Optional<Nothing> default_, drop, sum, last_value;
  conf::Optional<ViewHistogram> explicit_bucket_histogram;
  conf::Optional<ViewExponential> base2_exponential_bucket_histogram;
  static void Describe(conf::Struct<ViewAggregation>& s);
};

struct ViewStream {
  std::string name, description;
  conf::Optional<ViewAggregation> aggregation;
  conf::Optional<IncludeExclude> attribute_keys;
  int64_t aggregation_cardinality_limit = 0;
  static void Describe(conf::Struct<ViewStream>& s);
};

struct ViewConfig {
  ViewSelector selector;
  ViewStream stream;
  static void Describe(conf::Struct<ViewConfig>& s);
  void Validate(conf::Issues& issues) const;
};

/// `*` matches any run of characters, `?` one.
bool MatchesGlob(std::string_view pattern, std::string_view text);

/// Each family once for every view that selects it; as it is where none does.
std::vector<pipeline::Metrics::Family> ApplyViews(const std::vector<ViewConfig>& views,
                                                  std::vector<pipeline::Metrics::Family> families);
/// The buckets that the views want for a histogram; none: its own.
std::optional<pipeline::HistogramShape> ViewShape(const std::vector<ViewConfig>& views,
                                                  const pipeline::Metrics::Instrument& instrument);

}  // namespace naru::collector
