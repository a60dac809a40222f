// From OTLP metrics to Prometheus remote write: which series each point becomes. The rules are those of the
// specification (Prometheus and OpenMetrics compatibility) as the prometheusremotewrite exporter of the reference
// collector has them, version 0.155; src/exporters/prometheus_remote_write/README.md tells where these differ.
//
// Pure: no sockets, no clock. One thread a Translator.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/prometheus/labels.h"
#include "codec/prometheus/series.h"
#include "otlp/views.h"

namespace naru::codec::prometheus {

struct RemoteWriteRules {
  bool v2 = false;
  NameRules names;
  /// Added to every series that has no such label of its own; names as LabelName has them.
  std::vector<std::pair<std::string, std::string>> external_labels;
  bool target_info = true;                  // a series `target_info` for each resource
  bool scope_info = true;                   // labels otel_scope_*
  bool resource_labels = false;             // resource attributes are labels too
  bool exclude_service_attributes = false;  // of these, not service.name, .namespace and .instance.id
  bool metadata = false;                    // version 1.0: what is known of each family; 2.0 always tells
  /// A request ends behind the point that passes this.
  size_t request_bytes = 3'000'000;
};

/// Why a point has no form in Prometheus.
enum class Unfit : uint8_t {
  kTemporality,  // sums and histograms must be cumulative
  kMetricName,   // nothing is left of it
  kLabelName,    // empty, or only underscores
  kScale,        // of an exponential histogram: below -4
  kBuckets,      // their indexes have more than 32 bits
};
inline constexpr size_t kUnfits = 5;
/// "delta_temporality", ...: the reason under which the ledger counts them.
std::string_view UnfitName(Unfit unfit);

/// Goes over the points of a request, and remembers what holds for their resource and metric. The bytes must outlive
/// it.
class Cursor {
 public:
  explicit Cursor(std::string_view request);
  bool at_end() const { return level_ == Level::kEnd; }

 private:
  friend class Translator;
  enum class Level : uint8_t { kResource, kScope, kMetric, kPoint, kEnd };
  Level level_ = Level::kResource;
  otlp::Repeated<otlp::ResourceItems>::Iterator resources_;
  otlp::Repeated<otlp::ScopeItems>::Iterator scopes_;
  otlp::Repeated<otlp::Metric>::Iterator metrics_;
  otlp::Repeated<std::string_view>::Iterator points_;
  std::string job_, instance_;
  bool useful_target_ = false;  // the resource has attributes beside those that identify it
  uint64_t newest_ = 0;         // time of its newest point
  Family family_;
  int unfit_ = -1;  // all points of the metric, for this reason
};

struct WriteRequest {
  uint64_t samples = 0, histograms = 0, exemplars = 0;
  Slice body;  // to be compressed with snappy's block format; empty when nothing was to be written
};

struct Round {
  WriteRequest request;
  uint64_t points = 0;  // that the cursor passed
  std::array<uint64_t, kUnfits> unfit{};
  std::array<std::string, kUnfits> example;  // metric of the first of each, cut to 100 bytes
};

class Translator {
 public:
  explicit Translator(RemoteWriteRules rules);

  /// A round: Take for one request after another while it is not full, then Finish. How many points it passed.
  size_t Take(Cursor& cursor);
  bool full() const { return series_.size() >= rules_.request_bytes; }
  /// Points of the round so far that have no form.
  uint64_t unfit() const {
    uint64_t n = 0;
    for (uint64_t u : round_.unfit) n += u;
    return n;
  }
  Round Finish();

 private:
  void TakeResource(Cursor& c);
  void TakeMetric(Cursor& c);
  void TakePoint(Cursor& c);
  void EndResource(Cursor& c);
  void Number(Cursor& c, const otlp::NumberPoint& p);
  void Histogram(Cursor& c, const otlp::HistogramPoint& p);
  void Native(Cursor& c, const otlp::ExpHistogramPoint& p);
  void Summary(Cursor& c, const otlp::SummaryPoint& p);
  bool MakeLabels(const Cursor& c, const otlp::Attributes& attributes);
  bool AddAttributes(const otlp::Attributes& attributes, const otlp::Attributes* over, bool service, NameCache& names);
  void AddTarget(const Cursor& c);
  void AddExternal();
  void OneSample(std::string_view name, const Label& extra, double value, uint64_t time, bool gone);
  void Exemplars(const otlp::Repeated<otlp::Exemplar>& exemplars);
  void WriteExemplar(const otlp::Exemplar& e);
  void Refuse(Cursor& c, Unfit unfit);
  std::string_view Text(const otlp::AnyValue& value);

  const RemoteWriteRules rules_;
  NameCache names_, target_names_;
  SeriesWriter series_;
  loki::TextArena arena_;
  LabelSet labels_;
  std::vector<Label> attributes_;  // of one point, before their names are translated
  std::vector<Label> exemplar_labels_;
  std::vector<std::pair<double, size_t>> bounds_;  // of a histogram, with the place of their bucket
  std::vector<otlp::Exemplar> exemplars_;
  BucketLayout positive_, negative_;
  std::string text_, name_;
  Round round_;
};

}  // namespace naru::codec::prometheus
