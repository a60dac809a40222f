// The normal layout: one line a record.
#include <cmath>
#include <numbers>

#include "otlp/text_writer.h"

namespace naru::otlp::text {

void JoinAttributes(TextWriter& w, const Attributes& attributes, std::string_view first, std::string_view separator) {
  std::string_view before = first;
  for (std::string_view encoded : attributes.encoded()) {
    if (w.full()) return;
    Attribute a = w.Resolve(encoded);
    w.S(before).S(a.key).S("=").Value(a.value);
    before = separator;
  }
}

void NormalResource(TextWriter& w, std::string_view title, const ResourceItems& r, uint64_t index) {
  w.S(title).S(" #").U(index);
  if (!r.schema_url.empty()) w.S(" [").S(r.schema_url).S("]");
  JoinAttributes(w, r.resource.attributes, " ", " ");
  w.End();
}

// The reference prints the number of the resource here, not of the scope.
void NormalScope(TextWriter& w, std::string_view title, const ScopeItems& s, uint64_t index) {
  w.S(title).S(" #").U(index);
  if (!s.scope.name.empty()) w.S(" ").S(s.scope.name);
  if (!s.scope.version.empty()) w.S(s.scope.name.empty() ? " @" : "@").S(s.scope.version);
  if (!s.schema_url.empty()) w.S(" [").S(s.schema_url).S("]");
  JoinAttributes(w, s.scope.attributes, " ", " ");
  w.End();
}

void NormalSpans(TextWriter& w, const ResourceItems& r, uint64_t index) {
  NormalResource(w, "ResourceTraces", r, index);
  for (const ScopeItems& s : r.scopes) {
    if (w.full()) return;
    NormalScope(w, "ScopeTraces", s, index);
    for (const Span& span : s.records<Span>()) {
      if (w.full()) return;
      w.S(span.name).S(" ").Id(span.trace_id).S(" ").Id(span.span_id);
      JoinAttributes(w, span.attributes, " ", " ");
      w.End();
    }
  }
}

void NormalLogs(TextWriter& w, const ResourceItems& r, uint64_t index) {
  NormalResource(w, "ResourceLog", r, index);
  for (const ScopeItems& s : r.scopes) {
    if (w.full()) return;
    NormalScope(w, "ScopeLog", s, index);
    for (const LogRecord& record : s.records<LogRecord>()) {
      if (w.full()) return;
      w.Value(record.body).S(" ");
      JoinAttributes(w, record.attributes, "", " ");
      w.End();
    }
  }
}

namespace {

void Point(TextWriter& w, const Metric& m, const Attributes& attributes) {
  w.S(m.name).S("{");
  JoinAttributes(w, attributes, "", ",");
  w.S("} ");
}

template <class T>
void SumMinMax(TextWriter& w, const T& p) {
  w.S("count=").U(p.count);
  if (p.has_sum) w.S(" sum=").G(p.sum);
  if (p.has_min) w.S(" min=").G(p.min);
  if (p.has_max) w.S(" max=").G(p.max);
}

void Numbers(TextWriter& w, const Metric& m) {
  for (const NumberPoint& p : m.points<NumberPoint>()) {
    if (w.full()) return;
    Point(w, m, p.attributes);
    if (p.number == NumberKind::kInt) w.I(p.integer);
    if (p.number == NumberKind::kDouble) w.G(p.real);
    w.End();
  }
}

void Histograms(TextWriter& w, const Metric& m) {
  for (const HistogramPoint& p : m.points<HistogramPoint>()) {
    if (w.full()) return;
    Point(w, m, p.attributes);
    SumMinMax(w, p);
    auto bound = p.bounds.begin();
    for (uint64_t count : p.bucket_counts) {
      if (w.full()) return;
      w.S(" ");
      if (!(bound == p.bounds.end())) {
        w.S("le").G(*bound).S("=");
        ++bound;
      }
      w.U(count);
    }
    w.End();
  }
}

void ExpHistograms(TextWriter& w, const Metric& m) {
  for (const ExpHistogramPoint& p : m.points<ExpHistogramPoint>()) {
    if (w.full()) return;
    Point(w, m, p.attributes);
    SumMinMax(w, p);
    double factor = std::ldexp(std::numbers::ln2, -p.scale);
    // Varints cannot be walked backwards.
    std::vector<uint64_t> negative;
    for (uint64_t count : p.negative.counts) negative.push_back(count);
    for (size_t i = negative.size(); i-- > 0;) {
      if (w.full()) return;
      double at = static_cast<double>(p.negative.offset) + static_cast<double>(i);
      w.S(" le").G(-GoExp(at * factor)).S("=").U(negative[i]);
    }
    if (p.zero_count != 0) w.S(" zero=").U(p.zero_count);
    double at = p.positive.offset;
    for (uint64_t count : p.positive.counts) {
      if (w.full()) return;
      w.S(" le").G(GoExp((at + 1) * factor)).S("=").U(count);
      ++at;
    }
    w.End();
  }
}

void Summaries(TextWriter& w, const Metric& m) {
  for (const SummaryPoint& p : m.points<SummaryPoint>()) {
    if (w.full()) return;
    Point(w, m, p.attributes);
    w.S("count=").U(p.count).S(" sum=").F(p.sum);
    for (const Quantile& q : p.quantiles) {
      if (w.full()) return;
      w.S(" q").G(q.quantile).S("=").G(q.value);
    }
    w.End();
  }
}

}  // namespace

void NormalMetrics(TextWriter& w, const ResourceItems& r, uint64_t index) {
  NormalResource(w, "ResourceMetrics", r, index);
  for (const ScopeItems& s : r.scopes) {
    if (w.full()) return;
    NormalScope(w, "ScopeMetrics", s, index);
    for (const Metric& m : s.records<Metric>()) {
      if (w.full()) return;
      switch (m.kind) {
        case Metric::Kind::kEmpty:
          break;
        case Metric::Kind::kGauge:
        case Metric::Kind::kSum:
          Numbers(w, m);
          break;
        case Metric::Kind::kHistogram:
          Histograms(w, m);
          break;
        case Metric::Kind::kExpHistogram:
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
