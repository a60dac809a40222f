// Logging of naru about itself: lines laid out as zap's console or JSON encoder lays them out, because that is what
// users of the reference collector parse. Not for hot paths: a line costs microseconds and takes a lock.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace naru {

/// kNever is above all lines that are written: a threshold that silences.
enum class LogLevel : int8_t { kDebug = -1, kInfo = 0, kWarn = 1, kError = 2, kNever = 3 };

/// One key with a value; values are owned copies.
struct LogField {
  std::string key;
  std::variant<std::string, int64_t, double, bool> value;
  LogField(std::string_view k, std::string_view v) : key(k), value(std::string(v)) {}
  LogField(std::string_view k, const char* v) : key(k), value(std::string(v)) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, bool v) : key(k), value(v) {}
  LogField(std::string_view k, double v) : key(k), value(v) {}
  template <class I>
  requires std::is_integral_v<I> LogField(std::string_view k, I v) : key(k), value(static_cast<int64_t>(v)) {}
};

/// Where lines go. Thread-safe. The service builds one from `service::telemetry::logs`; tests collect lines with their
/// own.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual bool Enabled(LogLevel level) const = 0;
  virtual void Write(LogLevel level, std::string_view message, const std::vector<LogField>& context,
                     const LogField* fields, size_t n) = 0;
  /// Console layout on standard error, level info and above: what is used before a configuration is read.
  static std::shared_ptr<LogSink> Default();
};

/// A handle with context fields (component id, kind, signal). Copying is cheap; thread-safe.
class Logger {
 public:
  Logger() : sink_(LogSink::Default()) {}
  explicit Logger(std::shared_ptr<LogSink> sink) : sink_(std::move(sink)) {}
  /// The same sink with further context on every line.
  Logger With(std::initializer_list<LogField> fields) const;

  bool Enabled(LogLevel level) const { return sink_->Enabled(level); }
  void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {}) const;
  void Debug(std::string_view m, std::initializer_list<LogField> f = {}) const { Log(LogLevel::kDebug, m, f); }
  void Info(std::string_view m, std::initializer_list<LogField> f = {}) const { Log(LogLevel::kInfo, m, f); }
  void Warn(std::string_view m, std::initializer_list<LogField> f = {}) const { Log(LogLevel::kWarn, m, f); }
  void Error(std::string_view m, std::initializer_list<LogField> f = {}) const { Log(LogLevel::kError, m, f); }

 private:
  std::shared_ptr<LogSink> sink_;
  std::shared_ptr<const std::vector<LogField>> context_;
};

/// Renders one line (without its newline). `time_unix_nano` is UTC.
/// Console: `2006-01-02T15:04:05.000Z\tinfo\tmessage\t{"key": "value"}`. JSON: one object with level, ts, msg and the
/// fields.
std::string FormatLogLine(bool json, uint64_t time_unix_nano, LogLevel level, std::string_view message,
                          const std::vector<LogField>& context, const LogField* fields, size_t n);

}  // namespace naru
