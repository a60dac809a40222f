// service::telemetry::logs: lines to their outputs and, where processors are given, the same as OTLP log records.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "base/log.h"
#include "collector/record_exporter.h"

namespace naru::collector {

/// The sink that loggers of components hold for good; what stands behind it changes at a reload. Thread-safe.
class OwnLogs final : public LogSink {
 public:
  explicit OwnLogs(Clock& clock) : clock_(clock) {}
  bool Enabled(LogLevel level) const override;
  void Write(LogLevel level, std::string_view message, const std::vector<LogField>& context, const LogField* fields,
             size_t n) override;

  using Exporters = std::vector<std::shared_ptr<RecordExporter>>;
  void SetLines(std::shared_ptr<LogSink> lines);
  void SetExporters(Exporters exporters);
  /// The lines alone: for what must not be exported, as it tells of the exporting itself.
  std::shared_ptr<LogSink> lines() const;

 private:
  Clock& clock_;
  mutable std::mutex mutex_;  // guards these
  std::shared_ptr<LogSink> lines_ = LogSink::Default();
  std::shared_ptr<const Exporters> exporters_;
};

}  // namespace naru::collector
