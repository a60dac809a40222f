#include "extensions/health_check/component_states.h"

#include <gtest/gtest.h>

namespace naru::extensions::health_check {
namespace {

using pipeline::ComponentStatus;

constexpr uint64_t kSecond = 1'000'000'000;

pipeline::ServiceView View() {
  pipeline::ServiceView v;
  v.extensions = {"health_check"};
  v.pipelines = {{"traces", "traces", {"otlp"}, {"batch"}, {"otlp/a", "debug"}},
                 {"logs/x", "logs", {"otlp"}, {}, {"otlp/a"}}};
  return v;
}

struct Case {
  const char* what;
  ComponentStatus base;
  std::optional<ComponentStatus> exporter;  // otlp/a of traces, since ten seconds
  bool permanent, recoverable;
  int64_t recovery_seconds;
  int whole, traces, logs;
};

TEST(ComponentStates, CountWhatIsToCount) {
  using S = ComponentStatus;
  const Case cases[] = {
      {"starting", S::kStarting, {}, false, false, 60, 503, 503, 503},
      {"fine", S::kOk, {}, true, true, 60, 200, 200, 200},
      {"stopping", S::kStopping, {}, false, false, 60, 503, 503, 503},
      {"tries again, not counted", S::kOk, S::kRecoverableError, true, false, 0, 200, 200, 200},
      {"tries again, has time", S::kOk, S::kRecoverableError, false, true, 60, 200, 200, 200},
      {"tries again for too long", S::kOk, S::kRecoverableError, false, true, 5, 500, 500, 200},
      {"permanent, not counted", S::kOk, S::kPermanentError, false, true, 0, 200, 200, 200},
      {"permanent", S::kOk, S::kPermanentError, true, false, 0, 500, 500, 200},
      {"fatal", S::kOk, S::kFatalError, false, false, 60, 500, 500, 200},
  };
  for (auto& c : cases) {
    pipeline::StatusBoard::Snapshot board;
    board.base = {c.base, "", kSecond};
    if (c.exporter) board.events[{"exporter", "otlp/a", "traces"}] = {*c.exporter, "no route", 10 * kSecond};
    conf::Optional<ComponentHealth> health{
        ComponentHealth{c.permanent, c.recoverable, std::chrono::seconds(c.recovery_seconds)}};
    auto view = View();
    States states(board, view, health, 20 * kSecond);
    EXPECT_EQ(HttpStatusOf(states.whole()), c.whole) << c.what;
    EXPECT_EQ(HttpStatusOf(*states.Pipeline("traces")), c.traces) << c.what;
    EXPECT_EQ(HttpStatusOf(*states.Pipeline("logs/x")), c.logs) << c.what;
    EXPECT_EQ(states.Pipeline("metrics"), nullptr);
  }
}

TEST(ComponentStates, AreWrittenAsTheReferenceWritesThem) {
  pipeline::StatusBoard::Snapshot board;
  board.base = {ComponentStatus::kOk, "", kSecond};
  board.events[{"exporter", "otlp/a", "logs"}] = {ComponentStatus::kRecoverableError, "no \"route\"", 10 * kSecond};
  auto view = View();
  States states(board, view, {}, 20 * kSecond);
  EXPECT_EQ(ToJson(states.whole(), 0, false),
            R"({"attributes":{},"error":"no \"route\"","healthy":true,"start_time":"1970-01-01T00:00:00.000000000Z",)"
            R"("status":"StatusRecoverableError","status_time":"1970-01-01T00:00:10.000000000Z"})");
  std::string verbose = ToJson(states.whole(), 0, true);
  for (auto* part :
       {R"("extensions":{"attributes":{},"components":{"extension:health_check")", R"("pipeline:logs/x":{)",
        R"("exporter:debug":{)", R"("processor:batch":{)", R"("receiver:otlp":{)"}) {
    EXPECT_NE(verbose.find(part), std::string::npos) << part << " in " << verbose;
  }
}

TEST(StatusBoard, ForgetsErrorsThatAreOverAndIsBounded) {
  pipeline::StatusBoard board;
  int fatal = 0;
  board.OnFatal([&](auto&, auto&) { ++fatal; });
  board.Report({"exporter", "a", ""}, ComponentStatus::kRecoverableError, "x");
  EXPECT_EQ(board.Read().events.size(), 1u);
  board.Report({"exporter", "a", ""}, ComponentStatus::kOk);
  EXPECT_TRUE(board.Read().events.empty());
  for (int i = 0; i < 5000; ++i) board.Report({"exporter", std::to_string(i), ""}, ComponentStatus::kPermanentError);
  EXPECT_EQ(board.Read().events.size(), pipeline::StatusBoard::kMaxEvents);
  board.Report({"exporter", "b", ""}, ComponentStatus::kFatalError, "end");
  EXPECT_EQ(fatal, 1);
}

}  // namespace
}  // namespace naru::extensions::health_check
