// The debug exporter: prints what arrives, as the reference does. Its text is otlp/text.h; this is the printing.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "exporters/debug/config.h"
#include "pipeline/component.h"

namespace naru::exporters::debug {

/// One writer at a time; printing blocks the loop that delivers, which is what a debugging aid may do.
class DebugExporter final : public pipeline::Exporter {
 public:
  DebugExporter(const Config& config, pipeline::ExporterContext context);
  ~DebugExporter() override;
  Status Start(pipeline::Host& host) override;
  void Consume(pipeline::Batch&& batch) override;

 private:
  bool Sampled();
  void Print(std::string_view text);

  Config config_;
  pipeline::ExporterContext context_;
  pipeline::Counter sent_;
  std::mutex mutex_;
  std::vector<int> fds_, own_;
  MonoTime second_{};
  int64_t in_second_ = 0;
};

}  // namespace naru::exporters::debug
