#include "exporters/prometheus_remote_write/config.h"

#include <fmt/core.h>

namespace naru::exporters::prometheus_remote_write {
namespace {

constexpr std::string_view kV1 = "prometheus.WriteRequest", kV2 = "io.prometheus.write.v2.Request";

struct Strategy {
  std::string_view name;
  bool suffixes, utf8;
};
constexpr Strategy kStrategies[] = {
    {"UnderscoreEscapingWithSuffixes", true, false},
    {"UnderscoreEscapingWithoutSuffixes", false, false},
    {"NoUTF8EscapingWithSuffixes", true, true},
    {"NoTranslation", false, true},
};

const Strategy* StrategyByName(std::string_view name) {
  for (auto& s : kStrategies) {
    if (s.name == name) return &s;
  }
  return nullptr;
}

}  // namespace

void RemoteWriteQueue::Describe(conf::Struct<RemoteWriteQueue>& s) {
  s.Field("enabled", &RemoteWriteQueue::enabled, "queue before sending");
  s.Field("queue_size", &RemoteWriteQueue::queue_size, "batches in it at most");
  s.Field("num_consumers", &RemoteWriteQueue::num_consumers,
          "accepted; one batch is sent after the other, so that the samples of a series keep their order");
}
void RemoteWriteQueue::Validate(conf::Issues& issues) const {
  if (queue_size < 0) issues.Add("queue_size", "remote write queue size can't be negative");
  if (enabled && queue_size == 0) issues.Add("queue_size", "a 0 size queue will drop all the data");
  if (num_consumers < 0) issues.Add("num_consumers", "remote write consumer number can't be negative");
}

void Switch::Describe(conf::Struct<Switch>& s) {
  s.Field("enabled", &Switch::enabled, "make it");
}

void ResourceConversion::Describe(conf::Struct<ResourceConversion>& s) {
  s.Field("enabled", &ResourceConversion::enabled, "attributes of the resource become labels of every series");
  s.Field("exclude_service_attributes", &ResourceConversion::exclude_service_attributes,
          "but for `service.name`, `service.namespace` and `service.instance.id`, which are `job` and `instance`");
}

void WalConfig::Describe(conf::Struct<WalConfig>& s) {
  s.Field("directory", &WalConfig::directory, "folder in which the queue is kept on disk, below `prom_remotewrite`");
  s.Field("buffer_size", &WalConfig::buffer_size, "accepted; the queue on disk is read as it is sent");
  s.Field("truncate_frequency", &WalConfig::truncate_frequency, "accepted; segments go when they are sent");
}
void WalConfig::Validate(conf::Issues& issues) const {
  if (directory.empty()) issues.Add("directory", "must name a folder");
}

// A request is compressed by itself. Time-out and first interval as in the reference.
Config::Config() {
  client.compression = "";
  client.timeout = std::chrono::seconds(5);
  retry.initial_interval = std::chrono::milliseconds(50);
}

void Config::Describe(conf::Struct<Config>& s) {
  using C = Config;
  s.Squash(&C::client);
  s.Field("namespace", &C::name_space, "goes in front of the name of every metric");
  s.Field("external_labels", &C::external_labels, "labels of every series that has none of that name");
  s.Field("protobuf_message", &C::protobuf_message,
          "`prometheus.WriteRequest` is remote write 1.0, `io.prometheus.write.v2.Request` 2.0");
  s.Field("translation_strategy", &C::translation_strategy,
          "`UnderscoreEscapingWithSuffixes`, `UnderscoreEscapingWithoutSuffixes`; with 2.0 "
          "`NoUTF8EscapingWithSuffixes` and `NoTranslation` too");
  s.Field("add_metric_suffixes", &C::add_metric_suffixes, "units and `_total` in names, where no strategy is given");
  s.Field("resource_to_telemetry_conversion", &C::resource_to_telemetry_conversion, "labels of the resource");
  s.Field("target_info", &C::target_info, "a series `target_info` with the attributes of each resource");
  s.Field("disable_scope_info", &C::disable_scope_info, "no labels `otel_scope_...`");
  s.Field("send_metadata", &C::send_metadata, "type, unit and description of metrics; 2.0 always has them");
  s.Field("max_batch_size_bytes", &C::max_batch_size_bytes, "size of a request before compression; 0 is 3000000");
  s.Field("max_batch_request_parallelism", &C::max_batch_request_parallelism,
          "accepted; requests follow one another, so that the samples of a series keep their order");
  s.Field("remote_write_queue", &C::remote_write_queue, "queue before sending");
  s.Field("retry_on_failure", &C::retry, "retries");
  s.Field("wal", &C::wal, "the queue lives on disk, and survives the end of the process");
}

bool Config::v2() const {
  return protobuf_message == kV2;
}

void Config::Validate(conf::Issues& issues) const {
  if (client.endpoint.empty()) {
    issues.Add("endpoint", "must be the full URL of the write API, such as http://prometheus:9090/api/v1/write");
  }
  if (!client.compression.empty() && client.compression != "snappy")
    issues.Add("compression", "compression type must be snappy");
  if (max_batch_size_bytes < 0) issues.Add("max_batch_size_bytes", "must not be negative");
  if (max_batch_request_parallelism && *max_batch_request_parallelism < 1)
    issues.Add("max_batch_request_parallelism", "can't be set to below 1");
  if (protobuf_message != kV1 && protobuf_message != kV2)
    issues.Add("protobuf_message", fmt::format("\"{}\" is none of {}, {}", protobuf_message, kV1, kV2));
  for (auto& [name, value] : external_labels) {
    if (name.empty() || value.empty()) {
      issues.Add("external_labels", "contains an empty key or value");
    } else if (codec::prometheus::LabelName(name, {}).empty()) {
      issues.Add("external_labels", fmt::format("\"{}\" is no name of a label", name));
    }
  }
  if (translation_strategy.empty()) return;
  const Strategy* strategy = StrategyByName(translation_strategy);
  if (!strategy) {
    issues.Add("translation_strategy", fmt::format("invalid translation_strategy: {}", translation_strategy));
  } else if (strategy->utf8 && !v2()) {
    issues.Add("translation_strategy", fmt::format("{} requires Prometheus Remote Write 2.0 (protobuf_message: {})",
                                                   translation_strategy, kV2));
  }
}

codec::prometheus::RemoteWriteRules Config::Rules() const {
  codec::prometheus::RemoteWriteRules r;
  r.v2 = v2();
  r.names = {name_space, add_metric_suffixes, false};
  if (const Strategy* s = StrategyByName(translation_strategy)) r.names = {name_space, s->suffixes, s->utf8};
  for (auto& [name, value] : external_labels)
    r.external_labels.emplace_back(codec::prometheus::LabelName(name, {}), value);
  r.target_info = target_info.enabled;
  r.scope_info = !disable_scope_info;
  r.resource_labels = resource_to_telemetry_conversion.enabled;
  r.exclude_service_attributes = resource_to_telemetry_conversion.exclude_service_attributes;
  r.metadata = send_metadata;
  if (max_batch_size_bytes > 0) r.request_bytes = static_cast<size_t>(max_batch_size_bytes);
  return r;
}

}  // namespace naru::exporters::prometheus_remote_write
