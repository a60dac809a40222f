#include "exporters/debug/debug_exporter.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "otlp/text.h"
#include "pipeline/call_metrics.h"

namespace naru::exporters::debug {

Printer::~Printer() {
  for (int fd : own_) close(fd);
}

Status Printer::Open() {
  if (config_.use_internal_logger) return {};
  for (auto& path : config_.output_paths.value_or(std::vector<std::string>{"stdout"})) {
    if (path == "stdout" || path == "stderr") {
      fds_.push_back(path == "stdout" ? 1 : 2);
      continue;
    }
    int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return Fail(Code::kFailedPrecondition, "output_paths: open {}: {}", path, std::strerror(errno));
    fds_.push_back(fd);
    own_.push_back(fd);
  }
  return {};
}

// The first sampling_initial batches of a second, then one of sampling_thereafter.
bool Printer::Sampled() {
  MonoTime now = net::Loop::Current()->Now();
  if (now - second_ >= std::chrono::seconds(1)) {
    second_ = now;
    in_second_ = 0;
  }
  ++in_second_;
  if (in_second_ <= config_.sampling_initial) return true;
  return config_.sampling_thereafter > 0 && (in_second_ - config_.sampling_initial) % config_.sampling_thereafter == 0;
}

void Printer::Write(std::string_view text) {
  for (int fd : fds_) {
    std::string_view rest = text;
    while (!rest.empty()) {
      ssize_t n = write(fd, rest.data(), rest.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;  // a closed pipe loses print-outs, nothing else
      rest.remove_prefix(static_cast<size_t>(n));
    }
  }
}

void Printer::Print(const pipeline::Batch& batch) {
  std::lock_guard lock(mutex_);
  if (!Sampled()) return;
  std::vector<Slice> parts;
  for (auto& p : batch.parts()) parts.push_back(p.bytes);
  otlp::TextCounts counts = otlp::CountForText(signal_, parts);
  std::string summary = otlp::SummaryLine(signal_, counts);
  auto level = config_.Level();
  std::string text;
  if (level != Config::Verbosity::kBasic) {
    wire::Writer out;
    otlp::AppendText(out, signal_,
                     level == Config::Verbosity::kNormal ? otlp::TextLayout::kNormal : otlp::TextLayout::kDetailed,
                     parts);
    text = std::string(out.Finish().view());
  }
  if (config_.use_internal_logger) {
    size_t tab = summary.find('\t');
    std::string_view signal = std::string_view(summary).substr(0, tab);
    auto n = static_cast<int64_t>(counts.resources), items = static_cast<int64_t>(counts.items);
    switch (signal_) {
      case otlp::Signal::kTraces:
        log_.Info(signal, {{"resource spans", n}, {"spans", items}});
        break;
      case otlp::Signal::kMetrics:
        log_.Info(signal,
                  {{"resource metrics", n}, {"metrics", static_cast<int64_t>(counts.metrics)}, {"data points", items}});
        break;
      case otlp::Signal::kLogs:
        log_.Info(signal, {{"resource logs", n}, {"log records", items}});
        break;
      case otlp::Signal::kProfiles:
        log_.Info(signal, {{"resource profiles", n}, {"sample records", items}});
        break;
    }
    if (!text.empty()) log_.Info(text);
  } else {
    Write(summary + "\n");
    if (level != Config::Verbosity::kBasic) Write(text + "\n");
  }
}

DebugExporter::DebugExporter(const Config& config, const pipeline::ExporterContext& context)
    : printer_(config, context.signal, context.log) {
  sent_ = context.host->ledger().Open({"exporter", context.id, std::string(otlp::Names(context.signal).name), "", ""},
                                      pipeline::Entry::kSent);
  in_flight_ = pipeline::InFlightRequests(context.host->metrics(), context.id, context.signal);
}

void DebugExporter::Consume(pipeline::Batch&& batch) {
  pipeline::InFlight request(in_flight_);
  printer_.Print(batch);
  sent_.Add(static_cast<int64_t>(batch.items()));
  batch.Delivered();
}

}  // namespace naru::exporters::debug
