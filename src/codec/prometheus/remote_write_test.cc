// What points become in remote write, as text that is kept in testdata/remote_write.golden.txt; NARU_UPDATE_GOLDEN=1
// writes it anew. The bytes are read by libprotobuf.
#include "codec/prometheus/remote_write.h"

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "codec/testdata/remote_write.pb.h"
#include "otlp/build.h"

namespace naru::codec::prometheus {
namespace {

using otlp::RequestBuilder;
using Kind = otlp::Metric::Kind;

constexpr uint64_t kStart = 1'699'999'000'000'000'000, kTime = 1'700'000'000'123'456'789;

std::string Number(double v) {
  return std::bit_cast<uint64_t>(v) == 0x7ff0000000000002 ? "stale" : fmt::format("{}", v);
}

template <class H>
std::string HistogramText(const H& h) {
  std::string out = fmt::format("count {} sum {} schema {} zero {} ({})", h.count_int(), Number(h.sum()), h.schema(),
                                h.zero_count_int(), h.zero_threshold());
  auto side = [&](const char* name, auto& spans, auto& deltas) {
    int at = 0;
    int64_t index = 0, count = 0;
    out += fmt::format(" {}", name);
    for (auto& s : spans) {
      index += s.offset();
      for (uint32_t i = 0; i < s.length(); ++i, ++index) out += fmt::format(" {}:{}", index, count += deltas[at++]);
    }
    EXPECT_EQ(at, deltas.size());
  };
  side("+", h.positive_spans(), h.positive_deltas());
  side("-", h.negative_spans(), h.negative_deltas());
  return out + fmt::format(" @{}", h.timestamp());
}

std::string Dump1(std::string_view body) {
  oracle::PromWriteRequest request;
  if (!request.ParseFromArray(body.data(), static_cast<int>(body.size()))) return "libprotobuf refuses it\n";
  std::string out;
  auto labels = [](auto& list) {
    std::string text, last;
    for (auto& l : list) {
      EXPECT_LT(last, l.name()) << "labels are not sorted";
      last = l.name();
      text += fmt::format("{}{}=\"{}\"", text.empty() ? "" : ", ", l.name(), l.value());
    }
    return text;
  };
  for (auto& s : request.timeseries()) {
    out += fmt::format("  {{{}}}\n", labels(s.labels()));
    for (auto& x : s.samples()) out += fmt::format("    {} @{}\n", Number(x.value()), x.timestamp());
    for (auto& h : s.histograms()) out += "    " + HistogramText(h) + "\n";
    for (auto& e : s.exemplars())
      out += fmt::format("    exemplar {} @{} {{{}}}\n", Number(e.value()), e.timestamp(), [&] {
        std::string text;
        for (auto& l : e.labels()) text += fmt::format("{}={} ", l.name(), l.value());
        return text;
      }());
  }
  for (auto& m : request.metadata())
    out +=
        fmt::format("  # {} type {} unit \"{}\" help \"{}\"\n", m.metric_family_name(), m.type(), m.unit(), m.help());
  return out;
}

std::string Dump2(std::string_view body) {
  oracle::Prom2Request request;
  if (!request.ParseFromArray(body.data(), static_cast<int>(body.size()))) return "libprotobuf refuses it\n";
  EXPECT_EQ(request.symbols(0), "");
  std::string out;
  auto text = [&](uint32_t ref) { return request.symbols(static_cast<int>(ref)); };
  for (auto& s : request.timeseries()) {
    out += "  {";
    for (int i = 0; i + 1 < s.labels_refs_size(); i += 2)
      out += fmt::format("{}{}=\"{}\"", i ? ", " : "", text(s.labels_refs(i)), text(s.labels_refs(i + 1)));
    out += fmt::format("}} type {} unit \"{}\" help \"{}\" created {}\n", s.metadata().type(),
                       text(s.metadata().unit_ref()), text(s.metadata().help_ref()), s.created_timestamp());
    for (auto& x : s.samples()) out += fmt::format("    {} @{}\n", Number(x.value()), x.timestamp());
    for (auto& h : s.histograms()) out += "    " + HistogramText(h) + "\n";
    for (auto& e : s.exemplars()) {
      out += fmt::format("    exemplar {} @{}", Number(e.value()), e.timestamp());
      for (auto ref : e.labels_refs()) out += " " + text(ref);
      out += "\n";
    }
  }
  return out;
}

std::string Translated(std::string_view request, const RemoteWriteRules& rules) {
  Translator t(rules);
  Cursor cursor(request);
  std::string out;
  while (!cursor.at_end()) {
    t.Take(cursor);
    Round r = t.Finish();
    out += fmt::format("{} points, {} samples, {} histograms, {} exemplars\n", r.points, r.request.samples,
                       r.request.histograms, r.request.exemplars);
    if (!r.request.body.empty()) out += rules.v2 ? Dump2(r.request.body.view()) : Dump1(r.request.body.view());
    for (size_t i = 0; i < kUnfits; ++i) {
      if (r.unfit[i])
        out += fmt::format("  unfit: {} {} ({})\n", r.unfit[i], UnfitName(static_cast<Unfit>(i)), r.example[i]);
    }
  }
  return out;
}

struct Case {
  std::string_view about;
  std::function<void(RequestBuilder&)> build;
  RemoteWriteRules rules{};
};

void Sum(RequestBuilder& b) {
  b.Metric({.name = "sold",
            .description = "Things sold",
            .unit = "By",
            .kind = Kind::kSum,
            .temporality = 2,
            .monotonic = true});
  b.Add(otlp::NumberPointData{.attributes = {{"shop", "north"}},
                              .start = kStart,
                              .time = kTime,
                              .number = int64_t{7},
                              .exemplars = {{.filtered_attributes = {{"user", "ada"}},
                                             .time = kTime,
                                             .number = 2.5,
                                             .trace_id = std::string_view("\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10", 16),
                                             .span_id = std::string_view("\0\0\0\0\0\0\0\0", 8)}}});
}

void Histogram(RequestBuilder& b) {
  b.Metric({.name = "took", .unit = "s", .kind = Kind::kHistogram, .temporality = 2});
  b.Add(otlp::HistogramPointData{
      .attributes = {{"le", "mine"}},
      .start = kStart,
      .time = kTime,
      .count = 6,
      .has_sum = true,
      .sum = 8.5,
      .bucket_counts = {1, 2, 3},
      .bounds = {0.005, 1e21},
      .exemplars = {
          {.time = kTime, .number = 0.001}, {.time = kTime, .number = 4.0}, {.time = kTime, .number = 1e30}}});
}

void Exponential(RequestBuilder& b) {
  b.Metric({.name = "size", .kind = Kind::kExpHistogram, .temporality = 2});
  b.Add(otlp::ExpHistogramPointData{.time = kTime,
                                    .count = 9,
                                    .zero_count = 1,
                                    .scale = 3,
                                    .has_sum = true,
                                    .sum = 4,
                                    .positive = {-2, {0, 0, 1, 2, 0, 0, 3, 0, 0, 0, 0, 1}},
                                    .negative = {5, {1}}});
  b.Add(otlp::ExpHistogramPointData{.time = kTime, .count = 6, .scale = 10, .positive = {-3, {1, 1, 1, 1, 1, 1}}});
  b.Add(otlp::ExpHistogramPointData{.time = kTime, .count = 1, .scale = -5, .positive = {0, {1}}});
  b.Add(otlp::ExpHistogramPointData{.time = kTime, .count = 1, .flags = 1});
}

void Summary(RequestBuilder& b) {
  b.Metric({.name = "old", .kind = Kind::kSummary});
  b.Add(otlp::SummaryPointData{.time = kTime, .count = 3, .sum = 1.5, .quantiles = {{0, 1}, {0.5, 2}, {1, 3}}});
}

void Gauge(RequestBuilder& b, std::string_view name = "g") {
  b.Metric({.name = name});
  b.Add(otlp::NumberPointData{.time = kTime, .number = -0.5});
}

void Resource(RequestBuilder& b) {
  b.Resource({{"service.name", "greet"},
              {"service.namespace", "spring"},
              {"service.instance.id", "i1"},
              {"host.name", "h"},
              {"a..b", "x"}});
}

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {"a counter with an exemplar", Sum},
      {"a counter as version 2.0", Sum, {.v2 = true}},
      {"with metadata", Sum, {.metadata = true}},
      {"a histogram: an attribute named le gives way; exemplars go to their buckets", Histogram},
      {"a histogram as version 2.0", Histogram, {.v2 = true}},
      {"exponential histograms become native; a scale of -5 has no form", Exponential},
      {"a summary", Summary},
      {"job, instance and target_info",
       [](auto& b) {
         Resource(b);
         Gauge(b);
       }},
      {"a prefix is in front of target_info too",
       [](auto& b) {
         Resource(b);
         Gauge(b);
       },
       {.names = {"shop", true, false}}},
      {"no target_info without something to tell",
       [](auto& b) {
         b.Resource({{"service.name", "greet"}});
         Gauge(b);
       }},
      {"no target_info without identity",
       [](auto& b) {
         b.Resource({{"host.name", "h"}});
         Gauge(b);
       }},
      {"resource attributes as labels win over those of the point",
       [](auto& b) {
         Resource(b);
         b.Metric({.name = "g"});
         b.Add(otlp::NumberPointData{.attributes = {{"host.name", "mine"}}, .time = kTime, .number = 1.0});
       },
       {.target_info = false, .resource_labels = true, .exclude_service_attributes = true}},
      {"scope",
       [](auto& b) {
         b.Scope("lib", "1.2", {{"name", "no"}, {"x.y", "z"}});
         Gauge(b);
       }},
      {"without scope",
       [](auto& b) {
         b.Scope("lib");
         Gauge(b);
       },
       {.scope_info = false}},
      {"external labels give way to labels of the point",
       [](auto& b) {
         b.Metric({.name = "g"});
         b.Add(otlp::NumberPointData{.attributes = {{"cluster", "mine"}}, .time = kTime, .number = 1.0});
       },
       {.external_labels = {{"cluster", "a"}, {"__replica__", "b"}}}},
      {"attributes that become one label are joined, equal values once, empty ones are none",
       [](auto& b) {
         b.Metric({.name = "g"});
         b.Add(otlp::NumberPointData{
             .attributes = {{"a.b", "2"}, {"a_b", "3"}, {"a-b", "1"}, {"e", ""}, {"c.d", "x"}, {"c_d", "x"}},
             .time = kTime,
             .number = 1.0});
       }},
      {"a series that has ended",
       [](auto& b) {
         b.Metric({.name = "g"});
         b.Add(otlp::NumberPointData{.time = kTime, .flags = 1});
       }},
      {"delta has no form, but counts for the time of target_info",
       [](auto& b) {
         Resource(b);
         b.Metric({.name = "d", .kind = Kind::kSum, .temporality = 1, .monotonic = true});
         b.Add(otlp::NumberPointData{.time = kTime, .number = int64_t{1}});
         b.Add(otlp::NumberPointData{.time = kTime + 1'000'000, .number = int64_t{1}});
       }},
      {"names of which nothing is left",
       [](auto& b) {
         Gauge(b, "...");
         b.Metric({.name = "g"});
         b.Add(otlp::NumberPointData{.attributes = {{"...", "x"}}, .time = kTime, .number = 1.0});
       }},
      {"requests are cut behind the point that fills them",
       [](auto& b) {
         for (auto* name : {"a", "b", "c"}) Gauge(b, name);
       },
       {.request_bytes = 50}},
  };
  return cases;
}

TEST(RemoteWrite, IsAsInTheGoldenFile) {
  std::string all;
  for (auto& c : Cases()) {
    RequestBuilder b(otlp::Signal::kMetrics);
    c.build(b);
    all += fmt::format("== {}\n{}", c.about, Translated(b.Finish().view(), c.rules));
  }
  const char* path = "src/codec/prometheus/testdata/remote_write.golden.txt";
  if (std::getenv("NARU_UPDATE_GOLDEN")) std::ofstream(path) << all;
  std::ifstream in(path);
  std::string golden((std::istreambuf_iterator<char>(in)), {});
  EXPECT_EQ(all, golden);
}

}  // namespace
}  // namespace naru::codec::prometheus
