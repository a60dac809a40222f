#include <gtest/gtest.h>

#include "extensions/zpages/pages.h"
#include "extensions/zpages/trace_store.h"

namespace naru::extensions::zpages {
namespace {

std::shared_ptr<pipeline::OwnSpan> Span(const std::string& name, uint8_t id, uint64_t took, bool failed) {
  auto s = std::make_shared<pipeline::OwnSpan>();
  s->name = name;
  s->context.trace_id[0] = s->context.span_id[0] = id;
  s->context.sampled = true;
  s->start = 1'000'000'000;
  s->end = s->start + took;
  s->failed = failed;
  s->message = failed ? "<b>no</b>" : "";
  return s;
}

TEST(TraceStore, SortsByLatencyAndFailure) {
  TraceStore t;
  uint8_t id = 0;
  for (uint64_t took : {0ull, 9'999ull, 10'000ull, 2'000'000ull, 200'000'000'000ull}) {
    auto s = Span("a", ++id, took, false);
    t.OnStart(*s);
    t.OnEnd(s);
  }
  auto bad = Span("a", ++id, 5, true), open = Span("a", ++id, 0, false);
  t.OnEnd(bad);
  t.OnStart(*open);
  auto rows = t.Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].running, 1u);
  EXPECT_EQ(rows[0].failed, 1u);
  EXPECT_EQ(rows[0].latency, (std::array<uint64_t, 9>{2, 1, 0, 1, 0, 0, 0, 0, 1}));
  EXPECT_EQ(t.Running("a").size(), 1u);
  EXPECT_EQ(t.Latency("a", 0).size(), 2u);
  EXPECT_TRUE(t.Latency("b", 0).empty());
  EXPECT_TRUE(t.Latency("a", 99).empty());
}

TEST(TraceStore, IsBounded) {
  TraceStore t;
  for (int i = 0; i < 3000; ++i) {
    auto s = Span("name " + std::to_string(i), 0, 0, false);
    s->context.span_id = {static_cast<uint8_t>(i), static_cast<uint8_t>(i >> 8), 1};
    t.OnStart(*s);
    if (i % 2) t.OnEnd(s);
  }
  auto rows = t.Rows();
  EXPECT_LE(rows.size(), TraceStore::kMaxNames + 1);
  uint64_t running = 0;
  for (auto& r : rows) running += r.running;
  EXPECT_LE(running, TraceStore::kMaxRunning);
  for (int i = 0; i < 100; ++i) t.OnEnd(Span("name 1", 7, 0, false));
  EXPECT_EQ(t.Latency("name 1", 0).size(), TraceStore::kKept);
}

TEST(Pages, EscapeWhatComesFromOutside) {
  TraceStore t;
  t.OnEnd(Span("<script>", 1, 0, true));
  std::string page = TracePage(t, "<script>", "2", "0", 0);
  EXPECT_EQ(page.find("<script>"), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;"), std::string::npos);
  EXPECT_NE(page.find("&lt;b&gt;no&lt;/b&gt;"), std::string::npos);
  EXPECT_EQ(Escape("a&b<c>d\"e'"), "a&amp;b&lt;c&gt;d&#34;e&#39;");
}

}  // namespace
}  // namespace naru::extensions::zpages
