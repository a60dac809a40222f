// The parts of own telemetry that need no running collector: views, encoding, samplers, resources.
#include <cmath>

#include <gtest/gtest.h>

#include "collector/metric_push.h"
#include "collector/metric_views.h"
#include "collector/own_resource.h"
#include "collector/own_traces.h"
#include "conf/yaml.h"
#include "otlp/json.h"

namespace naru::collector {
namespace {

using Kind = pipeline::Metrics::Kind;
using Family = pipeline::Metrics::Family;

std::vector<ViewConfig> Views(const std::string& yaml) {
  auto value = conf::ParseYaml(yaml, "test");
  EXPECT_TRUE(value) << yaml;
  std::vector<ViewConfig> out;
  conf::Issues issues;
  conf::Decode(*value, out, issues);
  EXPECT_TRUE(issues.empty()) << issues.ToString();
  return out;
}

std::vector<Family> Some() {
  Family counter{{"otelcol_a", "A", "{items}", Kind::kCounter, {}}, {}};
  counter.series.push_back({{{"exporter", "x"}, {"pod", "1"}}, 3, {}});
  counter.series.push_back({{{"exporter", "x"}, {"pod", "2"}}, 4, {}});
  Family histogram{{"otelcol_h", "H", "By", Kind::kHistogram, {}}, {}};
  histogram.series.push_back({{{"pod", "1"}}, 0, {{10, 20}, {1, 2, 3}, 90, 6, 4, 33}});
  Family uptime{{"otelcol_u", "U", "s", Kind::kCounter, {}}, {}};
  uptime.series.push_back({{}, 1.5, {}});
  return {counter, histogram, uptime};
}

TEST(Views, ChooseRenameAndAddUp) {
  auto got = ApplyViews(
      Views("- {selector: {instrument_name: otelcol_a}, stream: {name: b, attribute_keys: {excluded: [pod]}}}\n"
            "- {selector: {instrument_name: 'otelcol_h*'}, stream: {aggregation: {sum: {}}}}\n"
            "- {selector: {unit: s}, stream: {aggregation: {drop: {}}}}\n"),
      Some());
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].instrument.name, "b");
  ASSERT_EQ(got[0].series.size(), 1u);
  EXPECT_EQ(got[0].series[0].value, 7);
  EXPECT_EQ(got[0].series[0].attributes, (pipeline::Attributes{{"exporter", "x"}}));
  EXPECT_EQ(got[1].instrument.kind, Kind::kCounter);
  EXPECT_EQ(got[1].series[0].value, 90);
}

TEST(Views, LimitSeriesAndBoundHistograms) {
  auto views = Views(
      "- {selector: {instrument_type: histogram}, stream: {aggregation: {explicit_bucket_histogram: {boundaries: [1, "
      "2]}}}}\n"
      "- {selector: {instrument_name: otelcol_a}, stream: {aggregation_cardinality_limit: 2}}\n");
  auto families = Some();
  ASSERT_TRUE(ViewShape(views, families[1].instrument));
  EXPECT_EQ(ViewShape(views, families[1].instrument)->bounds, (std::vector<double>{1, 2}));
  EXPECT_FALSE(ViewShape(views, families[0].instrument));
  auto exponential = ViewShape(Views("- {selector: {instrument_name: otelcol_h}, stream: {aggregation: "
                                     "{base2_exponential_bucket_histogram: {max_scale: 3, max_size: 8}}}}\n"),
                               families[1].instrument);
  ASSERT_TRUE(exponential);
  EXPECT_TRUE(exponential->exponential);
  EXPECT_EQ(exponential->max_scale, 3);
  EXPECT_EQ(exponential->max_size, 8);
  auto got = ApplyViews(views, families);
  ASSERT_EQ(got[0].series.size(), 2u);
  EXPECT_EQ(got[0].series[1].attributes, (pipeline::Attributes{{"otel.metric.overflow", "true"}}));
}

TEST(Views, AreCheckedWhenRead) {
  const char* cases[] = {
      "{}",
      "{selector: {instrument_type: thing}}",
      "{selector: {unit: s}, stream: {name: x}}",
      "{selector: {instrument_name: x}, stream: {aggregation: {explicit_bucket_histogram: {boundaries: [2, 1]}}}}",
      "{selector: {unit: s}, stream: {aggregation: {base2_exponential_bucket_histogram: {max_scale: 21}}}}",
      "{selector: {unit: s}, stream: {aggregation: {base2_exponential_bucket_histogram: {max_size: 1}}}}"};
  for (auto* text : cases) {
    ViewConfig out;
    conf::Issues issues;
    conf::Decode(*conf::ParseYaml(text, "test"), out, issues);
    EXPECT_FALSE(issues.empty()) << text;
  }
}

TEST(Views, Globs) {
  EXPECT_TRUE(MatchesGlob("*", ""));
  EXPECT_TRUE(MatchesGlob("a*c?", "abbcd"));
  EXPECT_TRUE(MatchesGlob("**b", "aab"));
  EXPECT_FALSE(MatchesGlob("a?", "a"));
  EXPECT_FALSE(MatchesGlob("a*b", "ac"));
  EXPECT_FALSE(MatchesGlob(std::string(60, '*') + "x", std::string(5000, 'a')));
}

TEST(MetricPush, EncodesEveryKind) {
  Told told;
  auto [bytes, items] = EncodeFamilies(Some(), {{"service.name", "naru"}}, 5, 9, Temporality::kCumulative, told);
  EXPECT_EQ(items, 4u);
  auto json = otlp::RequestToJson(otlp::Signal::kMetrics, std::array{bytes});
  ASSERT_TRUE(json);
  std::string text(json->view());
  for (auto* part :
       {R"("name":"otelcol_a")", R"("asInt":"3")", R"("isMonotonic":true)", R"("aggregationTemporality":2)",
        R"("bucketCounts":["1","2","3"])", R"("explicitBounds":[10,20])", R"("min":4,"max":33)", R"("asDouble":1.5)",
        R"("startTimeUnixNano":"5")", R"("timeUnixNano":"9")", R"("service.name")"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
  }
  EXPECT_TRUE(told.empty());
}

TEST(MetricPush, DeltasAddUpToTheWhole) {
  Told told;
  auto families = Some();
  (void)EncodeFamilies(families, {}, 5, 9, Temporality::kDelta, told);
  families[0].series[0].value = 10;
  families[1].series[0].histogram = {{10, 20}, {1, 5, 3}, 120, 9};
  Slice bytes = EncodeFamilies(families, {}, 9, 12, Temporality::kDelta, told).first;
  auto json = otlp::RequestToJson(otlp::Signal::kMetrics, std::array{bytes});
  ASSERT_TRUE(json);
  std::string text(json->view());
  for (auto* part : {R"("asInt":"7")", R"("asInt":"0")", R"("aggregationTemporality":1)",
                     R"("bucketCounts":["0","3","0"])", R"("sum":30)"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
  }
}

// Of the values 1, 2, 3 and 100 told first, and 5 told later.
TEST(MetricPush, ExponentialHistogramsAndTheirDeltas) {
  pipeline::Metrics metrics;
  metrics.SetShapes([](auto&) { return pipeline::HistogramShape{{}, true, 20, 4}; });
  auto* h = metrics.GetHistogram({"h", "H", "By", Kind::kHistogram, {}}, {}, {1, 2});
  auto window = metrics.OpenWindow();
  Told told;
  auto push = [&] {
    Slice bytes = EncodeFamilies(metrics.Collect(window.get()), {}, 5, 9, Temporality::kDelta, told).first;
    auto json = otlp::RequestToJson(otlp::Signal::kMetrics, std::array{bytes});
    EXPECT_TRUE(json);
    return std::string(json->view());
  };
  for (double v : {0., 1., 2., 3., 100.}) h->Record(v);
  // At scale -1 the buckets are (1/4, 1], (1, 4], (4, 16], (16, 64], (64, 256]: five are too many, at -2 three are
  // left.
  std::string first = push();
  for (auto* part : {R"("scale":-2)", R"("zeroCount":"1")", R"("count":"5")", R"("sum":106)", R"("min":0,"max":100)",
                     R"("bucketCounts":["1","2","1"])", R"("offset":-1)"})
    EXPECT_NE(first.find(part), std::string::npos) << part << " in " << first;
  h->Record(5);
  std::string second = push();
  for (auto* part : {R"("count":"1")", R"("sum":5)", R"("min":5,"max":5)", R"("bucketCounts":["0","1","0"])"})
    EXPECT_NE(second.find(part), std::string::npos) << part << " in " << second;
}

// Every value lies in the bucket that it was counted in, whatever the scale.
TEST(Histogram, ExponentialBucketsHoldTheirValues) {
  for (int scale : {-10, -3, 0, 1, 5, 20}) {
    for (double v : {1e-300, 0.1, 0.5, 0.75, 1., 1.0000001, 2., 3., 1024., 1e9, 1e300}) {
      pipeline::Histogram h({{}, true, scale, 2});
      h.Record(v);
      auto d = h.Read();
      ASSERT_EQ(d.counts.size(), 1u);
      // In powers of two, for the bounds themselves may not fit a double.
      double at = std::log2(v) * std::ldexp(1, scale);
      EXPECT_GT(at, d.offset - 1e-3) << v << " " << scale;
      EXPECT_LE(at, d.offset + 1 + 1e-3) << v << " " << scale;
      if (v == 2.) {
        EXPECT_EQ(d.offset, scale >= 0 ? (1 << scale) - 1 : 0) << scale;
      }
    }
  }
}

TEST(Histogram, AddsUpAcrossScales) {
  pipeline::Histogram fine({{}, true, 20, 160}), coarse({{}, true, 0, 160});
  fine.Record(3);
  for (double v : {1., 3., 9.}) coarse.Record(v);
  auto sum = fine.Read();
  sum.Add(coarse.Read());
  EXPECT_EQ(sum.scale, 0);
  EXPECT_EQ(sum.offset, -1);
  EXPECT_EQ(sum.counts, (std::vector<uint64_t>{1, 0, 2, 0, 1}));
  EXPECT_EQ(sum.count, 4u);
  EXPECT_EQ(sum.min, 1);
  EXPECT_EQ(sum.max, 9);
  sum.Subtract(coarse.Read());
  EXPECT_EQ(sum.counts, (std::vector<uint64_t>{0, 0, 1, 0, 0}));
}

TEST(MetricPush, AViewLeavesOutMinimumAndMaximum) {
  Told told;
  auto families = ApplyViews(Views("- {selector: {instrument_name: otelcol_h}, stream: {aggregation: "
                                   "{explicit_bucket_histogram: {record_min_max: false}}}}\n"),
                             Some());
  Slice bytes = EncodeFamilies(families, {}, 5, 9, Temporality::kCumulative, told).first;
  auto json = otlp::RequestToJson(otlp::Signal::kMetrics, std::array{bytes});
  ASSERT_TRUE(json);
  EXPECT_EQ(json->view().find("\"min\""), std::string_view::npos) << json->view();
}

TEST(Sampler, FollowsItsConfiguration) {
  struct Case {
    const char* yaml;
    bool root, low, sampled_parent, unsampled_parent;
  };
  const Case cases[] = {
      {"{always_on: {}}", true, true, true, true},
      {"{always_off: }", false, false, false, false},
      {"{trace_id_ratio_based: {ratio: 0.5}}", false, true, false, false},
      {"{parent_based: {root: {always_off: }}}", false, false, true, false},
      {"{parent_based: {remote_parent_not_sampled: {always_on: }, remote_parent_sampled: {always_off: }}}", true, true,
       false, true},
  };
  std::array<uint8_t, 16> high{}, low{};
  high.fill(0xff);
  low[15] = 1;
  pipeline::SpanContext yes, no;
  yes.sampled = true;
  for (auto& c : cases) {
    auto sampler = MakeSampler(*conf::ParseYaml(c.yaml, "test"));
    ASSERT_TRUE(sampler) << c.yaml;
    EXPECT_EQ((*sampler)(high, nullptr), c.root) << c.yaml;
    EXPECT_EQ((*sampler)(low, nullptr), c.low) << c.yaml;
    EXPECT_EQ((*sampler)(high, &yes), c.sampled_parent) << c.yaml;
    EXPECT_EQ((*sampler)(high, &no), c.unsampled_parent) << c.yaml;
  }
  for (auto* bad : {"{}", "x", "{jaeger_remote: {}}", "{trace_id_ratio_based: {ratio: 2}}",
                    "{parent_based: {what: {always_on: }}}"})
    EXPECT_FALSE(MakeSampler(*conf::ParseYaml(bad, "test"))) << bad;
}

std::string Of(const char* yaml, const std::string& key) {
  for (auto& [k, v] : OwnResource(*conf::ParseYaml(yaml, "test"), {"naru", "1", "id"})) {
    if (k == key) return v;
  }
  return "none";
}

TEST(OwnResource, TakesBothFormsAndDetects) {
  EXPECT_EQ(OwnResource(std::nullopt, {"naru", "1", "id"}),
            (pipeline::Attributes{{"service.instance.id", "id"}, {"service.name", "naru"}, {"service.version", "1"}}));
  EXPECT_EQ(Of("{service.name: shop, k8s.pod.name: p}", "service.name"), "shop");
  EXPECT_EQ(Of("{service.instance.id: }", "service.instance.id"), "none");
  EXPECT_EQ(Of("{attributes: [{name: a, value: 1}], attributes_list: 'a=0,b=2'}", "a"), "1");
  EXPECT_EQ(Of("{attributes: [{name: a, value: 1}], attributes_list: 'a=0,b=2'}", "b"), "2");
  const char* detect =
      "{detection/development: {detectors: [{host: }, {process: }], attributes: {excluded: [process.command_args]}}}";
  EXPECT_NE(Of(detect, "host.name"), "none");
  EXPECT_NE(Of(detect, "process.pid"), "none");
  EXPECT_EQ(Of(detect, "process.command_args"), "none");
  EXPECT_EQ(Of(detect, "service.name"), "naru");
}

}  // namespace
}  // namespace naru::collector
