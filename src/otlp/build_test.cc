#include "otlp/build.h"

#include <gtest/gtest.h>

#include "otlp/scan.h"
#include "otlp/testdata/oracle.h"
#include "otlp/validate.h"

namespace naru::otlp {
namespace {

// The builder writes what libprotobuf would write, byte by byte.
template <class Request>
Request Checked(Signal signal, std::string_view bytes, uint64_t items) {
  Request request;
  EXPECT_TRUE(request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  EXPECT_EQ(request.SerializeAsString(), bytes);
  EXPECT_TRUE(Validate(signal, bytes).ok());
  EXPECT_EQ(Count(signal, bytes).items, items);
  return request;
}

TEST(Build, Traces) {
  RequestBuilder b(Signal::kTraces);
  std::string trace_id(16, 't'), span_id(8, 's');
  std::string array = EncodeArray({"x", 2, 2.5}), map = EncodeKvlist({{"inner", true}});
  b.Resource({{"service.name", "shop"}, {"n", 3}, {"b", false}}, "https://example.com/schema");
  b.Scope("lib", "1.2", {{"scope", "yes"}}, "https://example.com/scope");
  b.Add(SpanData{.trace_id = trace_id,
                 .span_id = span_id,
                 .parent_span_id = span_id,
                 .trace_state = "a=b",
                 .name = "pay",
                 .flags = 257,
                 .kind = 2,
                 .start = 1000,
                 .end = 2000,
                 .attributes = {{"array", Value::Encoded(array)},
                                {"map", Value::Encoded(map)},
                                {"bytes", Value::OfBytes("\x01\x02")},
                                {"neg", -1},
                                {"none", Value()}},
                 .events = {{.time = 1500, .name = "e", .attributes = {{"k", "v"}}, .dropped_attributes = 1}},
                 .links = {{.trace_id = trace_id,
                            .span_id = span_id,
                            .trace_state = "c=d",
                            .attributes = {{"k", "v"}},
                            .dropped_attributes = 2,
                            .flags = 1}},
                 .dropped_attributes = 3,
                 .dropped_events = 4,
                 .dropped_links = 5,
                 .status_code = 2,
                 .status_message = "broken"});
  b.Add(SpanData{.name = "second"});
  b.Scope("other");
  b.Add(SpanData{});
  b.Resource({});
  EXPECT_EQ(b.items(), 3u);
  Slice bytes = b.Finish();
  auto request = Checked<oracle::TracesRequest>(Signal::kTraces, bytes.view(), 3);
  ASSERT_EQ(request.resources_size(), 2);
  const auto& r = request.resources(0);
  EXPECT_EQ(r.schema_url(), "https://example.com/schema");
  EXPECT_EQ(r.resource().attributes(1).value().int_value(), 3);
  ASSERT_EQ(r.scopes_size(), 2);
  EXPECT_EQ(r.scopes(0).schema_url(), "https://example.com/scope");
  EXPECT_EQ(r.scopes(0).scope().version(), "1.2");
  EXPECT_EQ(r.scopes(1).scope().name(), "other");
  const auto& s = r.scopes(0).records(0);
  EXPECT_EQ(s.trace_id(), trace_id);
  EXPECT_EQ(s.flags(), 257u);
  EXPECT_EQ(s.attributes(0).value().array_value().values(2).double_value(), 2.5);
  EXPECT_EQ(s.attributes(1).value().kvlist_value().values(0).value().bool_value(), true);
  EXPECT_EQ(s.attributes(2).value().bytes_value(), "\x01\x02");
  EXPECT_EQ(s.attributes(3).value().int_value(), -1);
  EXPECT_EQ(s.attributes(4).value().value_case(), oracle::AnyValue::VALUE_NOT_SET);
  EXPECT_EQ(s.events(0).time(), 1500u);
  EXPECT_EQ(s.links(0).dropped_attributes_count(), 2u);
  EXPECT_EQ(s.dropped_links_count(), 5u);
  EXPECT_EQ(s.status().message(), "broken");
}

TEST(Build, Logs) {
  RequestBuilder b(Signal::kLogs);
  std::string id(16, 'x');
  b.Add(LogData{.time = 5,
                .observed_time = 6,
                .severity_number = 9,
                .severity_text = "INFO",
                .body = "hello",
                .attributes = {{"k", 1.5}},
                .dropped_attributes = 1,
                .flags = 1,
                .trace_id = id,
                .span_id = std::string_view(id).substr(8),
                .event_name = "ev"});
  Slice bytes = b.Finish();
  auto request = Checked<oracle::LogsRequest>(Signal::kLogs, bytes.view(), 1);
  const auto& l = request.resources(0).scopes(0).records(0);
  EXPECT_EQ(l.body().string_value(), "hello");
  EXPECT_EQ(l.observed_time(), 6u);
  EXPECT_EQ(l.event_name(), "ev");
}

TEST(Build, Metrics) {
  RequestBuilder b(Signal::kMetrics);
  b.Resource({{"service.name", "shop"}});
  b.Scope("m");
  b.Metric({.name = "gauge", .description = "d", .unit = "1", .metadata = {{"meta", "data"}}});
  b.Add(NumberPointData{.attributes = {{"k", "v"}},
                        .start = 1,
                        .time = 2,
                        .number = 1.5,
                        .exemplars = {{.filtered_attributes = {{"f", 1}},
                                       .time = 3,
                                       .number = 7,
                                       .trace_id = "0123456789abcdef",
                                       .span_id = "01234567"}},
                        .flags = 1});
  b.Metric({.name = "sum", .kind = Metric::Kind::kSum, .temporality = 1, .monotonic = true});
  for (int i = 0; i < 3; ++i) b.Add(NumberPointData{.number = -i});
  b.Metric({.name = "hist", .kind = Metric::Kind::kHistogram, .temporality = 2});
  b.Add(HistogramPointData{.count = 3,
                           .has_sum = true,
                           .has_min = true,
                           .has_max = true,
                           .sum = 4,
                           .min = 0,
                           .max = 2,
                           .bucket_counts = {1, 2},
                           .bounds = {1.0}});
  b.Metric({.name = "exp", .kind = Metric::Kind::kExpHistogram, .temporality = 2});
  b.Add(ExpHistogramPointData{.attributes = {{"k", "v"}},
                              .count = 300,
                              .zero_count = 1,
                              .scale = -2,
                              .zero_threshold = 0.5,
                              .positive = {.offset = -3, .counts = {1, 300}}});
  b.Metric({.name = "summary", .kind = Metric::Kind::kSummary});
  b.Add(SummaryPointData{.count = 2, .sum = 3, .quantiles = {{.quantile = 0.5, .value = 1}}});
  b.Metric({.name = "empty", .kind = Metric::Kind::kEmpty});
  Slice bytes = b.Finish();
  auto request = Checked<oracle::MetricsRequest>(Signal::kMetrics, bytes.view(), 7);
  const auto& m = request.resources(0).scopes(0).records();
  ASSERT_EQ(m.size(), 6);
  EXPECT_EQ(m[0].gauge().points(0).as_double(), 1.5);
  EXPECT_EQ(m[0].gauge().points(0).exemplars(0).as_int(), 7);
  EXPECT_EQ(m[0].metadata(0).key(), "meta");
  EXPECT_TRUE(m[1].sum().monotonic());
  EXPECT_EQ(m[1].sum().points(2).as_int(), -2);
  EXPECT_TRUE(m[2].histogram().points(0).has_min());
  EXPECT_EQ(m[2].histogram().points(0).bucket_counts(1), 2u);
  EXPECT_EQ(m[3].exp_histogram().points(0).positive().offset(), -3);
  EXPECT_EQ(m[3].exp_histogram().points(0).positive().bucket_counts(1), 300u);
  EXPECT_EQ(m[3].exp_histogram().points(0).scale(), -2);
  EXPECT_EQ(m[4].summary().points(0).quantiles(0).value(), 1);
  EXPECT_EQ(m[5].data_case(), oracle::Metric::DATA_NOT_SET);
}

TEST(Build, StartsOverAfterFinish) {
  RequestBuilder b(Signal::kLogs);
  EXPECT_TRUE(b.Finish().empty());
  b.Add(LogData{.body = 1});
  Slice one = b.Finish();
  b.Add(LogData{.body = 1});
  EXPECT_EQ(b.items(), 1u);
  EXPECT_EQ(b.Finish().view(), one.view());
}

}  // namespace
}  // namespace naru::otlp
