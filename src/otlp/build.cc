#include "otlp/build.h"

namespace naru::otlp {

using wire::Writer;

namespace {

constexpr size_t kMessage = 200;  // guess for the size of records: two digits of length

void Bytes(Writer& w, uint32_t field, std::string_view v) {
  if (!v.empty()) w.BytesField(field, v);
}
void Number(Writer& w, uint32_t field, uint64_t v) {
  if (v != 0) w.VarintField(field, v);
}
// Enums and int32 are sign-extended to ten bytes when negative.
void Signed(Writer& w, uint32_t field, int32_t v) {
  if (v != 0) w.VarintField(field, static_cast<uint64_t>(int64_t{v}));
}
void ZigZag32(Writer& w, uint32_t field, int32_t v) {
  if (v != 0) w.VarintField(field, static_cast<uint32_t>(wire::ZigZag(v)));
}
void Fixed32(Writer& w, uint32_t field, uint32_t v) {
  if (v != 0) w.Fixed32Field(field, v);
}
void Fixed64(Writer& w, uint32_t field, uint64_t v) {
  if (v != 0) w.Fixed64Field(field, v);
}
void Optional(Writer& w, uint32_t field, bool has, double v) {
  if (has) w.DoubleField(field, v);
}
void Double(Writer& w, uint32_t field, double v) {
  if (std::bit_cast<uint64_t>(v) != 0) w.DoubleField(field, v);
}

// The content of an AnyValue.
void Content(Writer& w, const Value& v) {
  namespace f = field::any_value;
  switch (v.kind) {
    case Value::Kind::kEmpty:
      break;
    case Value::Kind::kString:
      w.BytesField(f::kString, v.bytes);
      break;
    case Value::Kind::kBool:
      w.VarintField(f::kBool, v.boolean);
      break;
    case Value::Kind::kInt:
      w.VarintField(f::kInt, static_cast<uint64_t>(v.integer));
      break;
    case Value::Kind::kDouble:
      w.DoubleField(f::kDouble, v.real);
      break;
    case Value::Kind::kBytes:
      w.BytesField(f::kBytes, v.bytes);
      break;
    case Value::Kind::kEncoded:
      w.Raw(v.bytes);
      break;
  }
}

// The point oneof of numbers: as_double or as_int.
void PointNumber(Writer& w, uint32_t double_field, uint32_t int_field, const Value& v, bool ints) {
  if (v.kind == Value::Kind::kDouble && !ints) w.DoubleField(double_field, v.real);
  if (v.kind == Value::Kind::kInt && ints) w.Fixed64Field(int_field, static_cast<uint64_t>(v.integer));
}

void Exemplars(Writer& w, uint32_t field, List<ExemplarData> exemplars) {
  namespace f = field::exemplar;
  for (const ExemplarData& e : exemplars) {
    Writer::Mark m = w.Begin(field);
    Fixed64(w, f::kTime, e.time);
    PointNumber(w, f::kDouble, f::kInt, e.number, false);
    Bytes(w, f::kSpanId, e.span_id);
    Bytes(w, f::kTraceId, e.trace_id);
    PointNumber(w, f::kDouble, f::kInt, e.number, true);
    WriteAttributes(w, f::kAttributes, e.filtered_attributes);
    w.End(m);
  }
}

void Buckets(Writer& w, uint32_t field, const ExpBucketsData& b) {
  if (b.counts.empty() && b.offset == 0) return;
  Writer::Mark m = w.Begin(field);
  ZigZag32(w, field::buckets::kOffset, b.offset);
  if (!b.counts.empty()) {
    Writer::Mark packed = w.Begin(field::buckets::kCounts, b.counts.size());
    for (uint64_t c : b.counts) w.Varint(c);
    w.End(packed);
  }
  w.End(m);
}

uint32_t DataField(Metric::Kind kind) {
  switch (kind) {
    case Metric::Kind::kSum:
      return field::metric::kSum;
    case Metric::Kind::kHistogram:
      return field::metric::kHistogram;
    case Metric::Kind::kExpHistogram:
      return field::metric::kExpHistogram;
    case Metric::Kind::kSummary:
      return field::metric::kSummary;
    case Metric::Kind::kGauge:
    case Metric::Kind::kEmpty:
      break;
  }
  return field::metric::kGauge;
}

}  // namespace

void WriteValue(Writer& w, uint32_t field, const Value& value) {
  Writer::Mark m = w.Begin(field, value.bytes.size() + 3);
  Content(w, value);
  w.End(m);
}

void WriteAttribute(Writer& w, uint32_t field, std::string_view key, const Value& value) {
  Writer::Mark m = w.Begin(field, key.size() + value.bytes.size() + 8);
  w.BytesField(field::key_value::kKey, key);
  WriteValue(w, field::key_value::kValue, value);
  w.End(m);
}

void WriteAttributes(Writer& w, uint32_t field, List<Attr> attributes) {
  for (const Attr& a : attributes) WriteAttribute(w, field, a.key, a.value);
}

std::string EncodeValue(const Value& value) {
  Writer w(value.bytes.size() + 16);
  Content(w, value);
  return std::string(w.view());
}

std::string EncodeArray(List<Value> elements) {
  Writer w(256);
  Writer::Mark m = w.Begin(field::any_value::kArray);
  for (const Value& v : elements) WriteValue(w, field::array_value::kValues, v);
  w.End(m);
  return std::string(w.view());
}

std::string EncodeKvlist(List<Attr> entries) {
  Writer w(256);
  Writer::Mark m = w.Begin(field::any_value::kKvlist);
  WriteAttributes(w, field::kvlist::kValues, entries);
  w.End(m);
  return std::string(w.view());
}

void RequestBuilder::CloseMetric() {
  if (!in_metric_) return;
  in_metric_ = false;
  Metric::Kind kind = metric_header_.kind;
  if (kind != Metric::Kind::kEmpty) {
    if (kind != Metric::Kind::kGauge && kind != Metric::Kind::kSummary) {
      Signed(w_, field::metric_data::kTemporality, metric_header_.temporality);
    }
    if (kind == Metric::Kind::kSum) Number(w_, field::metric_data::kMonotonic, metric_header_.monotonic);
    w_.End(data_);
  }
  w_.Raw(metric_metadata_);
  w_.End(metric_);
}

void RequestBuilder::CloseScope() {
  CloseMetric();
  if (!in_scope_) return;
  in_scope_ = false;
  Bytes(w_, field::scope_items::kSchemaUrl, scope_schema_url_);
  w_.End(scope_);
}

void RequestBuilder::CloseResource() {
  CloseScope();
  if (!in_resource_) return;
  in_resource_ = false;
  Bytes(w_, field::resource_items::kSchemaUrl, resource_schema_url_);
  w_.End(resource_);
}

void RequestBuilder::Resource(List<Attr> attributes, std::string_view schema_url) {
  CloseResource();
  in_resource_ = true;
  resource_ = w_.Begin(field::request::kResources, 20000);
  resource_schema_url_ = schema_url;
  Writer::Mark m = w_.Begin(field::resource_items::kResource, kMessage);
  WriteAttributes(w_, field::resource::kAttributes, attributes);
  w_.End(m);
}

void RequestBuilder::Scope(std::string_view name, std::string_view version, List<Attr> attributes,
                           std::string_view schema_url) {
  CloseScope();
  if (!in_resource_) Resource({});
  in_scope_ = true;
  scope_ = w_.Begin(field::resource_items::kScopes, 20000);
  scope_schema_url_ = schema_url;
  Writer::Mark m = w_.Begin(field::scope_items::kScope);
  Bytes(w_, field::scope::kName, name);
  Bytes(w_, field::scope::kVersion, version);
  WriteAttributes(w_, field::scope::kAttributes, attributes);
  w_.End(m);
}

void RequestBuilder::NeedScope() {
  if (!in_scope_) Scope({});
}

void RequestBuilder::Add(const SpanData& s) {
  namespace f = field::span;
  NeedScope();
  Writer::Mark m = w_.Begin(field::scope_items::kRecords, kMessage);
  Bytes(w_, f::kTraceId, s.trace_id);
  Bytes(w_, f::kSpanId, s.span_id);
  Bytes(w_, f::kTraceState, s.trace_state);
  Bytes(w_, f::kParentSpanId, s.parent_span_id);
  Bytes(w_, f::kName, s.name);
  Signed(w_, f::kKind, s.kind);
  Fixed64(w_, f::kStart, s.start);
  Fixed64(w_, f::kEnd, s.end);
  WriteAttributes(w_, f::kAttributes, s.attributes);
  Number(w_, f::kDroppedAttributes, s.dropped_attributes);
  for (const EventData& e : s.events) {
    Writer::Mark me = w_.Begin(f::kEvents);
    Fixed64(w_, field::event::kTime, e.time);
    Bytes(w_, field::event::kName, e.name);
    WriteAttributes(w_, field::event::kAttributes, e.attributes);
    Number(w_, field::event::kDroppedAttributes, e.dropped_attributes);
    w_.End(me);
  }
  Number(w_, f::kDroppedEvents, s.dropped_events);
  for (const LinkData& l : s.links) {
    Writer::Mark ml = w_.Begin(f::kLinks);
    Bytes(w_, field::link::kTraceId, l.trace_id);
    Bytes(w_, field::link::kSpanId, l.span_id);
    Bytes(w_, field::link::kTraceState, l.trace_state);
    WriteAttributes(w_, field::link::kAttributes, l.attributes);
    Number(w_, field::link::kDroppedAttributes, l.dropped_attributes);
    Fixed32(w_, field::link::kFlags, l.flags);
    w_.End(ml);
  }
  Number(w_, f::kDroppedLinks, s.dropped_links);
  if (s.status_code != 0 || !s.status_message.empty()) {
    Writer::Mark ms = w_.Begin(f::kStatus);
    Bytes(w_, field::status::kMessage, s.status_message);
    Signed(w_, field::status::kCode, s.status_code);
    w_.End(ms);
  }
  Fixed32(w_, f::kFlags, s.flags);
  w_.End(m);
  ++items_;
}

void RequestBuilder::Add(const LogData& l) {
  namespace f = field::log_record;
  NeedScope();
  Writer::Mark m = w_.Begin(field::scope_items::kRecords, kMessage);
  Fixed64(w_, f::kTime, l.time);
  Signed(w_, f::kSeverityNumber, l.severity_number);
  Bytes(w_, f::kSeverityText, l.severity_text);
  if (l.body.kind != Value::Kind::kEmpty) WriteValue(w_, f::kBody, l.body);
  WriteAttributes(w_, f::kAttributes, l.attributes);
  Number(w_, f::kDroppedAttributes, l.dropped_attributes);
  Fixed32(w_, f::kFlags, l.flags);
  Bytes(w_, f::kTraceId, l.trace_id);
  Bytes(w_, f::kSpanId, l.span_id);
  Fixed64(w_, f::kObservedTime, l.observed_time);
  Bytes(w_, f::kEventName, l.event_name);
  w_.End(m);
  ++items_;
}

void RequestBuilder::AddEncoded(std::string_view record) {
  NeedScope();
  CloseMetric();
  w_.BytesField(field::scope_items::kRecords, record);
  ++items_;
}

void RequestBuilder::Metric(const MetricData& m) {
  namespace f = field::metric;
  CloseMetric();
  NeedScope();
  in_metric_ = true;
  metric_header_.kind = m.kind;
  metric_header_.temporality = m.temporality;
  metric_header_.monotonic = m.monotonic;
  metric_metadata_.clear();
  if (!m.metadata.empty()) {
    Writer w(256);
    WriteAttributes(w, f::kMetadata, m.metadata);
    metric_metadata_ = w.view();
  }
  metric_ = w_.Begin(field::scope_items::kRecords, kMessage);
  Bytes(w_, f::kName, m.name);
  Bytes(w_, f::kDescription, m.description);
  Bytes(w_, f::kUnit, m.unit);
  if (m.kind != Metric::Kind::kEmpty) data_ = w_.Begin(DataField(m.kind), kMessage);
}

Writer::Mark RequestBuilder::BeginPoint() {
  if (!in_metric_) Metric(MetricData{});
  ++items_;
  return w_.Begin(field::metric_data::kPoints, 100);
}

void RequestBuilder::Add(const NumberPointData& p) {
  namespace f = field::number_point;
  Writer::Mark m = BeginPoint();
  Fixed64(w_, field::point::kStart, p.start);
  Fixed64(w_, field::point::kTime, p.time);
  PointNumber(w_, f::kDouble, f::kInt, p.number, false);
  Exemplars(w_, f::kExemplars, p.exemplars);
  PointNumber(w_, f::kDouble, f::kInt, p.number, true);
  WriteAttributes(w_, f::kAttributes, p.attributes);
  Number(w_, f::kFlags, p.flags);
  w_.End(m);
}

void RequestBuilder::Add(const HistogramPointData& p) {
  namespace f = field::histogram_point;
  Writer::Mark m = BeginPoint();
  Fixed64(w_, field::point::kStart, p.start);
  Fixed64(w_, field::point::kTime, p.time);
  Fixed64(w_, f::kCount, p.count);
  Optional(w_, f::kSum, p.has_sum, p.sum);
  if (!p.bucket_counts.empty()) {
    Writer::Mark packed = w_.Begin(f::kBucketCounts, p.bucket_counts.size() * 8);
    for (uint64_t c : p.bucket_counts) w_.Fixed64(c);
    w_.End(packed);
  }
  if (!p.bounds.empty()) {
    Writer::Mark packed = w_.Begin(f::kBounds, p.bounds.size() * 8);
    for (double b : p.bounds) w_.Fixed64(std::bit_cast<uint64_t>(b));
    w_.End(packed);
  }
  Exemplars(w_, f::kExemplars, p.exemplars);
  WriteAttributes(w_, f::kAttributes, p.attributes);
  Number(w_, f::kFlags, p.flags);
  Optional(w_, f::kMin, p.has_min, p.min);
  Optional(w_, f::kMax, p.has_max, p.max);
  w_.End(m);
}

void RequestBuilder::Add(const ExpHistogramPointData& p) {
  namespace f = field::exp_histogram_point;
  Writer::Mark m = BeginPoint();
  WriteAttributes(w_, f::kAttributes, p.attributes);
  Fixed64(w_, field::point::kStart, p.start);
  Fixed64(w_, field::point::kTime, p.time);
  Fixed64(w_, f::kCount, p.count);
  Optional(w_, f::kSum, p.has_sum, p.sum);
  ZigZag32(w_, f::kScale, p.scale);
  Fixed64(w_, f::kZeroCount, p.zero_count);
  Buckets(w_, f::kPositive, p.positive);
  Buckets(w_, f::kNegative, p.negative);
  Number(w_, f::kFlags, p.flags);
  Exemplars(w_, f::kExemplars, p.exemplars);
  Optional(w_, f::kMin, p.has_min, p.min);
  Optional(w_, f::kMax, p.has_max, p.max);
  Double(w_, f::kZeroThreshold, p.zero_threshold);
  w_.End(m);
}

void RequestBuilder::Add(const SummaryPointData& p) {
  namespace f = field::summary_point;
  Writer::Mark m = BeginPoint();
  Fixed64(w_, field::point::kStart, p.start);
  Fixed64(w_, field::point::kTime, p.time);
  Fixed64(w_, f::kCount, p.count);
  Double(w_, f::kSum, p.sum);
  for (const QuantileData& q : p.quantiles) {
    Writer::Mark mq = w_.Begin(f::kQuantiles);
    Double(w_, field::quantile::kQuantile, q.quantile);
    Double(w_, field::quantile::kValue, q.value);
    w_.End(mq);
  }
  WriteAttributes(w_, f::kAttributes, p.attributes);
  Number(w_, f::kFlags, p.flags);
  w_.End(m);
}

Slice RequestBuilder::Finish() {
  CloseResource();
  items_ = 0;
  return w_.Finish();
}

}  // namespace naru::otlp
