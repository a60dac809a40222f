// What a person sees of telemetry as it arrives: pure functions and a bounded gathering of traces; no I/O, no clock.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "otlp/signal.h"

namespace naru::exporters::console {

struct PrintOptions {
  bool color = true;
  int width = 100;  // of the bars' line
};

/// Gathers spans by trace until nothing has come for a while, then prints each trace as a tree. Bounded: at most
/// kMaxTraces traces and kMaxSpans spans wait; what is more is printed at once, in part. Single-threaded.
class TracePrinter {
 public:
  static constexpr size_t kMaxTraces = 1000;
  static constexpr size_t kMaxSpans = 20000;
  explicit TracePrinter(PrintOptions options) : options_(options) {}

  /// Takes the spans of a request in.
  void Add(std::string_view request, MonoTime now);
  /// The traces that have been quiet for `quiet`, printed; all of them with quiet zero.
  std::string Take(MonoTime now, Duration quiet);
  bool empty() const { return traces_.empty(); }

 private:
  struct Entry {
    std::string span_id, parent_id, service, name, error;
    uint64_t start = 0, end = 0;
    int32_t kind = 0, status = 0;
  };
  struct Trace {
    std::vector<Entry> spans;
    MonoTime last{};
  };
  std::string Print(const std::string& trace_id, const Trace& trace) const;

  PrintOptions options_;
  std::map<std::string, Trace> traces_;
  size_t spans_ = 0;
};

/// One line a record, severity in colour.
std::string PrintLogs(std::string_view request, const PrintOptions& options);
/// One line a series with its last value.
std::string PrintMetrics(std::string_view request, const PrintOptions& options);

}  // namespace naru::exporters::console
