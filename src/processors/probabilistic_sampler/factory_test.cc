#include "processors/probabilistic_sampler/factory.h"

#include <gtest/gtest.h>

#include "conf/yaml.h"
#include "otlp/build.h"
#include "testkit/probe.h"
#include "testkit/test_host.h"

namespace naru::processors::probabilistic_sampler {
namespace {

TEST(SamplerConfig, IsRefusedWhereTheReferenceRefusesIt) {
  struct {
    const char* config;
    const char* want;  // a part of the message, or nothing when it is right
  } const kCases[] = {
      {"{}", ""},
      {"{sampling_percentage: 15.5, mode: proportional, sampling_precision: 14, hash_seed: 4294967295}", ""},
      {"{sampling_percentage: 250, mode: equalizing, fail_closed: false, sampling_precision: 1}", ""},
      {"{mode: hash_seed, attribute_source: record, from_attribute: a, sampling_priority: b}", ""},
      {"{mode: '', attribute_source: ''}", ""},
      {"{sampling_percentage: -1}", "sampling rate is negative: -1.000000%"},
      {"{sampling_percentage: .inf}", "sampling rate is invalid"},
      {"{sampling_percentage: .nan}", "sampling rate is invalid"},
      {"{sampling_percentage: 1e39}", "sampling rate is invalid"},
      {"{sampling_percentage: 1e-16}", "sampling rate is too small: 1e-16%"},
      {"{sampling_percentage: 1e-14}", ""},
      {"{mode: fair}", "unsupported sampler mode \"fair\""},
      {"{attribute_source: traceid}", "invalid attribute source: traceid. Expected: traceID or record"},
      {"{sampling_precision: 0}", "invalid sampling precision: 0"},
      {"{sampling_precision: 15}", "sampling precision is too great, should be <= 14: 15"},
      {"{hash_seed: -1}", "hash_seed"},
      {"{percentage: 1}", "percentage"},
  };
  for (const auto& c : kCases) {
    auto value = conf::ParseYaml(c.config, "config.yaml");
    ASSERT_TRUE(value) << c.config;
    conf::Issues issues;
    NewFactory()->NewConfig()->Decode(*value, issues);
    if (!*c.want) {
      EXPECT_TRUE(issues.empty()) << issues.ToString();
    } else {
      EXPECT_NE(issues.ToString().find(c.want), std::string::npos) << c.config << ": " << issues.ToString();
    }
  }
}

TEST(SamplerFactory, CountsWhatIsRemovedAsFiltered) {
  testkit::TestHost host;
  testkit::Probe exit;
  auto factory = NewFactory();
  EXPECT_EQ(factory->type, "probabilistic_sampler");
  EXPECT_EQ(factory->stability.Of(otlp::Signal::kTraces), "beta");
  EXPECT_EQ(factory->stability.Of(otlp::Signal::kLogs), "alpha");
  EXPECT_EQ(factory->stability.Of(otlp::Signal::kMetrics), "");
  auto config = factory->NewConfig();
  conf::Issues issues;
  config->Decode(*conf::ParseYaml("{sampling_percentage: 100}", ""), issues);
  pipeline::ProcessorContext context;
  context.id = "probabilistic_sampler/x";
  context.pipeline = "traces/y";
  context.host = &host;
  context.signal = otlp::Signal::kTraces;
  context.next = &exit;
  auto processor = factory->MakeProcessor(*config, context);
  ASSERT_TRUE(processor);
  auto send = [&](Slice bytes, uint64_t items) {
    auto heard = std::make_shared<testkit::Heard>();
    (*processor)->Consume(pipeline::Batch(otlp::Signal::kTraces, std::move(bytes), testkit::TokenFor(heard, items)));
    return heard->outcome;
  };
  otlp::RequestBuilder b(otlp::Signal::kTraces);
  for (int i = 0; i < 10; ++i) {
    b.Add(otlp::SpanData{.trace_id = "0123456789abcdef", .attributes = {{"sampling.priority", i % 5}}});
  }
  pipeline::Outcome outcome = send(b.Finish(), 10);
  EXPECT_EQ(outcome.filtered, 2u);
  EXPECT_EQ(outcome.delivered, 8u);
  EXPECT_EQ(exit.taken_items(), 8u);
  // Of a request that cannot be read to its end, what can be read is sampled, once.
  b.Add(otlp::SpanData{.trace_id = "0123456789abcdef"});
  b.AddEncoded("\x1b");
  outcome = send(b.Finish(), 2);
  EXPECT_EQ(outcome.delivered, 1u);
  EXPECT_EQ(outcome.dropped, 1u);
  int64_t filtered = 0, malformed = 0;
  for (const auto& line : host.ledger().Snapshot()) {
    EXPECT_EQ(line.owner.id, "probabilistic_sampler/x");
    if (line.entry == pipeline::Entry::kFiltered) filtered += line.value;
    if (line.entry == pipeline::Entry::kDropped) malformed += line.value;
  }
  EXPECT_EQ(filtered, 2);
  EXPECT_EQ(malformed, 1);
  double counted = 0;
  for (const auto& family : host.metrics().Collect()) {
    for (const auto& series : family.series) counted += series.value;
  }
  EXPECT_EQ(counted, 11);
}

}  // namespace
}  // namespace naru::processors::probabilistic_sampler
