// The detailed layout of metrics.
#include <cmath>
#include <iterator>
#include <numbers>

#include "otlp/text_writer.h"

namespace naru::otlp::text {
namespace {

constexpr std::string_view kTypes[] = {"Empty", "Gauge", "Sum", "Histogram", "ExponentialHistogram", "Summary"};
constexpr std::string_view kTemporalities[] = {"Unspecified", "Delta", "Cumulative"};

void Temporality(TextWriter& w, const Metric& m) {
  auto t = static_cast<size_t>(m.temporality);
  w.S("     -> AggregationTemporality: ").S(t < std::size(kTemporalities) ? kTemporalities[t] : "").End();
}

void Head(TextWriter& w, std::string_view title, uint64_t i, const Attributes& attributes, uint64_t start,
          uint64_t time) {
  w.S(title).S(" #").U(i).End();
  DetailedAttributes(w, "Data point attributes", "", attributes);
  w.S("StartTimestamp: ").Time(start).End();
  w.S("Timestamp: ").Time(time).End();
}

void Exemplars(TextWriter& w, const Repeated<Exemplar>& exemplars) {
  if (exemplars.empty()) return;
  w.S("Exemplars:").End();
  uint64_t i = 0;
  for (const Exemplar& e : exemplars) {
    if (w.full()) return;
    w.S("Exemplar #").U(i++).End();
    w.S("     -> Trace ID: ").Id(e.trace_id).End();
    w.S("     -> Span ID: ").Id(e.span_id).End();
    w.S("     -> Timestamp: ").Time(e.time).End();
    if (e.number == NumberKind::kInt) w.S("     -> Value: ").I(e.integer).End();
    if (e.number == NumberKind::kDouble) w.S("     -> Value: ").F(e.real).End();
    DetailedAttributes(w, "     -> FilteredAttributes", "     ", e.filtered_attributes);
  }
}

void Numbers(TextWriter& w, const Metric& m) {
  uint64_t i = 0;
  for (const NumberPoint& p : m.points<NumberPoint>()) {
    if (w.full()) return;
    Head(w, "NumberDataPoints", i++, p.attributes, p.start, p.time);
    if (p.number == NumberKind::kInt) w.S("Value: ").I(p.integer).End();
    if (p.number == NumberKind::kDouble) w.S("Value: ").F(p.real).End();
    Exemplars(w, p.exemplars);
  }
}

template <class T>
void SumMinMax(TextWriter& w, const T& p) {
  w.S("Count: ").U(p.count).End();
  if (p.has_sum) w.S("Sum: ").F(p.sum).End();
  if (p.has_min) w.S("Min: ").F(p.min).End();
  if (p.has_max) w.S("Max: ").F(p.max).End();
}

void Histograms(TextWriter& w, const Metric& m) {
  uint64_t i = 0;
  for (const HistogramPoint& p : m.points<HistogramPoint>()) {
    if (w.full()) return;
    Head(w, "HistogramDataPoints", i++, p.attributes, p.start, p.time);
    SumMinMax(w, p);
    uint64_t k = 0;
    for (double bound : p.bounds) {
      if (w.full()) return;
      w.S("ExplicitBounds #").U(k++).S(": ").F(bound).End();
    }
    k = 0;
    for (uint64_t count : p.bucket_counts) {
      if (w.full()) return;
      w.S("Buckets #").U(k++).S(", Count: ").U(count).End();
    }
    Exemplars(w, p.exemplars);
  }
}

void ExpHistograms(TextWriter& w, const Metric& m) {
  uint64_t i = 0;
  for (const ExpHistogramPoint& p : m.points<ExpHistogramPoint>()) {
    if (w.full()) return;
    Head(w, "ExponentialHistogramDataPoints", i++, p.attributes, p.start, p.time);
    SumMinMax(w, p);
    double factor = std::ldexp(std::numbers::ln2, -p.scale);
    // Varints cannot be walked backwards.
    std::vector<uint64_t> negative;
    for (uint64_t count : p.negative.counts) negative.push_back(count);
    for (size_t k = negative.size(); k-- > 0;) {
      if (w.full()) return;
      double at = static_cast<double>(p.negative.offset) + static_cast<double>(k);
      w.S("Bucket [").F(-GoExp((at + 1) * factor)).S(", ").F(-GoExp(at * factor)).S("), Count: ").U(negative[k]).End();
    }
    if (p.zero_count != 0) w.S("Bucket [0, 0], Count: ").U(p.zero_count).End();
    double at = p.positive.offset;
    for (uint64_t count : p.positive.counts) {
      if (w.full()) return;
      w.S("Bucket (").F(GoExp(at * factor)).S(", ").F(GoExp((at + 1) * factor)).S("], Count: ").U(count).End();
      ++at;
    }
    Exemplars(w, p.exemplars);
  }
}

void Summaries(TextWriter& w, const Metric& m) {
  uint64_t i = 0;
  for (const SummaryPoint& p : m.points<SummaryPoint>()) {
    if (w.full()) return;
    Head(w, "SummaryDataPoints", i++, p.attributes, p.start, p.time);
    w.S("Count: ").U(p.count).End();
    w.S("Sum: ").F(p.sum).End();
    uint64_t k = 0;
    for (const Quantile& q : p.quantiles) {
      if (w.full()) return;
      w.S("QuantileValue #").U(k++).S(": Quantile ").F(q.quantile).S(", Value ").F(q.value).End();
    }
  }
}

}  // namespace

void DetailedMetrics(TextWriter& w, const ResourceItems& r, uint64_t index) {
  DetailedResource(w, "ResourceMetrics", r, index);
  uint64_t j = 0;
  for (const ScopeItems& s : r.scopes) {
    if (w.full()) return;
    DetailedScope(w, "ScopeMetrics", s, j++);
    uint64_t k = 0;
    for (const Metric& m : s.records<Metric>()) {
      if (w.full()) return;
      w.S("Metric #").U(k++).End();
      w.S("Descriptor:").End();
      w.S("     -> Name: ").S(m.name).End();
      w.S("     -> Description: ").S(m.description).End();
      w.S("     -> Unit: ").S(m.unit).End();
      w.S("     -> DataType: ").S(kTypes[static_cast<int>(m.kind)]).End();
      DetailedAttributes(w, "     -> Metadata", "     ", m.metadata);
      switch (m.kind) {
        case Metric::Kind::kEmpty:
          break;
        case Metric::Kind::kGauge:
          Numbers(w, m);
          break;
        case Metric::Kind::kSum:
          w.S("     -> IsMonotonic: ").S(m.monotonic ? "true" : "false").End();
          Temporality(w, m);
          Numbers(w, m);
          break;
        case Metric::Kind::kHistogram:
          Temporality(w, m);
          Histograms(w, m);
          break;
        case Metric::Kind::kExpHistogram:
          Temporality(w, m);
          ExpHistograms(w, m);
          break;
        case Metric::Kind::kSummary:
          Summaries(w, m);
          break;
      }
    }
  }
}

}  // namespace naru::otlp::text
