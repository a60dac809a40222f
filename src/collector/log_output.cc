#include "collector/log_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/core.h>

namespace naru::collector {

Result<std::shared_ptr<LogOutput>> LogOutput::Open(const LogsTelemetryConfig& c, std::vector<LogField> resource,
                                                   Clock& clock) {
  std::shared_ptr<LogOutput> out(new LogOutput(clock));
  std::string level = c.level;
  for (char& ch : level) ch = static_cast<char>(ch | 0x20);
  out->level_ = level == "debug"                                            ? LogLevel::kDebug
                : level == "warn" || level == "warning"                     ? LogLevel::kWarn
                : level == "error"                                          ? LogLevel::kError
                : level == "dpanic" || level == "panic" || level == "fatal" ? LogLevel::kNever
                                                                            : LogLevel::kInfo;
  out->json_ = c.encoding == "json";
  if (!c.disable_zap_resource && out->json_) out->always_ = std::move(resource);
  for (auto& [k, v] : c.initial_fields) {
    if (auto text = v.ScalarText()) out->always_.emplace_back(k, *text);
  }
  if (auto s = out->Add(c.output_paths, "output_paths", out->fds_); !s) return Unexpected(s.error());
  if (auto s = out->Add(c.error_output_paths, "error_output_paths", out->error_fds_); !s) return Unexpected(s.error());
  LogSamplingConfig s;
  if (c.sampling) s = *c.sampling;
  out->sampling_ = s.enabled;
  out->tick_ = static_cast<uint64_t>(s.tick.count());
  out->initial_ = static_cast<uint64_t>(std::max<int64_t>(0, s.initial));
  out->thereafter_ = static_cast<uint64_t>(std::max<int64_t>(0, s.thereafter));
  return out;
}

Status LogOutput::Add(const std::vector<std::string>& paths, std::string_view key, std::vector<int>& fds) {
  for (auto& path : paths) {
    if (path == "stderr" || path == "stdout") {
      fds.push_back(path == "stderr" ? 2 : 1);
      continue;
    }
    std::string file = path.rfind("file://", 0) == 0 ? path.substr(7) : path;
    int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
      return Fail(Code::kFailedPrecondition, "service::telemetry::logs::{}: open {}: {}", key, file,
                  std::strerror(errno));
    fds.push_back(fd);
    own_.push_back(fd);
  }
  return {};
}

LogOutput::~LogOutput() {
  for (int fd : own_) close(fd);
}

bool LogOutput::Sample(LogLevel level, std::string_view message, uint64_t now) {
  if (!sampling_ || level > LogLevel::kError) return true;
  if (seen_.size() > 4096) seen_.clear();
  auto& [end, count] = seen_[{level, std::string(message.substr(0, 256))}];
  if (now >= end) {
    end = now + tick_;
    count = 0;
  }
  ++count;
  if (count <= initial_) return true;
  if (thereafter_ > 0 && (count - initial_) % thereafter_ == 0) return true;
  return false;
}

void LogOutput::Write(LogLevel level, std::string_view message, const std::vector<LogField>& context,
                      const LogField* fields, size_t n) {
  uint64_t now = clock_.UnixNano();
  std::lock_guard lock(mutex_);
  if (!Sample(level, message, now)) {
    sampled_out_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  std::vector<LogField> all = always_;
  all.insert(all.end(), context.begin(), context.end());
  std::string line = FormatLogLine(json_, now, level, message, all, fields, n);
  line += '\n';
  for (int fd : fds_) {
    // A full disk or closed pipe loses log lines, nothing else; that it does is told once a second.
    if (::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size())) continue;
    std::string error = fmt::format("write error: {}\n", std::strerror(errno));
    unwritten_.fetch_add(1, std::memory_order_relaxed);
    if (now < next_error_) continue;
    next_error_ = now + 1'000'000'000;
    for (int to : error_fds_) {
      [[maybe_unused]] auto told = ::write(to, error.data(), error.size());
    }
  }
}

}  // namespace naru::collector
