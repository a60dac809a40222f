// First byte: signal, mode and fail_closed. The rest: a request. What is left of a valid one is valid and has as many
// records as were not removed; what fail_closed and equalizing left is not changed by them again.
#include <cstdlib>

#include "otlp/scan.h"
#include "otlp/validate.h"
#include "processors/probabilistic_sampler/sampler.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace naru;
  using namespace naru::processors::probabilistic_sampler;
  class Nowhere final : public LogSink {
    bool Enabled(LogLevel) const override { return false; }
    void Write(LogLevel, std::string_view, const std::vector<LogField>&, const LogField*, size_t) override {}
  };
  static pipeline::Metrics metrics;
  static const Logger log(std::make_shared<Nowhere>());
  if (size == 0) return 0;
  otlp::Signal signal = data[0] & 1 ? otlp::Signal::kLogs : otlp::Signal::kTraces;
  static constexpr const char* kModes[] = {"hash_seed", "equalizing", "proportional", "equalizing"};
  Config config;
  config.mode = kModes[data[0] >> 1 & 3];
  config.sampling_percentage = (data[0] >> 1 & 3) == 3 ? 0 : 60;
  config.fail_closed = data[0] & 8;
  config.attribute_source = data[0] & 16 ? "record" : "traceID";
  config.from_attribute = config.sampling_priority = "a";
  auto sampler = std::make_shared<Sampler>(config, signal, metrics, log);
  auto program = otlp::EditProgram::Compile(signal, {.pass = [&] { return NewPass(sampler, signal); }});
  if (!program) abort();
  Slice in = Slice::Static({reinterpret_cast<const char*>(data) + 1, size - 1});
  bool valid = otlp::Validate(signal, in.view()).ok();
  auto out = program->Apply(in);
  if (!out) {
    if (valid) abort();
    return 0;
  }
  if (!valid) return 0;
  if (!otlp::Validate(signal, out->bytes.view()).ok()) abort();
  uint64_t left = otlp::Count(signal, out->bytes.view()).items;
  if (left + out->dropped != otlp::Count(signal, in.view()).items) abort();
  if (config.mode != "equalizing" || config.sampling_percentage == 0 || !config.fail_closed) return 0;
  auto again = program->Apply(out->bytes);
  if (!again || again->dropped != 0 || again->bytes.view() != out->bytes.view()) abort();
  return 0;
}
