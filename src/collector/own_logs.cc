#include "collector/own_logs.h"

namespace naru::collector {

namespace {

struct Line {
  uint64_t time;
  LogLevel level;
  std::string message;
  std::vector<LogField> fields;
};

void WriteLine(const Line& line, otlp::RequestBuilder& out) {
  std::vector<otlp::Attr> attributes;
  for (auto& f : line.fields) {
    attributes.push_back({f.key, std::visit([](auto& v) { return otlp::Value(v); }, f.value)});
  }
  // Severities as the specification's appendix maps zap's levels.
  static constexpr std::pair<int32_t, std::string_view> kSeverities[] = {
      {5, "debug"}, {9, "info"}, {13, "warn"}, {17, "error"}};
  auto& [number, text] = kSeverities[static_cast<size_t>(line.level) + 1];
  otlp::LogData record;
  record.time = record.observed_time = line.time;
  record.severity_number = number;
  record.severity_text = text;
  record.body = line.message;
  record.attributes = attributes;
  out.Add(record);
}

}  // namespace

std::shared_ptr<LogSink> OwnLogs::lines() const {
  std::lock_guard lock(mutex_);
  return lines_;
}

void OwnLogs::SetLines(std::shared_ptr<LogSink> lines) {
  std::lock_guard lock(mutex_);
  lines_ = std::move(lines);
}

void OwnLogs::SetExporters(Exporters exporters) {
  auto next = exporters.empty() ? nullptr : std::make_shared<const Exporters>(std::move(exporters));
  std::lock_guard lock(mutex_);
  exporters_ = std::move(next);
}

bool OwnLogs::Enabled(LogLevel level) const {
  return lines()->Enabled(level);
}

void OwnLogs::Write(LogLevel level, std::string_view message, const std::vector<LogField>& context,
                    const LogField* fields, size_t n) {
  std::shared_ptr<LogSink> lines;
  std::shared_ptr<const Exporters> exporters;
  {
    std::lock_guard lock(mutex_);
    lines = lines_;
    exporters = exporters_;
  }
  lines->Write(level, message, context, fields, n);
  if (!exporters) return;
  auto line = std::make_shared<Line>(Line{clock_.UnixNano(), level, std::string(message.substr(0, 8192)), context});
  line->fields.insert(line->fields.end(), fields, fields + n);
  for (auto& e : *exporters) e->Add([line](otlp::RequestBuilder& out) { WriteLine(*line, out); });
}

}  // namespace naru::collector
