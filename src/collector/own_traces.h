// service::telemetry::traces: sampling of own spans, and their export.
#pragma once

#include <memory>
#include <vector>

#include "collector/record_exporter.h"
#include "pipeline/tracer.h"

namespace naru::collector {

/// The sampler of otelconf: always_on, always_off, trace_id_ratio_based, parent_based.
Result<pipeline::Tracer::Sampler> MakeSampler(const conf::Value& value);

/// Hands every span to exporters.
class SpanExport final : public pipeline::SpanSink {
 public:
  explicit SpanExport(std::vector<std::shared_ptr<RecordExporter>> exporters) : exporters_(std::move(exporters)) {}
  void OnEnd(std::shared_ptr<const pipeline::OwnSpan> span) override;

 private:
  std::vector<std::shared_ptr<RecordExporter>> exporters_;
};

}  // namespace naru::collector
