// The batch and simple processors of otelconf: own spans and log records on their way to an exporter.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "collector/own_exporter.h"
#include "otlp/build.h"
#include "pipeline/metrics.h"

namespace naru::collector {

/// Encodes the attributes of own resources.
void WriteResource(otlp::RequestBuilder& builder, const pipeline::Attributes& resource);

/// Keeps records until they are exported. One export is under way at a time; when `max_queue_size` records wait, new
/// ones are dropped and counted in the ledger.
class RecordExporter final : public std::enable_shared_from_this<RecordExporter> {
 public:
  struct Limits {
    Duration delay;  // zero: export at once
    size_t max_queue = 2048, max_batch = 512;
  };
  static Result<std::shared_ptr<RecordExporter>> Make(const Factories& factories, pipeline::Host& host,
                                                      const Logger& log, const SelfProcessorConfig& config,
                                                      otlp::Signal signal, pipeline::Attributes resource,
                                                      const std::string& path);
  /// Writes one Span or LogRecord into a request.
  using Record = std::function<void(otlp::RequestBuilder&)>;
  /// Any thread; the record is written later, on the control loop.
  void Add(Record record);
  /// Control loop, like what follows.
  Status Start();
  /// Exports what is there, until `deadline`.
  void Shutdown(MonoTime deadline, std::function<void()> done);

 private:
  RecordExporter(pipeline::Host& host, otlp::Signal signal, pipeline::Attributes resource, Limits limits)
      : host_(host), signal_(signal), resource_(std::move(resource)), limits_(limits) {}
  void Tick();
  void Export();
  void CheckDrained();

  pipeline::Host& host_;
  otlp::Signal signal_;
  pipeline::Attributes resource_;
  Limits limits_;
  std::unique_ptr<OwnExporter> exporter_;
  pipeline::Counter entered_, exited_, dropped_, held_;

  std::mutex mutex_;  // guards these
  std::deque<Record> queue_;
  bool woken_ = false, closed_ = false;

  // Control loop.
  net::Timer timer_, deadline_;
  bool busy_ = false, closing_ = false;
  std::function<void()> drained_;
};

}  // namespace naru::collector
