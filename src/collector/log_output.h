// service::telemetry::logs: where own log lines go, in which form, and which are left out.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "collector/telemetry_config.h"

namespace naru::collector {

/// Thread-safe; one lock a line. Keeps at most 4,096 distinct messages a tick for sampling.
class LogOutput final : public LogSink {
 public:
  /// Opens the output files. `resource` is put on every line unless disabled.
  static Result<std::shared_ptr<LogOutput>> Open(const LogsTelemetryConfig& config, std::vector<LogField> resource,
                                                 Clock& clock);
  ~LogOutput() override;

  bool Enabled(LogLevel level) const override { return level >= level_; }
  void Write(LogLevel level, std::string_view message, const std::vector<LogField>& context, const LogField* fields,
             size_t n) override;
  /// Lines that sampling left out since the start.
  uint64_t sampled_out() const { return sampled_out_; }
  /// Lines that an output did not take.
  uint64_t unwritten() const { return unwritten_; }

 private:
  explicit LogOutput(Clock& clock) : clock_(clock) {}
  bool Sample(LogLevel level, std::string_view message, uint64_t now);
  /// Opens `stdout`, `stderr` or files; `key` is for errors.
  Status Add(const std::vector<std::string>& paths, std::string_view key, std::vector<int>& fds);

  Clock& clock_;
  LogLevel level_ = LogLevel::kInfo;
  bool json_ = false;
  std::vector<int> fds_, error_fds_;
  std::vector<int> own_;  // those to close
  std::vector<LogField> always_;
  bool sampling_ = false;
  uint64_t next_error_ = 0;  // when the next failed write may be told; ns since the epoch
  uint64_t tick_ = 0, initial_ = 0, thereafter_ = 0;
  std::mutex mutex_;
  std::map<std::pair<LogLevel, std::string>, std::pair<uint64_t, uint64_t>> seen_;  // -> end of tick, count
  std::atomic<uint64_t> sampled_out_{0}, unwritten_{0};
};

}  // namespace naru::collector
