// The blocks that every exporter shares: timeout, retry_on_failure, sending_queue. Keys and defaults are the
// reference's exporterhelper.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conf/schema.h"

namespace naru::pipeline {

struct RetryConfig {
  bool enabled = true;
  Duration initial_interval = std::chrono::seconds(5);
  double randomization_factor = 0.5;
  double multiplier = 1.5;
  Duration max_interval = std::chrono::seconds(30);
  Duration max_elapsed_time = std::chrono::seconds(300);
  static void Describe(conf::Struct<RetryConfig>& s);
  void Validate(conf::Issues& issues) const;
};

struct QueuePartitionConfig {
  std::vector<std::string> metadata_keys;
  static void Describe(conf::Struct<QueuePartitionConfig>& s);
};

struct QueueBatchConfig {
  Duration flush_timeout = std::chrono::milliseconds(200);
  int64_t min_size = 8192;
  int64_t max_size = 0;
  std::string sizer;  // empty: that of the queue, or items when the queue counts requests
  QueuePartitionConfig partition;
  static void Describe(conf::Struct<QueueBatchConfig>& s);
  void Validate(conf::Issues& issues) const;
};

/// Stands in a conf::Optional: on by default, and switched off with `enabled: false`.
struct QueueConfig {
  int64_t num_consumers = 10;
  int64_t queue_size = 1000;
  std::string sizer = "requests";
  bool wait_for_result = false;
  bool block_on_overflow = false;
  std::string storage;
  conf::Optional<QueueBatchConfig> batch = conf::Optional<QueueBatchConfig>::Default({});
  static void Describe(conf::Struct<QueueConfig>& s);
  void Validate(conf::Issues& issues) const;
};

}  // namespace naru::pipeline
