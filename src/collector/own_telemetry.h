// Everything that service::telemetry asks for: own logs, metrics and spans; made, started, replaced at a reload, ended.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "collector/own_logs.h"
#include "collector/own_resource.h"
#include "collector/plan.h"
#include "collector/self_metrics.h"
#include "pipeline/component.h"

namespace naru::collector {

/// Control loop only, but for what is said of Open.
class OwnTelemetry {
 public:
  OwnTelemetry(pipeline::Host& host, const Factories& factories, Identity identity);
  ~OwnTelemetry();

  /// Where loggers lead; the same for good.
  const std::shared_ptr<OwnLogs>& logs() const { return logs_; }

  /// Makes what `config` asks for; log lines go to their outputs from here on. Before the loops run.
  Status Open(const TelemetryConfig& config);
  /// Begins to serve and to push what Open made.
  Status Start();
  /// Whether `config` could be made, without doing so for good.
  Status Check(const TelemetryConfig& config);
  /// Puts `config` in the place of what runs; on an error what runs goes on.
  Status Replace(const TelemetryConfig& config);
  /// Pushes what is left; `done` at the deadline at the latest.
  void Shutdown(MonoTime deadline, std::function<void()> done);

 private:
  struct Set;
  Result<std::shared_ptr<Set>> Make(const TelemetryConfig& config);
  Status Begin(const std::shared_ptr<Set>& set);
  void Forget(const std::shared_ptr<Set>& set);
  void End(const std::shared_ptr<Set>& set, MonoTime deadline, std::function<void()> done);

  pipeline::Host& host_;
  const Factories& factories_;
  Identity identity_;
  std::shared_ptr<OwnLogs> logs_;
  SelfMetrics metrics_;
  std::shared_ptr<Set> set_;
};

}  // namespace naru::collector
