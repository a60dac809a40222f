// The exporter before a Zipkin of the simulated world that answers as a test says.
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "conf/yaml.h"
#include "exporters/zipkin/factory.h"
#include "exporters/zipkin/zipkin_sender.h"
#include "otlp/build.h"
#include "testkit/contract.h"
#include "testkit/http_backend.h"
#include "testkit/requests.h"
#include "testkit/rig.h"

namespace naru::exporters::zipkin {
namespace {

using namespace std::chrono_literals;

TEST(ZipkinExporter, KeepsTheContract) {
  auto factory = NewFactory();
  EXPECT_EQ(testkit::Breaches({*factory, NARU_SOURCE_DIR "/src/exporters/zipkin"}), "");
}

using Answer = testkit::HttpBackend::Answer;
using otlp::Signal;
using otlp::SpanData;

constexpr uint16_t kPort = 19411;

class ZipkinExport : public testing::Test {
 protected:
  void Begin(const std::string& keys) {
    zipkin_.answer = [this](const testkit::HttpBackend::Request& request) {
      Answer a = answer_ ? answer_(request) : Answer{202};
      if (a.status == 202) {
        for (uint64_t n : testkit::NumbersIn(request.body)) taken_.insert(n);
      }
      return a;
    };
    auto factory = NewFactory();
    auto config = factory->NewConfig();
    auto document =
        conf::ParseYaml(fmt::format("{{endpoint: \"http://127.0.0.1:{}/api/v2/spans\", {}}}", kPort, keys), "test");
    ASSERT_TRUE(document) << document.error().message;
    conf::Issues issues;
    config->Decode(*document, issues);
    ASSERT_TRUE(issues.empty()) << issues.all()[0].ToString();
    auto made = rig_.Make(*factory, *config, Signal::kTraces, Signal::kTraces);
    ASSERT_TRUE(made) << made.error().message;
    ASSERT_TRUE(rig_.Start());
  }
  void End() {
    EXPECT_TRUE(rig_.Stop(10s)) << rig_.stop_faults();
    EXPECT_EQ(zipkin_.faults, "");
  }
  int64_t Dropped(std::string_view reason) {
    int64_t n = 0;
    for (auto& l : rig_.host().ledger().Snapshot()) {
      if (l.entry == pipeline::Entry::kDropped && l.reason == reason) n += l.value;
    }
    return n;
  }

  testkit::Rig rig_{1};
  testkit::HttpBackend zipkin_{rig_.world(), kPort};
  std::function<Answer(const testkit::HttpBackend::Request&)> answer_;
  std::multiset<uint64_t> taken_;
};

// Spans whose resource has `large` bytes, the names of which carry numbers.
Slice Spans(uint64_t first, uint64_t n, size_t large = 0) {
  otlp::RequestBuilder b(Signal::kTraces);
  std::string text(large, 'x');
  b.Resource({{"service.name", "shop"}, {"large", text}});
  for (uint64_t i = first; i < first + n; ++i) {
    std::string name = fmt::format("record{:010}", i);
    b.Add(SpanData{.trace_id = "0123456789abcdef", .span_id = "SPANSPAN", .name = name, .start = 1000, .end = 3000});
  }
  return b.Finish();
}

TEST_F(ZipkinExport, SendsOneRequestForABatch) {
  Begin("headers: {X-Key: k, Content-Type: text/plain}, compression: gzip");
  auto heard = std::make_shared<testkit::Heard>();
  pipeline::Batch batch(Signal::kTraces);
  batch.Append(Spans(0, 2), testkit::TokenFor(heard, 2));
  batch.Append(Spans(2, 3), testkit::TokenFor(heard, 3));
  rig_.Send(0, std::move(batch));
  rig_.world().RunFor(1s);
  ASSERT_EQ(zipkin_.requests.size(), 1u);
  auto& r = zipkin_.requests[0];
  EXPECT_EQ(r.path, "/api/v2/spans");
  EXPECT_EQ(r.headers.at("content-type"), "application/json");
  EXPECT_EQ(r.headers.at("content-encoding"), "gzip");
  EXPECT_EQ(r.headers.at("x-key"), "k");
  EXPECT_EQ(taken_, (std::multiset<uint64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(rig_.books().sent, 5);
  End();
}

// The resource stands in every span: what was sent before a failure is not sent again.
TEST_F(ZipkinExport, AFailureLeavesTheRestToTheNextAttempt) {
  Begin("retry_on_failure: {initial_interval: 1s}");
  int n = 0;
  answer_ = [&](const testkit::HttpBackend::Request&) { return ++n == 2 ? Answer{503, "", "5"} : Answer{202}; };
  auto heard = std::make_shared<testkit::Heard>();
  pipeline::Batch batch(Signal::kTraces);
  for (uint64_t part = 0; part < 4; ++part) batch.Append(Spans(part * 30, 30, 100 << 10), testkit::TokenFor(heard, 30));
  rig_.Send(0, std::move(batch));
  rig_.world().RunFor(2s);
  EXPECT_EQ(rig_.books().sent, 41);
  EXPECT_EQ(rig_.books().held, 79);
  rig_.world().RunFor(1min);
  EXPECT_EQ(rig_.books().sent, 120);
  for (uint64_t i = 0; i < 120; ++i) EXPECT_EQ(taken_.count(i), 1u) << i;
  EXPECT_EQ(zipkin_.requests.size(), 4u);
  EXPECT_GE(zipkin_.requests[2].at - zipkin_.requests[1].at, 5s);
  End();
}

TEST_F(ZipkinExport, OneBadInputDoesNotTakeOthersDown) {
  Begin("format: proto");
  answer_ = [&](const testkit::HttpBackend::Request& r) {
    EXPECT_EQ(r.headers.at("content-type"), "application/x-protobuf");
    return r.body.find("record0000000003") != std::string::npos ? Answer{400, "no\nmore"} : Answer{202};
  };
  auto heard = std::make_shared<testkit::Heard>();
  pipeline::Batch batch(Signal::kTraces);
  for (uint64_t part = 0; part < 3; ++part) batch.Append(Spans(part * 2, 2), testkit::TokenFor(heard, 2));
  otlp::RequestBuilder b(Signal::kTraces);
  b.Add(SpanData{.trace_id = "0123456789abcdef", .name = "without an id"});
  batch.Append(b.Finish(), testkit::TokenFor(heard, 1));
  rig_.Send(0, std::move(batch));
  rig_.world().RunFor(1min);
  EXPECT_EQ(taken_, (std::multiset<uint64_t>{0, 1, 4, 5}));
  EXPECT_EQ(rig_.books().sent, 4);
  EXPECT_EQ(Dropped("refused_by_backend"), 2);
  EXPECT_EQ(Dropped("bad_ids"), 1);
  End();
}

TEST(ZipkinAnswer, IsJudged) {
  const struct {
    int status;
    std::string body, retry_after;
    Code code;
    bool retryable;
    Duration after;
    std::string message;
  } kCases[] = {
      {202, "", "", Code::kOk, false, 0s, ""},
      {302, "", "", Code::kUnavailable, true, 0s, "Zipkin answered HTTP 302"},
      {400, "Cannot decode spans\nmore", "", Code::kInvalidArgument, false, 0s,
       "Zipkin answered HTTP 400: Cannot decode spans"},
      {401, "", "9", Code::kUnauthenticated, false, 0s, "Zipkin answered HTTP 401"},
      {404, "", "", Code::kNotFound, false, 0s,
       "Zipkin answered HTTP 404; the endpoint must be the full URL, with /api/v2/spans"},
      {408, "", "", Code::kDeadlineExceeded, true, 0s, "Zipkin answered HTTP 408"},
      {413, "", "", Code::kOutOfRange, false, 0s, "Zipkin answered HTTP 413"},
      {429, "", "3", Code::kResourceExhausted, true, 3s, "Zipkin answered HTTP 429"},
      {500, "", "3", Code::kUnavailable, true, 0s, "Zipkin answered HTTP 500"},
      {503, "", "2", Code::kUnavailable, true, 2s, "Zipkin answered HTTP 503"},
  };
  for (auto& c : kCases) {
    net::ClientResponse answer;
    answer.status = c.status;
    answer.body = c.body;
    if (!c.retry_after.empty()) answer.headers.emplace_back("retry-after", c.retry_after);
    Error e = JudgeAnswer(answer, 1'700'000'000);
    EXPECT_EQ(e.code, c.code) << c.status;
    EXPECT_EQ(e.retryable, c.retryable) << c.status;
    EXPECT_EQ(e.retry_after, c.after) << c.status;
    EXPECT_EQ(e.message, c.message);
  }
}

}  // namespace
}  // namespace naru::exporters::zipkin
