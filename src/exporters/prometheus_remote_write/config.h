// Configuration of the prometheus_remote_write exporter.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "codec/prometheus/remote_write.h"
#include "pipeline/config/client_config.h"
#include "pipeline/engine_config.h"

namespace naru::exporters::prometheus_remote_write {

struct RemoteWriteQueue {
  bool enabled = true;
  int64_t queue_size = 10000, num_consumers = 5;
  static void Describe(conf::Struct<RemoteWriteQueue>& s);
  void Validate(conf::Issues& issues) const;
};

struct Switch {
  bool enabled = true;
  static void Describe(conf::Struct<Switch>& s);
};

struct ResourceConversion {
  bool enabled = false, exclude_service_attributes = false;
  static void Describe(conf::Struct<ResourceConversion>& s);
};

struct WalConfig {
  std::string directory;
  int64_t buffer_size = 300;
  Duration truncate_frequency = std::chrono::minutes(1);
  static void Describe(conf::Struct<WalConfig>& s);
  void Validate(conf::Issues& issues) const;
};

struct Config {
  Config();
  pipeline::HttpClientConfig client;
  pipeline::RetryConfig retry;
  std::string name_space;
  RemoteWriteQueue remote_write_queue;
  std::map<std::string, std::string> external_labels;
  int64_t max_batch_size_bytes = 3'000'000;
  conf::Optional<int64_t> max_batch_request_parallelism;
  ResourceConversion resource_to_telemetry_conversion;
  conf::Optional<WalConfig> wal;
  Switch target_info;
  bool disable_scope_info = false, add_metric_suffixes = true, send_metadata = false;
  std::string translation_strategy, protobuf_message = "prometheus.WriteRequest";
  static void Describe(conf::Struct<Config>& s);
  void Validate(conf::Issues& issues) const;

  bool v2() const;
  codec::prometheus::RemoteWriteRules Rules() const;
};

}  // namespace naru::exporters::prometheus_remote_write
