// A sampler at work on whole requests, for tests.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "otlp/validate.h"
#include "processors/probabilistic_sampler/sampler.h"

namespace naru::processors::probabilistic_sampler {

class Lines final : public LogSink {
 public:
  bool Enabled(LogLevel) const override { return true; }
  void Write(LogLevel level, std::string_view message, const std::vector<LogField>&, const LogField* fields,
             size_t n) override {
    text += fmt::format("{} {}", static_cast<int>(level), message);
    for (size_t i = 0; i < n; ++i) {
      if (auto* s = std::get_if<std::string>(&fields[i].value)) text += " " + *s;
      if (auto* v = std::get_if<int64_t>(&fields[i].value)) text += fmt::format(" {}", *v);
    }
    text += "\n";
  }
  std::string text;
};

// A configuration with what it did.
struct Bench {
  Bench(otlp::Signal signal, const Config& config) : signal(signal) {
    auto sampler = std::make_shared<Sampler>(config, signal, metrics, Logger(lines));
    program = std::move(
        *otlp::EditProgram::Compile(signal, {.pass = [sampler, signal] { return NewPass(sampler, signal); }}));
  }
  // The records that are left; nothing when the request is malformed.
  std::optional<std::vector<std::string>> Run(const Slice& request) {
    auto edited = program->Apply(request);
    if (!edited) return std::nullopt;
    EXPECT_TRUE(otlp::Validate(signal, edited->bytes.view()).ok());
    dropped = edited->dropped;
    out = edited->bytes;
    std::vector<std::string> records;
    for (const otlp::ResourceItems& r : otlp::Resources(out.view())) {
      for (const otlp::ScopeItems& s : r.scopes) {
        for (std::string_view record : s.raw_records) records.emplace_back(record);
      }
    }
    return records;
  }
  // "policy sampled count" of every series.
  std::string Counts() const {
    std::string text;
    for (const auto& family : metrics.Collect()) {
      EXPECT_EQ(family.instrument.name, signal == otlp::Signal::kTraces
                                            ? "otelcol_processor_probabilistic_sampler_count_traces_sampled"
                                            : "otelcol_processor_probabilistic_sampler_count_logs_sampled");
      EXPECT_EQ(family.instrument.unit, "1");
      for (const auto& s : family.series) {
        EXPECT_EQ(s.attributes[0].first, "policy");
        EXPECT_EQ(s.attributes[1].first, "sampled");
        text += fmt::format("{} {} {};", s.attributes[0].second, s.attributes[1].second, s.value);
      }
    }
    return text;
  }

  otlp::Signal signal;
  pipeline::Metrics metrics;
  std::shared_ptr<Lines> lines = std::make_shared<Lines>();
  std::optional<otlp::EditProgram> program;
  uint64_t dropped = 0;
  Slice out;
};

// Its last seven bytes are 80000000000000.
inline const std::string kHalf = std::string("\x01", 1) + std::string(8, '\x02') + "\x80" + std::string(6, '\0');
inline const std::string kNoId(16, '\0');

}  // namespace naru::processors::probabilistic_sampler
