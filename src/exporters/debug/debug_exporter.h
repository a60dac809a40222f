// The debug exporter: prints what arrives, as the reference does. Its text is otlp/text.h; this is the printing.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "exporters/debug/config.h"
#include "pipeline/component.h"
#include "pipeline/metrics.h"
#include "pipeline/sender.h"

namespace naru::exporters::debug {

/// One writer at a time; printing blocks the loop that delivers, which is what a debugging aid may do. Thread-safe.
class Printer {
 public:
  Printer(const Config& config, otlp::Signal signal, Logger log)
      : config_(config), signal_(signal), log_(std::move(log)) {}
  ~Printer();
  /// Opens the outputs.
  Status Open();
  void Print(const pipeline::Batch& batch);

 private:
  bool Sampled();
  void Write(std::string_view text);

  Config config_;
  otlp::Signal signal_;
  Logger log_;
  std::mutex mutex_;
  std::vector<int> fds_, own_;
  MonoTime second_{};
  int64_t in_second_ = 0;
};

/// Without a queue: prints at once.
class DebugExporter final : public pipeline::Exporter {
 public:
  DebugExporter(const Config& config, const pipeline::ExporterContext& context);
  Status Start(pipeline::Host&) override { return printer_.Open(); }
  void Consume(pipeline::Batch&& batch) override;

 private:
  Printer printer_;
  pipeline::Sum* in_flight_;
  pipeline::Counter sent_;
};

/// With a queue: what its engine sends to.
class PrintingSender final : public pipeline::Sender {
 public:
  explicit PrintingSender(std::shared_ptr<Printer> printer) : printer_(std::move(printer)) {}
  void Send(const pipeline::Batch& batch, std::function<void(pipeline::SendResult)> done) override {
    printer_->Print(batch);
    done({});
  }

 private:
  std::shared_ptr<Printer> printer_;
};

}  // namespace naru::exporters::debug
