// The exporter before a Loki of the simulated world that answers as a test says.
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "conf/yaml.h"
#include "exporters/loki/factory.h"
#include "exporters/loki/loki_sender.h"
#include "otlp/build.h"
#include "testkit/contract.h"
#include "testkit/http_backend.h"
#include "testkit/requests.h"
#include "testkit/rig.h"
#include "wire/compress.h"

namespace naru::exporters::loki {
namespace {

using namespace std::chrono_literals;
using otlp::LogData;
using otlp::Signal;

constexpr uint16_t kPort = 13100;

TEST(LokiExporter, KeepsTheContract) {
  auto factory = NewFactory();
  EXPECT_EQ(testkit::Breaches({*factory, NARU_SOURCE_DIR "/src/exporters/loki"}), "");
}

using Answer = testkit::HttpBackend::Answer;

/// Takes pushes apart, and remembers the records that it took.
struct FakeLoki {
  struct Push : testkit::HttpBackend::Request {
    std::string tenant() const { return headers.count("x-scope-orgid") ? headers.at("x-scope-orgid") : ""; }
  };

  explicit FakeLoki(testkit::SimWorld& world) : backend(world, kPort) {
    backend.answer = [this](const testkit::HttpBackend::Request& request) {
      Push p{request};
      auto plain = wire::Decompress(wire::Codec::kSnappy, request.body, 64 << 20);
      EXPECT_TRUE(plain) << "not snappy";
      if (plain) p.body = plain->view();
      Answer a = answer(p);
      if (a.status == 204) {
        for (uint64_t n : testkit::NumbersIn(p.body)) taken.insert(n);
      }
      pushes.push_back(std::move(p));
      return a;
    };
  }
  ~FakeLoki() { EXPECT_EQ(backend.faults, ""); }

  std::function<Answer(const Push&)> answer = [](const Push&) { return Answer(); };
  std::vector<Push> pushes;
  /// The numbers of the records that were taken, with repetitions.
  std::multiset<uint64_t> taken;
  testkit::HttpBackend backend;
};

/// An exporter with these keys, and its Loki.
class LokiExport : public testing::Test {
 protected:
  void Begin(const std::string& keys) {
    auto factory = NewFactory();
    auto config = factory->NewConfig();
    auto document =
        conf::ParseYaml(fmt::format("{{endpoint: \"http://127.0.0.1:{}/loki/api/v1/push\", {}}}", kPort, keys), "test");
    ASSERT_TRUE(document) << document.error().message;
    conf::Issues issues;
    config->Decode(*document, issues);
    ASSERT_TRUE(issues.empty()) << issues.all()[0].ToString();
    auto made = rig_.Make(*factory, *config, Signal::kLogs, Signal::kLogs);
    ASSERT_TRUE(made) << made.error().message;
    ASSERT_TRUE(rig_.Start());
  }
  void End() { EXPECT_TRUE(rig_.Stop(10s)) << rig_.stop_faults(); }

  int64_t Dropped(std::string_view reason) {
    int64_t n = 0;
    for (auto& l : rig_.host().ledger().Snapshot()) {
      if (l.entry == pipeline::Entry::kDropped && l.reason == reason) n += l.value;
    }
    return n;
  }
  std::vector<uint64_t> Taken() { return {loki_.taken.begin(), loki_.taken.end()}; }

  testkit::Rig rig_{1};
  FakeLoki loki_{rig_.world()};
};

std::string Number(uint64_t n) {
  return fmt::format("record{:010}", n);
}

// Records of tenants in turn: 0 to a, 1 to b, 2 to c, 3 to a ...
Slice TenantRequest(uint64_t first, uint64_t n) {
  otlp::RequestBuilder b(Signal::kLogs);
  b.Resource({{"service.name", "shop"}});
  for (uint64_t i = first; i < first + n; ++i) {
    std::string body = Number(i), tenant(1, static_cast<char>('a' + i % 3));
    b.Add(LogData{.time = i + 1, .body = body, .attributes = {{"loki.tenant", "t"}, {"t", tenant}}});
  }
  return b.Finish();
}

TEST_F(LokiExport, PushesOncePerTenant) {
  Begin("headers: {X-Scope-OrgID: fallback, Content-Type: text/plain, X-Key: k}");
  rig_.Send(0, TenantRequest(0, 6), 6);
  otlp::RequestBuilder b(Signal::kLogs);
  b.Add(LogData{.time = 1, .body = Number(6)});
  rig_.Send(0, b.Finish(), 1);
  rig_.world().RunFor(1s);
  ASSERT_EQ(loki_.pushes.size(), 4u);
  std::multiset<std::string> tenants;
  for (auto& p : loki_.pushes) {
    tenants.insert(p.tenant());
    EXPECT_EQ(p.path, "/loki/api/v1/push");
    EXPECT_EQ(p.headers.at("content-type"), "application/x-protobuf");
    EXPECT_EQ(p.headers.at("x-key"), "k");
    EXPECT_FALSE(p.headers.count("content-encoding"));
  }
  EXPECT_EQ(tenants, (std::multiset<std::string>{"a", "b", "c", "fallback"}));
  EXPECT_EQ(Taken(), (std::vector<uint64_t>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(rig_.books().sent, 7);
  End();
}

TEST_F(LokiExport, CompressesAgainWhenAskedTo) {
  Begin("compression: gzip");
  rig_.Send(0, TenantRequest(0, 1), 1);
  rig_.world().RunFor(1s);
  ASSERT_EQ(loki_.pushes.size(), 1u);
  EXPECT_EQ(loki_.pushes[0].headers.at("content-encoding"), "gzip");
  EXPECT_EQ(Taken(), std::vector<uint64_t>{0});
  End();
}

// Two inputs in one request: what was pushed before a failure is not pushed again, and what was not is, after the delay
// that Loki names.
TEST_F(LokiExport, AFailureLeavesTheRestToTheNextAttempt) {
  Begin("retry_on_failure: {initial_interval: 1s}");
  int refusals = 2;
  loki_.answer = [&](const FakeLoki::Push& p) {
    return p.tenant() == "b" && refusals-- > 0 ? Answer{429, "slow down", "7"} : Answer();
  };
  auto heard = std::make_shared<testkit::Heard>();
  pipeline::Batch batch(Signal::kLogs);
  batch.Append(TenantRequest(0, 4), testkit::TokenFor(heard, 4));
  batch.Append(TenantRequest(4, 5), testkit::TokenFor(heard, 5));
  rig_.Send(0, std::move(batch));
  rig_.world().RunFor(1s);
  EXPECT_EQ(Taken(), (std::vector<uint64_t>{0, 3, 6}));
  EXPECT_EQ(rig_.books().sent, 3);
  EXPECT_EQ(rig_.books().held, 6);
  rig_.world().RunFor(1min);
  EXPECT_EQ(Taken(), (std::vector<uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(rig_.books().sent, 9);
  std::string order;
  for (auto& p : loki_.pushes) order += p.tenant();
  EXPECT_EQ(order, "abbbc");
  EXPECT_GE(loki_.pushes[2].at - loki_.pushes[1].at, 7s);
  End();
}

TEST_F(LokiExport, ClientsThatWaitHearOfEachItemOnce) {
  Begin("sending_queue: {enabled: false}, retry_on_failure: {enabled: false}");
  loki_.answer = [&](const FakeLoki::Push& p) { return p.tenant() == "b" ? Answer{503} : Answer(); };
  auto heard = rig_.Send(0, TenantRequest(0, 6), 6);
  rig_.world().RunFor(1s);
  EXPECT_EQ(heard->outcome.delivered, 2u);
  EXPECT_EQ(heard->outcome.refused, 4u);
  EXPECT_TRUE(heard->outcome.error.retryable);
  EXPECT_EQ(rig_.books().sent, 2);
  EXPECT_EQ(rig_.books().refused, 4);
  End();
}

TEST_F(LokiExport, WhatRetriesCannotSaveIsDroppedWithoutWhatArrived) {
  Begin("retry_on_failure: {initial_interval: 1s, max_interval: 2s, max_elapsed_time: 5s}");
  loki_.answer = [&](const FakeLoki::Push& p) { return p.tenant() == "b" ? Answer{500} : Answer(); };
  rig_.Send(0, TenantRequest(0, 6), 6);
  rig_.world().RunFor(1min);
  EXPECT_EQ(Taken(), (std::vector<uint64_t>{0, 3}));
  EXPECT_EQ(rig_.books().sent, 2);
  EXPECT_EQ(Dropped("retries_exhausted"), 4);
  End();
}

TEST_F(LokiExport, WhatLokiRefusesForGoodDoesNotTakeOthersDown) {
  Begin("");
  loki_.answer = [&](const FakeLoki::Push& p) {
    return p.tenant() == "b" ? Answer{400, "entry too far behind\nsecond line"} : Answer();
  };
  rig_.Send(0, TenantRequest(0, 6), 6);
  rig_.world().RunFor(1min);
  EXPECT_EQ(Taken(), (std::vector<uint64_t>{0, 2, 3, 5}));
  EXPECT_EQ(rig_.books().sent, 4);
  EXPECT_EQ(Dropped("rejected_by_backend"), 2);
  EXPECT_EQ(loki_.pushes.size(), 5u);
  End();
}

Slice Numbered(uint64_t first, uint64_t n) {
  otlp::RequestBuilder b(Signal::kLogs);
  for (uint64_t i = first; i < first + n; ++i) {
    std::string body = Number(i);
    b.Add(LogData{.time = i + 1, .severity_number = static_cast<int32_t>(1 + i % 4), .body = body});
  }
  return b.Finish();
}

// A push is refused because of some of its records: they are found, and the others are there once or more often.
TEST_F(LokiExport, WhatLokiRefusesIsFound) {
  Begin("");
  std::set<uint64_t> bad = {0, 500, 999};
  loki_.answer = [&](const FakeLoki::Push& p) {
    for (uint64_t n : testkit::NumbersIn(p.body)) {
      if (bad.count(n)) return Answer{400, "too old"};
    }
    return Answer();
  };
  auto heard = std::make_shared<testkit::Heard>();
  pipeline::Batch batch(Signal::kLogs);
  batch.Append(Numbered(0, 600), testkit::TokenFor(heard, 600));
  batch.Append(Numbered(600, 400), testkit::TokenFor(heard, 400));
  rig_.Send(0, std::move(batch));
  rig_.world().RunFor(1min);
  EXPECT_EQ(rig_.books().sent, 997);
  EXPECT_EQ(Dropped("rejected_by_backend"), 3);
  for (uint64_t n = 0; n < 1000; ++n) EXPECT_EQ(loki_.taken.count(n), bad.count(n) ? 0u : 1u) << n;
  EXPECT_LT(loki_.pushes.size(), 64u);
  End();
}

// Where everything is refused that ends soon; with too much of it the good ones that are in bad company count as bad.
TEST_F(LokiExport, LookingForWhatIsRefusedIsBounded) {
  Begin("sending_queue: {enabled: false}");
  loki_.answer = [&](const FakeLoki::Push&) { return Answer{400, "no"}; };
  auto heard = rig_.Send(0, Numbered(0, 1000), 1000);
  rig_.world().RunFor(1min);
  EXPECT_EQ(loki_.pushes.size(), 13u);
  EXPECT_EQ(Dropped("rejected_by_backend"), 1000);
  EXPECT_EQ(heard->outcome.dropped, 1000u);

  loki_.pushes.clear();
  loki_.answer = [&](const FakeLoki::Push& p) {
    for (uint64_t n : testkit::NumbersIn(p.body)) {
      if (n % 5 == 0) return Answer{400, "no"};
    }
    return Answer();
  };
  rig_.Send(0, Numbered(1000, 5000), 5000);
  rig_.world().RunFor(1min);
  EXPECT_LE(loki_.pushes.size(), 129u);
  EXPECT_EQ(rig_.books().sent + rig_.books().dropped, 6000) << rig_.books().ToString();
  End();
}

TEST_F(LokiExport, WrongCredentialsEndTheAttempt) {
  Begin("");
  loki_.answer = [&](const FakeLoki::Push&) { return Answer{401, "no org id"}; };
  rig_.Send(0, TenantRequest(0, 6), 6);
  rig_.world().RunFor(1min);
  EXPECT_EQ(loki_.pushes.size(), 1u);
  EXPECT_EQ(Dropped("refused_by_backend"), 6);
  End();
}

TEST_F(LokiExport, RecordsWithoutAFormAreCountedByReason) {
  Begin("default_labels_enabled: {exporter: false, job: false, instance: false, level: false}");
  otlp::RequestBuilder b(Signal::kLogs);
  auto add = [&](uint64_t n, otlp::List<otlp::Attr> attributes) {
    std::string body = Number(n);
    b.Add(LogData{.time = 1, .body = body, .attributes = attributes});
  };
  add(0, {{"loki.attribute.labels", "l"}, {"l", "v"}});
  add(1, {});
  add(2, {});
  add(3, {{"loki.attribute.labels", "l"}, {"l", "v"}, {"loki.format", "xml"}});
  add(4, {{"loki.attribute.labels", "l"}, {"l", "v"}, {"loki.tenant", "t"}, {"t", "two words"}});
  Slice request = b.Finish();
  auto heard = rig_.Send(0, request, 5);
  rig_.world().RunFor(1min);
  EXPECT_EQ(Taken(), std::vector<uint64_t>{0});
  EXPECT_EQ(rig_.books().sent, 1);
  EXPECT_EQ(Dropped("no_labels"), 2);
  EXPECT_EQ(Dropped("unknown_format"), 1);
  EXPECT_EQ(Dropped("bad_tenant"), 1);

  // Refused as a whole: what has no form is counted once, however often the rest is tried.
  loki_.answer = [&](const FakeLoki::Push&) { return loki_.pushes.size() < 4 ? Answer{503} : Answer{400}; };
  rig_.Send(0, request, 5);
  rig_.world().RunFor(5min);
  EXPECT_EQ(rig_.books().sent, 1);
  EXPECT_EQ(Dropped("no_labels"), 4);
  EXPECT_EQ(Dropped("rejected_by_backend"), 1);
  double unlabelled = 0;
  for (auto& f : rig_.host().metrics().Collect()) {
    if (f.instrument.name != "otelcol_lokiexporter_send_failed_due_to_missing_labels") continue;
    for (auto& s : f.series) unlabelled += s.value;
  }
  EXPECT_EQ(unlabelled, 4);
  End();
}

// The resource stands in every line: a batch of 1 MiB becomes some 100 MiB of lines, which go out piece by piece.
TEST_F(LokiExport, WhatGrowsLargeIsCutIntoRounds) {
  Begin("");
  otlp::RequestBuilder b(Signal::kLogs);
  std::string large(100 << 10, 'x');
  b.Resource({{"large", large}});
  for (uint64_t i = 0; i < 200; ++i) {
    std::string body = Number(i);
    b.Add(LogData{.time = i + 1, .body = body});
  }
  rig_.Send(0, b.Finish(), 200);
  rig_.world().RunFor(1min);
  EXPECT_EQ(loki_.taken.size(), 200u);
  EXPECT_EQ(loki_.pushes.size(), 19u);
  for (auto& p : loki_.pushes) EXPECT_LT(p.body.size(), 2u << 20);
  EXPECT_EQ(rig_.books().sent, 200);
  End();
}

TEST_F(LokiExport, RecordsBehindAFlawAreCounted) {
  Begin("");
  std::string bytes(TenantRequest(0, 3).view());
  // The third record says that it is longer than the rest.
  size_t at = bytes.find(Number(2));
  ASSERT_NE(at, std::string::npos);
  std::string cut = bytes.substr(0, at);
  rig_.Send(0, Slice::CopyOf(cut + std::string(200, '\x0a')), 3);
  rig_.world().RunFor(1min);
  EXPECT_EQ(rig_.books().sent + rig_.books().dropped, 3) << rig_.books().ToString();
  End();
}

TEST(LokiAnswer, IsJudged) {
  const struct {
    int status;
    std::string body, retry_after;
    Code code;
    bool retryable;
    Duration after;
    std::string message;
  } kCases[] = {
      {200, "", "", Code::kOk, false, 0s, ""},
      {204, "x", "", Code::kOk, false, 0s, ""},
      {301, "", "", Code::kUnavailable, true, 0s, "Loki answered HTTP 301"},
      {400, "a\nb", "", Code::kInvalidArgument, false, 0s, "Loki answered HTTP 400: a"},
      {401, "no org id", "9", Code::kUnauthenticated, false, 0s, "Loki answered HTTP 401: no org id"},
      {403, "", "", Code::kPermissionDenied, false, 0s, "Loki answered HTTP 403"},
      {404, "", "", Code::kNotFound, false, 0s,
       "Loki answered HTTP 404; the endpoint must be the full URL of its push API, /loki/api/v1/push"},
      {413, "", "", Code::kOutOfRange, false, 0s, "Loki answered HTTP 413"},
      {422, "", "", Code::kInvalidArgument, false, 0s, "Loki answered HTTP 422"},
      {429, "slow", "3", Code::kResourceExhausted, true, 3s, "Loki answered HTTP 429: slow"},
      {500, std::string(3000, 'y'), "", Code::kUnavailable, true, 0s,
       "Loki answered HTTP 500: " + std::string(1024, 'y')},
      {503, "", "2", Code::kUnavailable, true, 2s, "Loki answered HTTP 503"},
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
}  // namespace naru::exporters::loki
