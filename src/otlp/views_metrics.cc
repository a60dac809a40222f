// The views of metrics; the other signals' are in views.cc.
#include "otlp/extent.h"
#include "otlp/views.h"

namespace naru::otlp {

using wire::kFixed64;
using wire::kLength;
using wire::kVarint;
using wire::Reader;
using wire::Tag;

namespace {

void SetDouble(Reader& r, bool* has, double* value) {
  *value = r.Double();
  *has = r.ok();
}

// The oneof { as_double, as_int } of points and exemplars.
template <class T>
void TakeInt(Reader& r, T* v) {
  v->integer = static_cast<int64_t>(r.Fixed64());
  v->number = NumberKind::kInt;
}
template <class T>
void TakeDouble(Reader& r, T* v) {
  v->real = r.Double();
  v->number = NumberKind::kDouble;
}

}  // namespace

Exemplar Exemplar::Parse(std::string_view bytes) {
  namespace f = field::exemplar;
  Exemplar v;
  Extent attributes;
  Reader r(bytes);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    switch (tag) {
      case Tag(f::kTime, kFixed64):
        v.time = r.Fixed64();
        break;
      case Tag(f::kDouble, kFixed64):
        TakeDouble(r, &v);
        break;
      case Tag(f::kInt, kFixed64):
        TakeInt(r, &v);
        break;
      case Tag(f::kSpanId, kLength):
        v.span_id = r.Bytes();
        break;
      case Tag(f::kTraceId, kLength):
        v.trace_id = r.Bytes();
        break;
      case Tag(f::kAttributes, kLength):
        attributes.Pass(r, tag, at);
        break;
      default:
        r.Skip(tag);
    }
  }
  v.filtered_attributes = attributes.Of<Attributes>(f::kAttributes);
  return v;
}

NumberPoint NumberPoint::Parse(std::string_view bytes) {
  namespace f = field::number_point;
  NumberPoint v;
  Extent attributes, exemplars;
  Reader r(bytes);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    switch (tag) {
      case Tag(field::point::kStart, kFixed64):
        v.start = r.Fixed64();
        break;
      case Tag(field::point::kTime, kFixed64):
        v.time = r.Fixed64();
        break;
      case Tag(f::kDouble, kFixed64):
        TakeDouble(r, &v);
        break;
      case Tag(f::kInt, kFixed64):
        TakeInt(r, &v);
        break;
      case Tag(f::kExemplars, kLength):
        exemplars.Pass(r, tag, at);
        break;
      case Tag(f::kAttributes, kLength):
        attributes.Pass(r, tag, at);
        break;
      case Tag(f::kFlags, kVarint):
        v.flags = static_cast<uint32_t>(r.Varint());
        break;
      default:
        r.Skip(tag);
    }
  }
  v.attributes = attributes.Of<Attributes>(f::kAttributes);
  v.exemplars = exemplars.Of<Repeated<Exemplar>>(f::kExemplars);
  return v;
}

HistogramPoint HistogramPoint::Parse(std::string_view bytes) {
  namespace f = field::histogram_point;
  HistogramPoint v;
  Extent attributes, exemplars, counts, bounds;
  Reader r(bytes);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    switch (tag) {
      case Tag(field::point::kStart, kFixed64):
        v.start = r.Fixed64();
        break;
      case Tag(field::point::kTime, kFixed64):
        v.time = r.Fixed64();
        break;
      case Tag(f::kCount, kFixed64):
        v.count = r.Fixed64();
        break;
      case Tag(f::kSum, kFixed64):
        SetDouble(r, &v.has_sum, &v.sum);
        break;
      case Tag(f::kBucketCounts, kLength):
      case Tag(f::kBucketCounts, kFixed64):
        counts.Pass(r, tag, at);
        break;
      case Tag(f::kBounds, kLength):
      case Tag(f::kBounds, kFixed64):
        bounds.Pass(r, tag, at);
        break;
      case Tag(f::kExemplars, kLength):
        exemplars.Pass(r, tag, at);
        break;
      case Tag(f::kAttributes, kLength):
        attributes.Pass(r, tag, at);
        break;
      case Tag(f::kFlags, kVarint):
        v.flags = static_cast<uint32_t>(r.Varint());
        break;
      case Tag(f::kMin, kFixed64):
        SetDouble(r, &v.has_min, &v.min);
        break;
      case Tag(f::kMax, kFixed64):
        SetDouble(r, &v.has_max, &v.max);
        break;
      default:
        r.Skip(tag);
    }
  }
  v.attributes = attributes.Of<Attributes>(f::kAttributes);
  v.exemplars = exemplars.Of<Repeated<Exemplar>>(f::kExemplars);
  v.bucket_counts = counts.Of<Fixed64s>(f::kBucketCounts);
  v.bounds = bounds.Of<Doubles>(f::kBounds);
  return v;
}

ExpBuckets ExpBuckets::Parse(std::string_view bytes) {
  namespace f = field::buckets;
  ExpBuckets v;
  Extent counts;
  Reader r(bytes);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    switch (tag) {
      case Tag(f::kOffset, kVarint):
        v.offset = static_cast<int32_t>(wire::UnZigZag(static_cast<uint32_t>(r.Varint())));
        break;
      case Tag(f::kCounts, kLength):
      case Tag(f::kCounts, kVarint):
        counts.Pass(r, tag, at);
        break;
      default:
        r.Skip(tag);
    }
  }
  v.counts = counts.Of<Varints>(f::kCounts);
  return v;
}

ExpHistogramPoint ExpHistogramPoint::Parse(std::string_view bytes) {
  namespace f = field::exp_histogram_point;
  ExpHistogramPoint v;
  Extent attributes, exemplars;
  Reader r(bytes);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    switch (tag) {
      case Tag(f::kAttributes, kLength):
        attributes.Pass(r, tag, at);
        break;
      case Tag(field::point::kStart, kFixed64):
        v.start = r.Fixed64();
        break;
      case Tag(field::point::kTime, kFixed64):
        v.time = r.Fixed64();
        break;
      case Tag(f::kCount, kFixed64):
        v.count = r.Fixed64();
        break;
      case Tag(f::kSum, kFixed64):
        SetDouble(r, &v.has_sum, &v.sum);
        break;
      case Tag(f::kScale, kVarint):
        v.scale = static_cast<int32_t>(wire::UnZigZag(static_cast<uint32_t>(r.Varint())));
        break;
      case Tag(f::kZeroCount, kFixed64):
        v.zero_count = r.Fixed64();
        break;
      case Tag(f::kPositive, kLength):
        v.positive = ExpBuckets::Parse(r.Bytes());
        v.has_positive = true;
        break;
      case Tag(f::kNegative, kLength):
        v.negative = ExpBuckets::Parse(r.Bytes());
        v.has_negative = true;
        break;
      case Tag(f::kFlags, kVarint):
        v.flags = static_cast<uint32_t>(r.Varint());
        break;
      case Tag(f::kExemplars, kLength):
        exemplars.Pass(r, tag, at);
        break;
      case Tag(f::kMin, kFixed64):
        SetDouble(r, &v.has_min, &v.min);
        break;
      case Tag(f::kMax, kFixed64):
        SetDouble(r, &v.has_max, &v.max);
        break;
      case Tag(f::kZeroThreshold, kFixed64):
        v.zero_threshold = r.Double();
        break;
      default:
        r.Skip(tag);
    }
  }
  v.attributes = attributes.Of<Attributes>(f::kAttributes);
  v.exemplars = exemplars.Of<Repeated<Exemplar>>(f::kExemplars);
  return v;
}

Quantile Quantile::Parse(std::string_view bytes) {
  Quantile v;
  Reader r(bytes);
  while (uint32_t tag = r.Next()) {
    switch (tag) {
      case Tag(field::quantile::kQuantile, kFixed64):
        v.quantile = r.Double();
        break;
      case Tag(field::quantile::kValue, kFixed64):
        v.value = r.Double();
        break;
      default:
        r.Skip(tag);
    }
  }
  return v;
}

SummaryPoint SummaryPoint::Parse(std::string_view bytes) {
  namespace f = field::summary_point;
  SummaryPoint v;
  Extent attributes, quantiles;
  Reader r(bytes);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    switch (tag) {
      case Tag(field::point::kStart, kFixed64):
        v.start = r.Fixed64();
        break;
      case Tag(field::point::kTime, kFixed64):
        v.time = r.Fixed64();
        break;
      case Tag(f::kCount, kFixed64):
        v.count = r.Fixed64();
        break;
      case Tag(f::kSum, kFixed64):
        v.sum = r.Double();
        break;
      case Tag(f::kQuantiles, kLength):
        quantiles.Pass(r, tag, at);
        break;
      case Tag(f::kAttributes, kLength):
        attributes.Pass(r, tag, at);
        break;
      case Tag(f::kFlags, kVarint):
        v.flags = static_cast<uint32_t>(r.Varint());
        break;
      default:
        r.Skip(tag);
    }
  }
  v.attributes = attributes.Of<Attributes>(f::kAttributes);
  v.quantiles = quantiles.Of<Repeated<Quantile>>(f::kQuantiles);
  return v;
}

Metric Metric::Parse(std::string_view bytes) {
  namespace f = field::metric;
  Metric v;
  Extent metadata;
  auto take = [&v](Reader& r, Kind kind) {
    std::string_view data = r.Bytes();
    if (!r.ok()) return;
    v.kind = kind;
    v.data = data;
  };
  Reader r(bytes);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    switch (tag) {
      case Tag(f::kName, kLength):
        v.name = r.Bytes();
        break;
      case Tag(f::kDescription, kLength):
        v.description = r.Bytes();
        break;
      case Tag(f::kUnit, kLength):
        v.unit = r.Bytes();
        break;
      case Tag(f::kGauge, kLength):
        take(r, Kind::kGauge);
        break;
      case Tag(f::kSum, kLength):
        take(r, Kind::kSum);
        break;
      case Tag(f::kHistogram, kLength):
        take(r, Kind::kHistogram);
        break;
      case Tag(f::kExpHistogram, kLength):
        take(r, Kind::kExpHistogram);
        break;
      case Tag(f::kSummary, kLength):
        take(r, Kind::kSummary);
        break;
      case Tag(f::kMetadata, kLength):
        metadata.Pass(r, tag, at);
        break;
      default:
        r.Skip(tag);
    }
  }
  v.metadata = metadata.Of<Attributes>(f::kMetadata);
  Reader d(v.data);
  while (uint32_t tag = d.Next()) {
    if (tag == Tag(field::metric_data::kTemporality, kVarint) && v.kind != Kind::kGauge && v.kind != Kind::kSummary) {
      v.temporality = static_cast<int32_t>(d.Varint());
    } else if (tag == Tag(field::metric_data::kMonotonic, kVarint) && v.kind == Kind::kSum) {
      v.monotonic = d.Bool();
    } else {
      d.Skip(tag);
    }
  }
  return v;
}

}  // namespace naru::otlp
