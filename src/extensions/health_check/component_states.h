// From the status board to what a health check says: one state for the collector, each pipeline and each component.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "extensions/health_check/config.h"
#include "pipeline/service_view.h"
#include "pipeline/status.h"

namespace naru::extensions::health_check {

struct State {
  std::string name;  // "pipeline:traces", "exporter:otlp"
  pipeline::StatusEvent event;
  bool healthy = true;
  std::vector<State> parts;
};

/// Pure. `now` is ns since the epoch.
class States {
 public:
  States(const pipeline::StatusBoard::Snapshot& board, const pipeline::ServiceView& view,
         const conf::Optional<ComponentHealth>& health, uint64_t now);
  const State& whole() const { return whole_; }
  /// The pipeline with this id ("traces/1"), or null.
  const State* Pipeline(const std::string& id) const;

 private:
  State Component(const std::string& kind, const std::string& id, const std::string& signal) const;
  void Judge(State& state) const;

  const pipeline::StatusBoard::Snapshot& board_;
  const conf::Optional<ComponentHealth>& health_;
  uint64_t now_;
  State whole_;
};

/// 200, 500 (an error that counts) or 503 (starting, stopping).
int HttpStatusOf(const State& state);
/// As the reference's second form writes it; with `verbose` the parts too.
std::string ToJson(const State& state, uint64_t start_unix_nano, bool verbose);

}  // namespace naru::extensions::health_check
