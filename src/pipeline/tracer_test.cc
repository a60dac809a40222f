#include "pipeline/tracer.h"

#include <map>

#include <gtest/gtest.h>

namespace naru::pipeline {
namespace {

struct Kept final : SpanSink {
  void OnStart(const OwnSpan&) override { ++started; }
  void OnEnd(std::shared_ptr<const OwnSpan> span) override { ended.push_back(std::move(span)); }
  int started = 0;
  std::vector<std::shared_ptr<const OwnSpan>> ended;
};

TEST(Tracer, CostsNothingUnlessSomebodyListens) {
  Tracer t;
  EXPECT_FALSE(t.on());
  EXPECT_FALSE(t.Start("x", SpanKind::kServer, nullptr));
  auto kept = std::make_shared<Kept>();
  auto handle = t.AddSink(kept);
  EXPECT_TRUE(t.on());
  handle.reset();
  EXPECT_FALSE(t.on());
}

TEST(Tracer, TellsOfSpansWithTheirParents) {
  Tracer t;
  auto kept = std::make_shared<Kept>();
  auto handle = t.AddSink(kept);
  {
    ActiveSpan a = t.Start("outer", SpanKind::kServer, nullptr);
    ASSERT_TRUE(a);
    EXPECT_TRUE(a.context().valid());
    ActiveSpan b = t.Start("inner", SpanKind::kClient, &a.context());
    b.Set("items.sent", 7);
    b.Set("endpoint", "here");
    for (int i = 0; i < 200; ++i) b.Event("again");
    b.Fail("no");
    b.End();
    b.End();  // once is enough
  }
  EXPECT_EQ(kept->started, 2);
  ASSERT_EQ(kept->ended.size(), 2u);
  auto &inner = *kept->ended[0], &outer = *kept->ended[1];
  EXPECT_EQ(inner.name, "inner");
  EXPECT_EQ(inner.context.trace_id, outer.context.trace_id);
  EXPECT_EQ(inner.parent, outer.context.span_id);
  EXPECT_NE(inner.context.span_id, outer.context.span_id);
  EXPECT_TRUE(inner.failed);
  EXPECT_EQ(inner.message, "no");
  EXPECT_EQ(inner.events.size(), 128u);
  EXPECT_EQ(inner.dropped_events, 72u);
  EXPECT_GE(inner.end, inner.start);
  EXPECT_EQ(std::get<int64_t>(inner.attributes[0].second), 7);
}

TEST(Tracer, SamplesByTheParentUnlessTold) {
  Tracer t;
  auto kept = std::make_shared<Kept>();
  auto handle = t.AddSink(kept);
  SpanContext parent;
  parent.trace_id[0] = parent.span_id[0] = 1;
  t.Start("unsampled parent", SpanKind::kServer, &parent).End();
  EXPECT_TRUE(kept->ended.empty());
  t.SetSampler([](auto&, auto*) { return true; });
  t.Start("always", SpanKind::kServer, &parent).End();
  t.SetSampler([](auto&, auto*) { return false; });
  t.Start("never", SpanKind::kServer, nullptr).End();
  ASSERT_EQ(kept->ended.size(), 1u);
  EXPECT_EQ(kept->ended[0]->name, "always");
}

TEST(Tracer, ReadsAndWritesThePropagatedForms) {
  struct Case {
    std::map<std::string, std::string> headers;
    bool trace_context, b3;
    const char* want;  // trace-span-sampled, empty for none
  };
  const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736", span = "00f067aa0ba902b7";
  const std::string want = trace + "-" + span;
  const Case cases[] = {
      {{{"traceparent", "00-" + trace + "-" + span + "-01"}}, true, false, "1"},
      {{{"traceparent", "00-" + trace + "-" + span + "-00"}}, true, false, "0"},
      {{{"traceparent", "cc-" + trace + "-" + span + "-01-what"}}, true, false, "1"},
      {{{"traceparent", "00-" + trace + "-" + span + "-01-what"}}, true, false, ""},
      {{{"traceparent", "ff-" + trace + "-" + span + "-01"}}, true, false, ""},
      {{{"traceparent", "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + span + "-01"}}, true, false, ""},
      {{{"traceparent", "00-00000000000000000000000000000000-" + span + "-01"}}, true, false, ""},
      {{{"traceparent", "00-" + trace}}, true, false, ""},
      {{{"traceparent", "00-" + trace + "-" + span + "-01"}}, false, true, ""},
      {{{"b3", trace + "-" + span + "-1"}}, false, true, "1"},
      {{{"b3", trace + "-" + span + "-0-05e3ac9a4f6e3b90"}}, false, true, "0"},
      {{{"b3", "0"}}, false, true, ""},
      {{{"x-b3-traceid", trace}, {"x-b3-spanid", span}, {"x-b3-flags", "1"}}, false, true, "1"},
      {{{"x-b3-traceid", trace}, {"x-b3-spanid", span}, {"x-b3-sampled", "1"}}, true, true, "1"},
      {{{"b3", "--"}}, false, true, ""},
  };
  for (auto& c : cases) {
    Tracer t;
    t.SetPropagators(c.trace_context, c.b3);
    auto got = t.Extract([&](std::string_view name) -> std::string_view {
      auto it = c.headers.find(std::string(name));
      return it == c.headers.end() ? std::string_view() : it->second;
    });
    std::string at = c.headers.begin()->second;
    EXPECT_EQ(got.valid(), *c.want != 0) << at;
    if (!*c.want) continue;
    EXPECT_EQ(got.TraceIdText() + "-" + got.SpanIdText(), want) << at;
    EXPECT_EQ(got.sampled, *c.want == '1') << at;
    std::vector<std::pair<std::string, std::string>> out;
    t.Inject(got, out);
    std::map<std::string, std::string> sent(out.begin(), out.end());
    if (c.trace_context) {
      EXPECT_EQ(sent["traceparent"], "00-" + want + "-0" + c.want) << at;
    }
    if (c.b3) {
      EXPECT_EQ(sent["x-b3-traceid"] + "-" + sent["x-b3-spanid"] + "-" + sent["x-b3-sampled"], want + "-" + c.want);
    }
  }
}

}  // namespace
}  // namespace naru::pipeline
