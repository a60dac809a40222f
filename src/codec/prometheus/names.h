// Names of metrics, labels and units as Prometheus has them, by the rules of OpenTelemetry's specification (Prometheus
// and OpenMetrics compatibility) as the reference collector applies them, version 0.155.
//
// Pure. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace naru::codec::prometheus {

/// How names are translated: the four strategies are the combinations of the two flags.
struct NameRules {
  std::string prefix;    // the key `namespace`; goes in front of metric names
  bool suffixes = true;  // of units and types: `_seconds`, `_total`
  bool utf8 = false;     // names stay as they are but for suffixes; else what is not allowed becomes `_`
};

enum class MetricType : uint8_t { kOther, kGauge, kCounter };  // kCounter: a monotonic sum

/// `http.server.duration` in `ms`: `http_server_duration_milliseconds`. Empty when nothing but underscores is left of
/// the name.
std::string MetricName(std::string_view name, std::string_view unit, MetricType type, const NameRules& rules);

/// The unit that stands in metadata: `ms`: `milliseconds`, `By/s`: `bytes_per_second`; without braces.
std::string UnitName(std::string_view unit, bool utf8);

struct LabelRules {
  bool utf8 = false;              // names stay as they are
  bool key_prefix = true;         // `_x` becomes `key_x`; names that begin with two underscores are kept
  bool keep_underscores = false;  // do not turn several into one
};

/// `service.name`: `service_name`, `1st`: `key_1st`. Empty when the name is, or when only underscores are left.
std::string LabelName(std::string_view name, const LabelRules& rules);

}  // namespace naru::codec::prometheus
