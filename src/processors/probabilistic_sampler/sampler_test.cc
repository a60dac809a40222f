#include <cmath>

#include <gtest/gtest.h>

#include "otlp/build.h"
#include "otlp/fields.h"
#include "processors/probabilistic_sampler/sampler_under_test.h"

namespace naru::processors::probabilistic_sampler {
namespace {

using otlp::Attr;
using otlp::RequestBuilder;
using otlp::Signal;

TEST(Sampler, Spans) {
  struct {
    const char* about;
    Config config;
    std::string trace_id, trace_state;
    std::vector<Attr> attributes;
    const char* want;  // the tracestate, or "-" when removed
    const char* counts;
  } const kCases[] = {
      {"hash: nothing known", {.sampling_percentage = 100}, kHalf, "", {}, "ot=rv:HASH;th:0", "trace_id_hash true 1;"},
      {"hash: others stay",
       {.sampling_percentage = 100},
       kHalf,
       "a=b",
       {},
       "ot=rv:HASH;th:0,a=b",
       "trace_id_hash true 1;"},
      {"hash: too little", {.sampling_percentage = 0.001}, kHalf, "", {}, "-", "sampling_priority false 1;"},
      {"hash: no id", {.sampling_percentage = 100}, kNoId, "", {}, "-", "missing_randomness false 1;"},
      {"hash: no id, open",
       {.sampling_percentage = 1, .fail_closed = false},
       kNoId,
       "",
       {},
       "ot=rv:ffffffffffffff;th:0",
       "missing_randomness true 1;"},
      {"hash: no id of 16 bytes", {.sampling_percentage = 100}, "", "", {}, "-", "missing_randomness false 1;"},
      {"hash: threshold in use", {.sampling_percentage = 100}, kHalf, "ot=th:8", {}, "-", "trace_id_hash false 1;"},
      {"hash: threshold in use, open",
       {.sampling_percentage = 100, .fail_closed = false},
       kHalf,
       " ot=th:8",
       {},
       " ot=th:8",
       "trace_id_hash true 1;"},
      {"hash: randomness in use, open",
       {.sampling_percentage = 100, .fail_closed = false},
       kHalf,
       "ot=rv:00000000000000",
       {},
       "ot=rv:00000000000000",
       "trace_id_hash true 1;"},
      {"hash: flaw, open",
       {.sampling_percentage = 1, .fail_closed = false},
       kHalf,
       "=",
       {},
       "=",
       "trace_id_hash true 1;"},
      {"hash: priority",
       {.sampling_percentage = 0.1},
       kHalf,
       "",
       {{"sampling.priority", 1}},
       "ot=rv:HASH;th:0",
       "sampling_priority true 1;"},
      {"hash: priority none",
       {.sampling_percentage = 100},
       kHalf,
       "",
       {{"sampling.priority", 0}},
       "-",
       "sampling_priority false 1;"},

      {"equalizing: as probable as can be",
       {.sampling_percentage = 50, .mode = "equalizing"},
       kHalf,
       "",
       {},
       "ot=th:8",
       "trace_id_w3c true 1;"},
      {"equalizing: just not",
       {.sampling_percentage = 49.99, .mode = "equalizing"},
       kHalf,
       "",
       {},
       "-",
       "trace_id_w3c false 1;"},
      {"equalizing: sampled less before",
       {.sampling_percentage = 90, .mode = "equalizing"},
       kHalf,
       "ot=th:7;x:1",
       {},
       "ot=th:7;x:1",
       "trace_id_w3c true 1;"},
      {"equalizing: sampled more before",
       {.sampling_percentage = 50, .mode = "equalizing"},
       kHalf,
       "a=b,ot=th:7",
       {},
       "ot=th:8,a=b",
       "trace_id_w3c true 1;"},
      {"equalizing: randomness",
       {.sampling_percentage = 50, .mode = "equalizing"},
       kNoId,
       "ot=rv:9b8233f7e3a151",
       {},
       "ot=rv:9b8233f7e3a151;th:8",
       "sampling_randomness true 1;"},
      {"equalizing: too random",
       {.sampling_percentage = 25, .mode = "equalizing"},
       kHalf,
       "ot=rv:9b8233f7e3a151",
       {},
       "-",
       "sampling_randomness false 1;"},
      {"equalizing: inconsistent",
       {.sampling_percentage = 100, .mode = "equalizing"},
       kHalf,
       "ot=th:9",
       {},
       "-",
       "trace_id_w3c false 1;"},
      {"equalizing: inconsistent, open",
       {.sampling_percentage = 1, .mode = "equalizing", .fail_closed = false},
       kHalf,
       "ot=th:9;x:1",
       {},
       "ot=th:0;x:1",
       "trace_id_w3c true 1;"},
      {"equalizing: flaw, open",
       {.sampling_percentage = 1, .mode = "equalizing", .fail_closed = false},
       kHalf,
       "ot=th:zz",
       {},
       "ot=th:zz",
       "missing_randomness true 1;"},
      {"equalizing: no id, open",
       {.sampling_percentage = 1, .mode = "equalizing", .fail_closed = false},
       kNoId,
       "ot=th:8",
       {},
       "ot=th:8",
       "missing_randomness true 1;"},
      {"equalizing: priority does not lower",
       {.sampling_percentage = 1, .mode = "equalizing"},
       kHalf,
       " ot=th:8",
       {{"sampling.priority", 2}},
       "ot=th:8",
       "sampling_priority true 1;"},

      {"proportional: half of half",
       {.sampling_percentage = 50, .mode = "proportional"},
       kNoId,
       "ot=rv:c0000000000000;th:8",
       {},
       "ot=rv:c0000000000000;th:c",
       "sampling_randomness true 1;"},
      {"proportional: just not",
       {.sampling_percentage = 50, .mode = "proportional"},
       kNoId,
       "ot=rv:bfffffffffffff;th:8",
       {},
       "-",
       "sampling_randomness false 1;"},
      {"proportional: first",
       {.sampling_percentage = 100.0 / 3, .mode = "proportional", .sampling_precision = 2},
       kNoId,
       "ot=rv:ab000000000000",
       {},
       "ot=rv:ab000000000000;th:ab",
       "sampling_randomness true 1;"},
      {"proportional: below what there is",
       {.sampling_percentage = 1, .mode = "proportional"},
       kNoId,
       "ot=rv:ffffffffffffff;th:ffffffffffffff",
       {},
       "-",
       "sampling_randomness false 1;"},

      {"none", {}, kHalf, "", {}, "-", "sampling_priority false 1;"},
      {"none, priority",
       {},
       kNoId,
       "ot=th:8,a=b",
       {{"sampling.priority", 1}},
       "ot=th:8,a=b",
       "sampling_priority true 1;"},
      {"none, flaw", {.mode = "equalizing"}, kHalf, "ot=th:zz", {}, "-", "sampling_priority false 1;"},
      {"none, flaw, open",
       {.fail_closed = false},
       kHalf,
       "x=y,ot=th:zz;rv:ffffffffffffff",
       {},
       "ot=rv:ffffffffffffff;th:0,x=y",
       "sampling_priority true 1;"},
      {"none, flaw of all, open", {.fail_closed = false}, kHalf, "x=y,=", {}, "ot=th:0", "sampling_priority true 1;"},
  };
  std::string hash(RandomnessText(SeededHash(0)(kHalf)).view());
  for (const auto& c : kCases) {
    Bench bench(Signal::kTraces, c.config);
    RequestBuilder b(Signal::kTraces);
    b.Add(otlp::SpanData{.trace_id = c.trace_id,
                         .span_id = "12345678",
                         .trace_state = c.trace_state,
                         .name = "n",
                         .flags = 1,
                         .attributes = c.attributes});
    auto left = bench.Run(b.Finish());
    ASSERT_TRUE(left) << c.about;
    std::string want = c.want;
    if (size_t at = want.find("HASH"); at != std::string::npos) want.replace(at, 4, hash);
    EXPECT_EQ(bench.dropped, 1 - left->size()) << c.about;
    EXPECT_EQ(bench.Counts(), c.counts) << c.about;
    if (left->empty()) {
      EXPECT_EQ(want, "-") << c.about;
      EXPECT_TRUE(bench.out.empty()) << c.about;
      continue;
    }
    otlp::Span span = otlp::Span::Parse(left->front());
    EXPECT_EQ(span.trace_state, want) << c.about;
    EXPECT_EQ(span.trace_id, c.trace_id);
    EXPECT_EQ(span.span_id, "12345678");
    EXPECT_EQ(span.name, "n");
    EXPECT_EQ(span.flags, 1u);
    EXPECT_EQ(span.attributes.size(), c.attributes.size());
  }
}

TEST(Sampler, PrioritiesOfSpans) {
  struct {
    otlp::Value value;
    const char* want;  // "keep", "drop" or nothing
  } const kCases[] = {
      {0, "drop"},   {1, "keep"},        {-1, ""},           {0.0, "drop"},       {-0.0, "drop"},
      {0.1, "keep"}, {-0.1, ""},         {"0", "drop"},      {"1", "keep"},       {"-1", ""},
      {"x", ""},     {"", ""},           {"1e-400", "drop"}, {"1e400", ""},       {"Inf", "keep"},
      {"NaN", ""},   {"0x1p-3", "keep"}, {true, ""},         {otlp::Value(), ""},
  };
  for (const auto& c : kCases) {
    // What is not decided by priority is kept by the one and removed by the other.
    std::string got[2];
    for (int all : {0, 1}) {
      Bench bench(Signal::kTraces, {.sampling_percentage = all ? 100.0 : 0.0});
      RequestBuilder b(Signal::kTraces);
      b.Add(otlp::SpanData{.trace_id = kHalf, .attributes = {{"a", 1}, {"sampling.priority", c.value}}});
      got[all] = bench.Run(b.Finish())->empty() ? "drop" : "keep";
    }
    EXPECT_EQ(got[0] == got[1] ? got[0] : "", c.want);
  }
}

// Fields in any order and more than once: what decoders take is read, and one is written.
TEST(Sampler, OddEncodings) {
  auto state = [](std::string_view text) {
    wire::Writer w;
    w.BytesField(otlp::field::span::kTraceState, text);
    return std::string(w.view());
  };
  auto field = [](uint32_t number, std::string_view text) {
    wire::Writer w;
    w.BytesField(number, text);
    return std::string(w.view());
  };
  std::string id = field(otlp::field::span::kTraceId, kHalf), name = field(otlp::field::span::kName, "n");
  struct {
    std::string span, want;
  } const kCases[] = {
      {id + name, id + state("ot=th:8") + name},
      {name + id, state("ot=th:8") + name + id},
      {id, id + state("ot=th:8")},
      {name + state("a=b") + id, state("ot=th:8,a=b") + name + id},
      {id + state("x=y") + name + state("a=b"), id + state("ot=th:8,a=b") + name},
      {state("x=y") + state("ot=th:8") + id, state("ot=th:8") + id},
      {id + state("ot=th:8"), id + state("ot=th:8")},
      {id + state(""), id + state("ot=th:8")},
      {id + "\x1b\x1c", "malformed"},
      {id + "\x4a\x02\x0a\x05", "malformed"},
  };
  for (const auto& c : kCases) {
    Bench bench(Signal::kTraces, {.sampling_percentage = 50, .mode = "equalizing"});
    RequestBuilder b(Signal::kTraces);
    b.AddEncoded(c.span);
    auto left = bench.Run(b.Finish());
    if (!left) {
      EXPECT_EQ(c.want, "malformed");
      EXPECT_EQ(bench.Counts(), "");  // counted when what can be read is sampled
      continue;
    }
    ASSERT_EQ(left->size(), 1u);
    EXPECT_EQ(left->front(), c.want);
  }
  // Attributes stand together, also where there were none.
  std::string time = field(3, "text"), flags("\x45\x01\x00\x00\x00", 5), log_id = field(9, kHalf);
  Bench bench(Signal::kLogs, {.sampling_percentage = 50, .mode = "equalizing"});
  RequestBuilder b(Signal::kLogs);
  b.AddEncoded(time + flags + log_id);
  b.AddEncoded(time + log_id + field(6, field(1, "k")) + flags);
  auto left = bench.Run(b.Finish());
  std::string added = field(6, field(1, "sampling.threshold") + field(2, field(1, "8")));
  ASSERT_EQ(left->size(), 2u);
  EXPECT_EQ((*left)[0], time + added + flags + log_id);
  EXPECT_EQ((*left)[1], time + log_id + field(6, field(1, "k")) + added + flags);
}

TEST(Sampler, FaultsAreLoggedOnceARequest) {
  Bench bench(Signal::kTraces, {.sampling_percentage = 50, .mode = "equalizing"});
  RequestBuilder b(Signal::kTraces);
  for (int i = 0; i < 3; ++i) b.Add(otlp::SpanData{.trace_id = kNoId});
  for (int i = 0; i < 2; ++i) b.Add(otlp::SpanData{.trace_id = kHalf, .trace_state = "ot=rv:1"});
  b.Add(otlp::SpanData{.trace_id = kHalf});
  EXPECT_EQ(bench.Run(b.Finish())->size(), 1u);
  EXPECT_EQ(bench.dropped, 5u);
  EXPECT_EQ(bench.lines->text,
            "0 traces sampler r-value must have 14 hex digits 2\n"
            "-1 traces sampler missing randomness 3\n");
  EXPECT_EQ(bench.Counts(), "missing_randomness false 5;trace_id_w3c true 1;");
}

// The share that is kept is the share that was asked for, and spans of one trace share their fate in every mode.
TEST(Sampler, KeepsTheShare) {
  for (const char* mode : {"hash_seed", "equalizing", "proportional"}) {
    for (double percentage : {3.0, 40.0, 99.0}) {
      Bench bench(Signal::kTraces, {.sampling_percentage = percentage, .mode = mode});
      RequestBuilder b(Signal::kTraces);
      uint64_t x = 88172645463325252u;
      constexpr int kTraces = 10000;
      for (int i = 0; i < kTraces; ++i) {
        std::string id;
        for (int k = 0; k < 16; ++k) {
          x ^= x << 13, x ^= x >> 7, x ^= x << 17;
          id.push_back(static_cast<char>(x));
        }
        b.Add(otlp::SpanData{.trace_id = id, .name = "a"});
        b.Add(otlp::SpanData{.trace_id = id, .name = "b"});
      }
      auto left = bench.Run(b.Finish());
      ASSERT_EQ(left->size() % 2, 0u);
      for (size_t i = 0; i < left->size(); i += 2)
        EXPECT_EQ(otlp::Span::Parse((*left)[i]).trace_id, otlp::Span::Parse((*left)[i + 1]).trace_id);
      double want = kTraces * percentage / 100;
      EXPECT_NEAR(static_cast<double>(left->size()) / 2, want, 4 * std::sqrt(want * (1 - percentage / 100)) + 1)
          << mode;
    }
  }
}

}  // namespace
}  // namespace naru::processors::probabilistic_sampler
