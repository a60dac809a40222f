#include "base/log.h"

#include <unistd.h>

#include <ctime>

#include <fmt/core.h>

#include "base/clock.h"

namespace naru {
namespace {

void AppendJsonString(std::string& out, std::string_view s) {
  out += '"';
  for (unsigned char c : s) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (c < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += static_cast<char>(c);
        }
    }
  }
  out += '"';
}

void AppendField(std::string& out, const LogField& f, bool& first, std::string_view colon, std::string_view comma) {
  if (!first) out += comma;
  first = false;
  AppendJsonString(out, f.key);
  out += colon;
  std::visit(
      [&](const auto& v) {
        using V = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<V, std::string>) {
          AppendJsonString(out, v);
        } else if constexpr (std::is_same_v<V, bool>) {
          out += v ? "true" : "false";
        } else {
          out += fmt::format("{}", v);
        }
      },
      f.value);
}

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
    case LogLevel::kNever:
      return "error";
  }
  return "info";
}

std::string Timestamp(uint64_t unix_nano) {
  time_t s = static_cast<time_t>(unix_nano / 1'000'000'000);
  tm t{};
  gmtime_r(&s, &t);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour,
                     t.tm_min, t.tm_sec, unix_nano / 1'000'000 % 1000);
}

class StderrSink final : public LogSink {
 public:
  bool Enabled(LogLevel level) const override { return level >= LogLevel::kInfo; }
  void Write(LogLevel level, std::string_view message, const std::vector<LogField>& context, const LogField* fields,
             size_t n) override {
    std::string line = FormatLogLine(false, Clock::System().UnixNano(), level, message, context, fields, n);
    line += '\n';
    // One write a line keeps lines of different threads apart; a closed stderr loses log lines, nothing else.
    [[maybe_unused]] auto written = ::write(2, line.data(), line.size());
  }
};

}  // namespace

std::string FormatLogLine(bool json, uint64_t time_unix_nano, LogLevel level, std::string_view message,
                          const std::vector<LogField>& context, const LogField* fields, size_t n) {
  std::string out;
  bool first = true;
  if (json) {
    out = fmt::format("{{\"level\":\"{}\",\"ts\":\"{}\",\"msg\":", LevelName(level), Timestamp(time_unix_nano));
    AppendJsonString(out, message);
    first = false;
    for (auto& f : context) AppendField(out, f, first, ":", ",");
    for (size_t i = 0; i < n; ++i) AppendField(out, fields[i], first, ":", ",");
    out += '}';
    return out;
  }
  out = fmt::format("{}\t{}\t{}", Timestamp(time_unix_nano), LevelName(level), message);
  if (!context.empty() || n) {
    out += "\t{";
    for (auto& f : context) AppendField(out, f, first, ": ", ", ");
    for (size_t i = 0; i < n; ++i) AppendField(out, fields[i], first, ": ", ", ");
    out += '}';
  }
  return out;
}

std::shared_ptr<LogSink> LogSink::Default() {
  static auto* sink = new std::shared_ptr<LogSink>(std::make_shared<StderrSink>());
  return *sink;
}

Logger Logger::With(std::initializer_list<LogField> fields) const {
  Logger out(sink_);
  auto context = std::make_shared<std::vector<LogField>>(context_ ? *context_ : std::vector<LogField>());
  context->insert(context->end(), fields.begin(), fields.end());
  out.context_ = std::move(context);
  return out;
}

void Logger::Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) const {
  if (!sink_->Enabled(level)) return;
  static const std::vector<LogField> none;
  sink_->Write(level, message, context_ ? *context_ : none, fields.begin(), fields.size());
}

}  // namespace naru
