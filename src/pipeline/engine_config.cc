#include "pipeline/engine_config.h"

#include <algorithm>

namespace naru::pipeline {
namespace {

bool IsSizer(const std::string& s) {
  return s == "requests" || s == "items" || s == "bytes";
}

std::string Lower(std::string s) {
  for (char& c : s) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return s;
}

}  // namespace

void RetryConfig::Describe(conf::Struct<RetryConfig>& s) {
  s.Field("enabled", &RetryConfig::enabled, "try again after retryable failures");
  s.Field("initial_interval", &RetryConfig::initial_interval, "wait before the first retry");
  s.Field("randomization_factor", &RetryConfig::randomization_factor, "share by which each wait varies at random");
  s.Field("multiplier", &RetryConfig::multiplier, "growth of the wait from retry to retry");
  s.Field("max_interval", &RetryConfig::max_interval, "longest wait");
  s.Field("max_elapsed_time", &RetryConfig::max_elapsed_time, "give up after this time; 0 never gives up");
}

void RetryConfig::Validate(conf::Issues& issues) const {
  if (!enabled) return;
  if (initial_interval < Duration(0)) issues.Add("initial_interval", "must be non-negative");
  if (randomization_factor < 0 || randomization_factor > 1) issues.Add("randomization_factor", "must be within [0, 1]");
  if (multiplier < 0) issues.Add("multiplier", "must be non-negative");
  if (max_interval < Duration(0)) issues.Add("max_interval", "must be non-negative");
  if (max_elapsed_time < Duration(0)) issues.Add("max_elapsed_time", "must be non-negative");
  if (max_elapsed_time > Duration(0)) {
    if (max_elapsed_time < initial_interval) issues.Add("max_elapsed_time", "must not be less than initial_interval");
    if (max_elapsed_time < max_interval) issues.Add("max_elapsed_time", "must not be less than max_interval");
  }
}

void QueuePartitionConfig::Describe(conf::Struct<QueuePartitionConfig>& s) {
  s.Field("metadata_keys", &QueuePartitionConfig::metadata_keys,
          "client metadata keys; each combination of values is batched by itself");
}

void QueueBatchConfig::Describe(conf::Struct<QueueBatchConfig>& s) {
  s.Field("flush_timeout", &QueueBatchConfig::flush_timeout, "a batch is sent after this time whatever its size");
  s.Field("min_size", &QueueBatchConfig::min_size, "size from which a batch is sent at once");
  s.Field("max_size", &QueueBatchConfig::max_size, "largest batch; larger ones are split; 0 for no limit");
  s.Field("sizer", &QueueBatchConfig::sizer, "what the sizes count: `items` or `bytes`");
  s.Field("partition", &QueueBatchConfig::partition, "what is kept apart");
}

void QueueBatchConfig::Validate(conf::Issues& issues) const {
  if (!sizer.empty() && sizer != "items" && sizer != "bytes")
    issues.Add("sizer", "only `items` and `bytes` batch sizes are supported");
  if (flush_timeout <= Duration(0)) issues.Add("flush_timeout", "must be positive");
  if (min_size < 0) issues.Add("min_size", "must be non-negative");
  if (max_size < 0) issues.Add("max_size", "must be non-negative");
  if (max_size > 0 && max_size < min_size) issues.Add("max_size", "must be greater than or equal to min_size");
  std::vector<std::string> seen;
  for (auto& k : partition.metadata_keys) {
    if (std::find(seen.begin(), seen.end(), Lower(k)) != seen.end()) {
      issues.Add("partition::metadata_keys", fmt::format("duplicate entry \"{}\" (case-insensitive)", Lower(k)));
    }
    seen.push_back(Lower(k));
  }
}

void QueueConfig::Describe(conf::Struct<QueueConfig>& s) {
  s.Field("num_consumers", &QueueConfig::num_consumers, "requests in flight at most");
  s.Field("queue_size", &QueueConfig::queue_size,
          "how much the queue holds at most, counted by `sizer`; full, it refuses");
  s.Field("sizer", &QueueConfig::sizer, "what queue_size counts: `requests`, `items` or `bytes`");
  s.Field("wait_for_result", &QueueConfig::wait_for_result, "answer the sender only when the data is delivered");
  s.Field("block_on_overflow", &QueueConfig::block_on_overflow, "let senders wait for room instead of refusing them");
  s.Field("storage", &QueueConfig::storage, "id of a storage extension: the queue lives on disk");
  s.Field("batch", &QueueConfig::batch, "batching inside the queue");
}

void QueueConfig::Validate(conf::Issues& issues) const {
  if (num_consumers <= 0) issues.Add("num_consumers", "must be positive");
  if (queue_size <= 0) issues.Add("queue_size", "must be positive");
  if (!IsSizer(sizer)) issues.Add("sizer", fmt::format("\"{}\" is none of requests, items, bytes", sizer));
  if (wait_for_result && !storage.empty())
    issues.Add("wait_for_result", "is not supported with a persistent queue (`storage`)");
  if (batch) {
    std::string of_batch = !batch->sizer.empty() ? batch->sizer : sizer == "requests" ? "items" : sizer;
    if (sizer == of_batch && batch->min_size > queue_size)
      issues.Add("batch::min_size", "must be less than or equal to queue_size");
  }
}

}  // namespace naru::pipeline
