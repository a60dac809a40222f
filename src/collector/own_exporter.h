// Exporters for naru's own telemetry: otelconf's exporter sections, served by the exporters of pipelines.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/buffer.h"
#include "collector/plan.h"
#include "collector/telemetry_config.h"
#include "pipeline/component.h"

namespace naru::collector {

/// Ids of these exporters in the ledger begin so; the reference's exporter metrics leave them out.
inline constexpr std::string_view kOwnPrefix = "service::telemetry::";

/// Control loop only.
class OwnExporter {
 public:
  /// `path` is where the section stands below service::telemetry ("metrics/0"), for errors and the ledger. `log` must
  /// not lead back into this exporter.
  static Result<std::unique_ptr<OwnExporter>> Make(const Factories& factories, pipeline::Host& host, const Logger& log,
                                                   const SelfExporterConfig& config, otlp::Signal signal,
                                                   const std::string& path);
  Status Start() { return exporter_->Start(host_); }
  /// Exports one request; `done` runs on the control loop when it has been delivered or given up.
  void Push(Slice request, uint64_t items, std::function<void(bool ok)> done);
  void Shutdown(MonoTime deadline, std::function<void()> done) { exporter_->Shutdown(deadline, std::move(done)); }

 private:
  OwnExporter(pipeline::Host& host, otlp::Signal signal) : host_(host), signal_(signal) {}
  pipeline::Host& host_;
  otlp::Signal signal_;
  pipeline::Counter entered_;
  std::unique_ptr<pipeline::Exporter> exporter_;
};

}  // namespace naru::collector
