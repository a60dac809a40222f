// What runs in this process, as zpages and health checks show it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace naru::pipeline {

struct PipelineView {
  std::string id;      // "traces/1"
  std::string signal;  // "traces"
  std::vector<std::string> receivers, processors, exporters;
};

struct GateView {
  std::string id, stage, description, from_version, to_version;
  bool enabled = false;
};

/// Immutable once shared; a reload makes a new one.
struct ServiceView {
  std::string command, version;
  std::vector<std::string> arguments;  // of the command line
  uint64_t start_unix_nano = 0;
  std::vector<PipelineView> pipelines;
  std::vector<std::string> extensions;  // ids in start order
  std::vector<GateView> gates;
  /// The effective configuration as JSON, secrets hidden. Any thread.
  std::function<std::string()> config;
};

}  // namespace naru::pipeline
