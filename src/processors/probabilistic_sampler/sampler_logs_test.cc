#include <gtest/gtest.h>

#include "otlp/build.h"
#include "otlp/value_text.h"
#include "processors/probabilistic_sampler/sampler_under_test.h"

namespace naru::processors::probabilistic_sampler {
namespace {

using otlp::Attr;
using otlp::RequestBuilder;
using otlp::Signal;

TEST(Sampler, Logs) {
  const char* kTh = "sampling.threshold";
  const char* kRv = "sampling.randomness";
  Config by_record{.sampling_percentage = 100, .attribute_source = "record", .from_attribute = "id"};
  Config by_id{.sampling_percentage = 100, .from_attribute = "id"};
  Config open = by_record;
  open.fail_closed = false;
  Config half{.sampling_percentage = 50, .mode = "equalizing"};
  Config half_open = half;
  half_open.fail_closed = false;
  Config priority{.sampling_percentage = 25, .mode = "proportional", .sampling_priority = "p"};
  Config odd{.sampling_percentage = 0.01, .from_attribute = "id", .sampling_priority = kRv};
  struct {
    const char* about;
    Config config;
    std::string trace_id;
    std::vector<Attr> attributes;
    std::string want;  // "key=value ..." or "-" when removed; HASH(x) is the randomness of x
    const char* counts;
  } const kCases[] = {
      {"hash: attribute",
       by_record,
       kHalf,
       {{"id", "x"}, {"b", 1}},
       "id=x b=1 sampling.randomness=HASH(x) sampling.threshold=0",
       "id true 1;"},
      {"hash: bytes",
       by_record,
       kHalf,
       {{"id", otlp::Value::OfBytes("x")}},
       "id=eA== sampling.randomness=HASH(x) sampling.threshold=0",
       "id true 1;"},
      {"hash: number",
       by_record,
       kHalf,
       {{"id", 12}},
       "id=12 sampling.randomness=HASH(12) sampling.threshold=0",
       "id true 1;"},
      {"hash: trace id first",
       by_id,
       kHalf,
       {{"id", "x"}},
       "id=x sampling.randomness=HASH(" + kHalf + ") sampling.threshold=0",
       "trace_id_hash true 1;"},
      {"hash: attribute where there is none",
       by_id,
       kNoId,
       {{"id", "x"}},
       "id=x sampling.randomness=HASH(x) sampling.threshold=0",
       "id true 1;"},
      {"hash: empty attribute", by_record, kHalf, {{"id", ""}}, "-", "missing_randomness false 1;"},
      {"hash: absent attribute, open",
       open,
       kHalf,
       {{"b", 1}},
       "b=1 sampling.threshold=0",
       "missing_randomness true 1;"},
      {"hash: threshold in use", by_record, kHalf, {{"id", "x"}, {kTh, "0"}}, "-", "id false 1;"},
      {"hash: threshold in use, open",
       open,
       kHalf,
       {{"id", "x"}, {kTh, "0"}},
       "id=x sampling.threshold=0",
       "id true 1;"},
      {"hash: randomness in use, open",
       open,
       kHalf,
       {{"id", "x"}, {kRv, "0123456789abcd"}},
       "id=x sampling.randomness=0123456789abcd",
       "id true 1;"},
      {"hash: flaw, open", open, kHalf, {{"id", "x"}, {kRv, "1"}}, "id=x sampling.randomness=1", "id true 1;"},
      {"hash: information that is no text",
       by_record,
       kHalf,
       {{kTh, 1}, {"id", "x"}, {kRv, true}},
       "sampling.threshold=0 id=x sampling.randomness=HASH(x)",
       "id true 1;"},
      {"hash: priority in what is set", odd, kHalf, {{"id", "x"}, {kRv, 100}}, "-", "trace_id_hash false 1;"},
      {"hash: priority in what is not set",
       odd,
       kNoId,
       {{kRv, 100}},
       "sampling.randomness=100 sampling.threshold=0",
       "sampling_priority true 1;"},

      {"equalizing: trace id", half, kHalf, {}, "sampling.threshold=8", "trace_id_w3c true 1;"},
      {"equalizing: threshold goes up",
       half,
       kHalf,
       {{kTh, "4"}, {"b", 1}},
       "sampling.threshold=8 b=1",
       "trace_id_w3c true 1;"},
      {"equalizing: randomness",
       half,
       kNoId,
       {{kRv, "80000000000000"}},
       "sampling.randomness=80000000000000 sampling.threshold=8",
       "sampling_randomness true 1;"},
      {"equalizing: no trace id", half, kNoId, {}, "-", "missing_randomness false 1;"},
      {"equalizing: inconsistent", half, kHalf, {{kTh, "9"}}, "-", "trace_id_w3c false 1;"},
      {"equalizing: inconsistent, open",
       half_open,
       kHalf,
       {{kTh, "9"}, {"b", 1}},
       "b=1 sampling.threshold=0",
       "trace_id_w3c true 1;"},
      {"equalizing: flaw, open",
       half_open,
       kHalf,
       {{kTh, "xx"}},
       "sampling.threshold=xx",
       "missing_randomness true 1;"},

      {"priority: all", priority, kHalf, {{"p", 100}}, "p=100 sampling.threshold=0", "sampling_priority true 1;"},
      {"priority: half", priority, kHalf, {{"p", 50.0}}, "p=50 sampling.threshold=8", "sampling_priority true 1;"},
      {"priority: less than half", priority, kHalf, {{"p", 49}}, "-", "sampling_priority false 1;"},
      {"priority: 0 decides nothing", priority, kHalf, {{"p", 0}}, "-", "trace_id_w3c false 1;"},
      {"priority: 101 decides nothing", priority, kHalf, {{"p", 101}}, "-", "trace_id_w3c false 1;"},
      {"priority: text decides nothing", priority, kHalf, {{"p", "100"}}, "-", "trace_id_w3c false 1;"},
      {"priority: does not lower",
       priority,
       kHalf,
       {{"p", 100}, {kTh, "8"}},
       "p=100 sampling.threshold=8",
       "sampling_priority true 1;"},
  };
  for (const auto& c : kCases) {
    Bench bench(Signal::kLogs, c.config);
    RequestBuilder b(Signal::kLogs);
    b.Add(otlp::LogData{.time = 1, .body = "text", .attributes = c.attributes, .flags = 1, .trace_id = c.trace_id});
    auto left = bench.Run(b.Finish());
    ASSERT_TRUE(left) << c.about;
    EXPECT_EQ(bench.dropped, 1 - left->size()) << c.about;
    EXPECT_EQ(bench.Counts(), c.counts) << c.about;
    if (left->empty()) {
      EXPECT_EQ(c.want, "-") << c.about;
      continue;
    }
    otlp::LogRecord record = otlp::LogRecord::Parse(left->front());
    std::string got, want = c.want;
    if (size_t at = want.find("HASH("); at != std::string::npos) {
      size_t end = want.find(')', at);
      std::string rv(RandomnessText(SeededHash(0)(want.substr(at + 5, end - at - 5))).view());
      want.replace(at, end + 1 - at, rv);
    }
    for (const otlp::KeyValue& kv : record.attributes) {
      got.append(got.empty() ? "" : " ").append(kv.key).append("=");
      otlp::AppendText(kv.value, &got);
    }
    EXPECT_EQ(got, want) << c.about;
    EXPECT_EQ(record.body.bytes, "text");
    EXPECT_EQ(record.time, 1u);
    EXPECT_EQ(record.flags, 1u);
    EXPECT_EQ(record.trace_id, c.trace_id);
  }
}

}  // namespace
}  // namespace naru::processors::probabilistic_sampler
