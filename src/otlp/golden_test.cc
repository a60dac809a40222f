// What the wire form of three small requests says, as text that is kept in testdata: a change of field numbers or of
// the edits' results shows as a difference to read. NARU_UPDATE_GOLDEN=1 writes the files anew.
#include <cstdlib>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "otlp/build.h"
#include "otlp/edit.h"
#include "otlp/testdata/oracle.h"

namespace naru::otlp {
namespace {

std::string Text(Signal signal, std::string_view bytes) {
  std::string text;
  EXPECT_TRUE(WithMessage(signal, bytes, [&](const auto& m) { text = m.DebugString(); }));
  return text;
}

void CheckGolden(Signal signal, const Slice& request) {
  using Kind = Action::Kind;
  auto program = EditProgram::Compile(
      signal, {.resource = {{.kind = Kind::kUpsert, .key = "deployment.environment", .value = EncodeValue("test")}},
               .record = {{.kind = Kind::kDelete, .key = "secret"},
                          {.kind = Kind::kExtract, .key = "url.path", .pattern = "^/api/(?P<api_version>v[0-9]+)/"},
                          {.kind = Kind::kConvert, .key = "size", .convert_to = Action::Type::kInt}}});
  ASSERT_TRUE(program) << program.error().message;
  auto edited = program->Apply(request);
  ASSERT_TRUE(edited);
  std::string text = "# as built\n" + Text(signal, request.view()) + "# edited\n" + Text(signal, edited->bytes.view());
  std::string path =
      std::string(NARU_SOURCE_DIR) + "/src/otlp/testdata/" + std::string(Names(signal).name) + ".golden.txt";
  if (std::getenv("NARU_UPDATE_GOLDEN")) std::ofstream(path) << text;
  std::ifstream in(path);
  EXPECT_EQ(text, std::string(std::istreambuf_iterator<char>(in), {})) << path;
}

TEST(Golden, Traces) {
  RequestBuilder b(Signal::kTraces);
  b.Resource({{"service.name", "shop"}}, "https://opentelemetry.io/schemas/1.26.0");
  b.Scope("http", "1.0");
  b.Add(SpanData{.trace_id = "0123456789abcdef",
                 .span_id = "01234567",
                 .name = "GET",
                 .kind = 2,
                 .start = 1,
                 .end = 2,
                 .attributes = {{"url.path", "/api/v2/orders"}, {"secret", "s"}, {"size", "12"}},
                 .events = {{.time = 1, .name = "retry", .attributes = {{"secret", "stays: events are not edited"}}}},
                 .status_code = 1});
  CheckGolden(Signal::kTraces, b.Finish());
}

TEST(Golden, Logs) {
  RequestBuilder b(Signal::kLogs);
  b.Resource({{"service.name", "shop"}, {"deployment.environment", "production"}});
  b.Scope("app");
  b.Add(LogData{.time = 1,
                .observed_time = 2,
                .severity_number = 17,
                .severity_text = "ERROR",
                .body = "out of stock",
                .attributes = {{"size", 1.75}, {"secret", 1}}});
  CheckGolden(Signal::kLogs, b.Finish());
}

TEST(Golden, Metrics) {
  RequestBuilder b(Signal::kMetrics);
  b.Resource({});
  b.Scope("m");
  b.Metric({.name = "requests", .unit = "1", .kind = Metric::Kind::kSum, .temporality = 2, .monotonic = true});
  b.Add(NumberPointData{.attributes = {{"secret", "s"}, {"url.path", "/api/v1/"}}, .time = 5, .number = 42});
  b.Metric({.name = "latency", .unit = "s", .kind = Metric::Kind::kExpHistogram, .temporality = 1});
  b.Add(ExpHistogramPointData{.attributes = {{"size", true}},
                              .count = 3,
                              .scale = 4,
                              .has_sum = true,
                              .sum = 1.5,
                              .positive = {.offset = -1, .counts = {1, 2}}});
  CheckGolden(Signal::kMetrics, b.Finish());
}

}  // namespace
}  // namespace naru::otlp
