#include "processors/batch/factory.h"

#include <algorithm>

#include "pipeline/batcher.h"

namespace naru::processors::batch {
namespace {

struct Config {
  Duration timeout = std::chrono::milliseconds(200);
  uint32_t send_batch_size = 8192;
  uint32_t send_batch_max_size = 0;
  std::vector<std::string> metadata_keys;
  uint32_t metadata_cardinality_limit = 1000;
  static void Describe(conf::Struct<Config>& s) {
    s.Field("timeout", &Config::timeout, "a batch is sent after this time whatever its size; 0 sends at once");
    s.Field("send_batch_size", &Config::send_batch_size,
            "spans, data points or log records from which a batch is sent at once");
    s.Field("send_batch_max_size", &Config::send_batch_max_size,
            "largest batch; larger ones are split; 0 for no limit");
    s.Field("metadata_keys", &Config::metadata_keys,
            "client metadata keys; each combination of values is batched by itself");
    s.Field("metadata_cardinality_limit", &Config::metadata_cardinality_limit, "combinations at most; 0 for no limit");
  }
  void Validate(conf::Issues& issues) const {
    if (send_batch_max_size > 0 && send_batch_max_size < send_batch_size) {
      issues.Add("send_batch_max_size", "send_batch_max_size must be greater or equal to send_batch_size");
    }
    if (timeout < Duration(0)) issues.Add("timeout", "timeout must be greater or equal to 0");
    std::vector<std::string> seen;
    for (auto& k : Lower(metadata_keys)) {
      if (std::find(seen.begin(), seen.end(), k) != seen.end())
        issues.Add("metadata_keys", fmt::format("duplicate entry in metadata_keys: \"{}\" (case-insensitive)", k));
      seen.push_back(k);
    }
  }
  static std::vector<std::string> Lower(std::vector<std::string> keys) {
    for (auto& k : keys) {
      for (char& c : k) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
      }
    }
    return keys;
  }
};

}  // namespace

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kProcessor;
  f->type = "batch";
  f->module = "go.opentelemetry.io/collector/processor/batchprocessor v0.155.0";
  f->summary = "gathers requests into batches";
  f->stability = {.traces = "beta", .metrics = "beta", .logs = "beta", .profiles = ""};
  f->processor = [](const Config& c, pipeline::ProcessorContext ctx) -> Result<std::unique_ptr<pipeline::Processor>> {
    pipeline::BatcherOptions o;
    o.send_batch_size = c.send_batch_size;
    o.send_batch_max_size = c.send_batch_max_size;
    o.timeout = c.timeout;
    o.metadata_keys = Config::Lower(c.metadata_keys);
    std::sort(o.metadata_keys.begin(), o.metadata_keys.end());
    o.metadata_cardinality_limit = c.metadata_cardinality_limit;
    return std::unique_ptr<pipeline::Processor>(std::make_unique<pipeline::Batcher>(std::move(ctx), std::move(o)));
  };
  return f;
}

}  // namespace naru::processors::batch
