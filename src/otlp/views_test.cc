// Every message is read by libprotobuf and by the views, which write what they saw into a message again: both must be
// equal.
#include "otlp/views.h"

#include <gtest/gtest.h>

#include "otlp/testdata/oracle.h"

namespace naru::otlp {
namespace {

std::string S(std::string_view s) {
  return std::string(s);
}

void To(const AnyValue& v, oracle::AnyValue* o);

template <class List>
void ToList(const Attributes& attributes, List* list) {
  for (const KeyValue& kv : attributes) {
    oracle::KeyValue* o = list->Add();
    o->set_key(S(kv.key));
    // An absent value and an empty one are the same to OTLP, not to the bytes.
    if (kv.encoded_value.data()) To(kv.value, o->mutable_value());
  }
}

void To(const AnyValue& v, oracle::AnyValue* o) {
  switch (v.kind) {
    case AnyValue::Kind::kEmpty:
      break;
    case AnyValue::Kind::kString:
      o->set_string_value(S(v.bytes));
      break;
    case AnyValue::Kind::kBool:
      o->set_bool_value(v.boolean);
      break;
    case AnyValue::Kind::kInt:
      o->set_int_value(v.integer);
      break;
    case AnyValue::Kind::kDouble:
      o->set_double_value(v.real);
      break;
    case AnyValue::Kind::kArray:
      o->mutable_array_value();
      for (const AnyValue& e : v.array()) To(e, o->mutable_array_value()->add_values());
      break;
    case AnyValue::Kind::kKvlist:
      ToList(v.kvlist(), o->mutable_kvlist_value()->mutable_values());
      break;
    case AnyValue::Kind::kBytes:
      o->set_bytes_value(S(v.bytes));
      break;
  }
}

void To(const Span& s, oracle::Span* o) {
  o->set_trace_id(S(s.trace_id));
  o->set_span_id(S(s.span_id));
  o->set_trace_state(S(s.trace_state));
  o->set_parent_span_id(S(s.parent_span_id));
  o->set_name(S(s.name));
  o->set_kind(s.kind);
  o->set_start(s.start);
  o->set_end(s.end);
  ToList(s.attributes, o->mutable_attributes());
  o->set_dropped_attributes_count(s.dropped_attributes);
  for (const SpanEvent& e : s.events) {
    oracle::Event* oe = o->add_events();
    oe->set_time(e.time);
    oe->set_name(S(e.name));
    ToList(e.attributes, oe->mutable_attributes());
    oe->set_dropped_attributes_count(e.dropped_attributes);
  }
  o->set_dropped_events_count(s.dropped_events);
  for (const SpanLink& l : s.links) {
    oracle::Link* ol = o->add_links();
    ol->set_trace_id(S(l.trace_id));
    ol->set_span_id(S(l.span_id));
    ol->set_trace_state(S(l.trace_state));
    ToList(l.attributes, ol->mutable_attributes());
    ol->set_dropped_attributes_count(l.dropped_attributes);
    ol->set_flags(l.flags);
  }
  o->set_dropped_links_count(s.dropped_links);
  if (o->has_status() || s.status.code != 0 || !s.status.message.empty()) {
    o->mutable_status()->set_message(S(s.status.message));
    o->mutable_status()->set_code(s.status.code);
  }
  o->set_flags(s.flags);
}

void To(const LogRecord& l, oracle::LogRecord* o) {
  o->set_time(l.time);
  o->set_observed_time(l.observed_time);
  o->set_severity_number(l.severity_number);
  o->set_severity_text(S(l.severity_text));
  if (l.body.kind != AnyValue::Kind::kEmpty) To(l.body, o->mutable_body());
  ToList(l.attributes, o->mutable_attributes());
  o->set_dropped_attributes_count(l.dropped_attributes);
  o->set_flags(l.flags);
  o->set_trace_id(S(l.trace_id));
  o->set_span_id(S(l.span_id));
  o->set_event_name(S(l.event_name));
}

template <class O>
void ToExemplars(const Repeated<Exemplar>& exemplars, O* o) {
  for (const Exemplar& e : exemplars) {
    oracle::Exemplar* oe = o->add_exemplars();
    oe->set_time(e.time);
    if (e.number == NumberKind::kInt) oe->set_as_int(e.integer);
    if (e.number == NumberKind::kDouble) oe->set_as_double(e.real);
    oe->set_span_id(S(e.span_id));
    oe->set_trace_id(S(e.trace_id));
    ToList(e.filtered_attributes, oe->mutable_filtered_attributes());
  }
}

template <class P, class O>
void Common(const P& p, O* o) {
  o->set_start(p.start);
  o->set_time(p.time);
  o->set_flags(p.flags);
  ToList(p.attributes, o->mutable_attributes());
}

void To(const NumberPoint& p, oracle::NumberPoint* o) {
  Common(p, o);
  if (p.number == NumberKind::kInt) o->set_as_int(p.integer);
  if (p.number == NumberKind::kDouble) o->set_as_double(p.real);
  ToExemplars(p.exemplars, o);
}

void To(const HistogramPoint& p, oracle::HistogramPoint* o) {
  Common(p, o);
  o->set_count(p.count);
  if (p.has_sum) o->set_sum(p.sum);
  if (p.has_min) o->set_min(p.min);
  if (p.has_max) o->set_max(p.max);
  for (uint64_t n : p.bucket_counts) o->add_bucket_counts(n);
  for (double d : p.bounds) o->add_explicit_bounds(d);
  ToExemplars(p.exemplars, o);
}

void To(const ExpHistogramPoint& p, oracle::ExpHistogramPoint* o) {
  Common(p, o);
  o->set_count(p.count);
  o->set_zero_count(p.zero_count);
  o->set_scale(p.scale);
  o->set_zero_threshold(p.zero_threshold);
  if (p.has_sum) o->set_sum(p.sum);
  if (p.has_min) o->set_min(p.min);
  if (p.has_max) o->set_max(p.max);
  auto buckets = [](const ExpBuckets& b, oracle::Buckets* ob) {
    ob->set_offset(b.offset);
    for (uint64_t n : b.counts) ob->add_bucket_counts(n);
  };
  if (p.has_positive) buckets(p.positive, o->mutable_positive());
  if (p.has_negative) buckets(p.negative, o->mutable_negative());
  ToExemplars(p.exemplars, o);
}

void To(const SummaryPoint& p, oracle::SummaryPoint* o) {
  Common(p, o);
  o->set_count(p.count);
  o->set_sum(p.sum);
  for (const Quantile& q : p.quantiles) {
    oracle::Quantile* oq = o->add_quantiles();
    oq->set_quantile(q.quantile);
    oq->set_value(q.value);
  }
}

void To(const Metric& m, oracle::Metric* o) {
  o->set_name(S(m.name));
  o->set_description(S(m.description));
  o->set_unit(S(m.unit));
  ToList(m.metadata, o->mutable_metadata());
  switch (m.kind) {
    case Metric::Kind::kEmpty:
      break;
    case Metric::Kind::kGauge:
      o->mutable_gauge();
      for (const NumberPoint& p : m.points<NumberPoint>()) To(p, o->mutable_gauge()->add_points());
      break;
    case Metric::Kind::kSum:
      o->mutable_sum()->set_temporality(m.temporality);
      o->mutable_sum()->set_monotonic(m.monotonic);
      for (const NumberPoint& p : m.points<NumberPoint>()) To(p, o->mutable_sum()->add_points());
      break;
    case Metric::Kind::kHistogram:
      o->mutable_histogram()->set_temporality(m.temporality);
      for (const HistogramPoint& p : m.points<HistogramPoint>()) To(p, o->mutable_histogram()->add_points());
      break;
    case Metric::Kind::kExpHistogram:
      o->mutable_exp_histogram()->set_temporality(m.temporality);
      for (const ExpHistogramPoint& p : m.points<ExpHistogramPoint>()) To(p, o->mutable_exp_histogram()->add_points());
      break;
    case Metric::Kind::kSummary:
      o->mutable_summary();
      for (const SummaryPoint& p : m.points<SummaryPoint>()) To(p, o->mutable_summary()->add_points());
      break;
  }
}

template <class View, class Request>
Request FromViews(std::string_view bytes) {
  Request request;
  for (const ResourceItems& r : Resources(bytes)) {
    auto* o = request.add_resources();
    if (r.encoded_resource.data()) {
      auto* resource = o->mutable_resource();
      ToList(r.resource.attributes, resource->mutable_attributes());
      resource->set_dropped_attributes_count(r.resource.dropped_attributes);
      for (const EntityRef& e : r.resource.entity_refs) {
        oracle::EntityRef* oe = resource->add_entity_refs();
        oe->set_schema_url(S(e.schema_url));
        oe->set_type(S(e.type));
        for (std::string_view k : e.id_keys) oe->add_id_keys(S(k));
        for (std::string_view k : e.description_keys) oe->add_description_keys(S(k));
      }
    }
    o->set_schema_url(S(r.schema_url));
    for (const ScopeItems& s : r.scopes) {
      auto* os = o->add_scopes();
      if (s.encoded_scope.data()) {
        os->mutable_scope()->set_name(S(s.scope.name));
        os->mutable_scope()->set_version(S(s.scope.version));
        os->mutable_scope()->set_dropped_attributes_count(s.scope.dropped_attributes);
        ToList(s.scope.attributes, os->mutable_scope()->mutable_attributes());
      }
      os->set_schema_url(S(s.schema_url));
      for (const View& record : s.records<View>()) To(record, os->add_records());
    }
  }
  return request;
}

// Empty submessages that the views do not tell from absent ones.
void Normalize(oracle::TracesRequest* request) {
  for (auto& r : *request->mutable_resources()) {
    for (auto& s : *r.mutable_scopes()) {
      for (auto& span : *s.mutable_records()) {
        if (span.has_status() && span.status().ByteSizeLong() == 0) span.clear_status();
      }
    }
  }
}
void Normalize(oracle::LogsRequest* request) {
  for (auto& r : *request->mutable_resources()) {
    for (auto& s : *r.mutable_scopes()) {
      for (auto& log : *s.mutable_records()) {
        if (log.has_body() && log.body().ByteSizeLong() == 0) log.clear_body();
      }
    }
  }
}
void Normalize(oracle::MetricsRequest*) {}

template <class View, class Request>
void CheckAgainstOracle(uint64_t seed) {
  Random random(seed);
  uint64_t items = 0;
  for (int i = 0; i < 200; ++i) {
    Request request;
    Fill(&request, random);
    std::string bytes = Encode(request);
    Normalize(&request);
    ASSERT_EQ((FromViews<View, Request>(bytes).DebugString()), request.DebugString());
    items += ItemsOfRequest(request);
  }
  EXPECT_GT(items, 500u);
}

TEST(Views, SeeWhatTheOracleSeesInTraces) {
  CheckAgainstOracle<Span, oracle::TracesRequest>(11);
}
TEST(Views, SeeWhatTheOracleSeesInLogs) {
  CheckAgainstOracle<LogRecord, oracle::LogsRequest>(12);
}
TEST(Views, SeeWhatTheOracleSeesInMetrics) {
  CheckAgainstOracle<Metric, oracle::MetricsRequest>(13);
}

TEST(Views, TakeFieldsInAnyOrderAndPassOverUnknownOnes) {
  oracle::Span first, second;
  first.set_name("early");
  first.add_attributes()->set_key("a");
  second.set_kind(2);
  second.add_attributes()->set_key("b");
  second.set_name("late");
  std::string unknown("\xa2\x06\x03xyz\x28\x05", 8);  // field 100; field 5 (name) as a varint
  std::string bytes = second.SerializeAsString() + unknown + first.SerializeAsString();
  Span span = Span::Parse(bytes);
  EXPECT_EQ(span.name, "early");  // the last one wins
  EXPECT_EQ(span.kind, 2);
  std::string keys;
  for (const KeyValue& kv : span.attributes) keys += S(kv.key);
  EXPECT_EQ(keys, "ba");
  EXPECT_EQ(span.attributes.size(), 2u);
  EXPECT_TRUE(span.events.empty());
}

TEST(Views, OfAOneofTheLastMemberCounts) {
  oracle::AnyValue text, number;
  text.set_string_value("x");
  number.set_int_value(7);
  AnyValue v = AnyValue::Parse(text.SerializeAsString() + number.SerializeAsString());
  EXPECT_EQ(v.kind, AnyValue::Kind::kInt);
  EXPECT_EQ(v.integer, 7);
  std::string both = number.SerializeAsString() + text.SerializeAsString();
  v = AnyValue::Parse(both);
  EXPECT_EQ(v.kind, AnyValue::Kind::kString);
  EXPECT_EQ(v.bytes, "x");
}

TEST(Views, UnpackedNumbersAreTaken) {
  // bucket_counts (6) unpacked twice around a packed one; bounds (7) unpacked.
  std::string bytes("\x31\x01\0\0\0\0\0\0\0\x32\x08\x02\0\0\0\0\0\0\0\x31\x03\0\0\0\0\0\0\0\x39\0\0\0\0\0\0\xf0\x3f",
                    37);
  HistogramPoint p = HistogramPoint::Parse(bytes);
  uint64_t digits = 0;
  for (uint64_t n : p.bucket_counts) digits = digits * 10 + n;
  EXPECT_EQ(digits, 123u);
  ASSERT_EQ(p.bounds.size(), 1u);
  EXPECT_EQ(*p.bounds.begin(), 1.0);
}

TEST(Views, FindAttribute) {
  oracle::Span span;
  for (const char* key : {"a", "b", "a"}) {
    auto* kv = span.add_attributes();
    kv->set_key(key);
    kv->mutable_value()->set_int_value(span.attributes_size());
  }
  span.add_attributes()->set_key("empty");
  std::string bytes = span.SerializeAsString();
  Attributes attributes = Span::Parse(bytes).attributes;
  bool found = false;
  EXPECT_EQ(FindAttribute(attributes, "a", &found).integer, 1);
  EXPECT_TRUE(found);
  EXPECT_EQ(FindAttribute(attributes, "b").integer, 2);
  EXPECT_EQ(FindAttribute(attributes, "empty", &found).kind, AnyValue::Kind::kEmpty);
  EXPECT_TRUE(found);
  EXPECT_EQ(FindAttribute(attributes, "c", &found).kind, AnyValue::Kind::kEmpty);
  EXPECT_FALSE(found);
}

TEST(Views, EndAtTheFlawOfMalformedBytes) {
  Random random(14);
  size_t seen = 0;
  for (int i = 0; i < 500; ++i) {
    std::string bytes = RandomRequest(Signal::kTraces, random);
    if (bytes.empty()) continue;
    for (int n = 0; n < 4; ++n) bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    oracle::TracesRequest request = FromViews<Span, oracle::TracesRequest>(bytes);
    seen += static_cast<size_t>(request.resources_size());
  }
  EXPECT_GT(seen, 100u);
}

TEST(Views, PartialSuccess) {
  std::string bytes("\x0a\x08\x08\x05\x12\x04oops", 10);
  PartialSuccess p = PartialSuccess::ParseResponse(bytes);
  EXPECT_EQ(p.rejected, 5);
  EXPECT_EQ(p.message, "oops");
  EXPECT_EQ(PartialSuccess::ParseResponse("").rejected, 0);
}

}  // namespace
}  // namespace naru::otlp
