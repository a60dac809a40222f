// The periodic reader of otelconf: own metrics pushed at an interval.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "collector/own_exporter.h"
#include "pipeline/metrics.h"

namespace naru::collector {

/// How sums and histograms are told: since the start, or since the last push (`delta`, and `lowmemory`, which differs
/// for observed sums only: own sums are added to).
enum class Temporality : uint8_t { kCumulative, kDelta };

/// What the last push told, for deltas. At most as many entries as there are series.
using Told = std::map<std::pair<std::string, pipeline::Attributes>, pipeline::Metrics::Series>;

/// An OTLP request of the families and the number of its points. Times are ns since the epoch; with deltas, `told` is
/// brought up to date and `start` is the time of the last push.
std::pair<Slice, uint64_t> EncodeFamilies(const std::vector<pipeline::Metrics::Family>& families,
                                          const pipeline::Attributes& resource, uint64_t start, uint64_t now,
                                          Temporality temporality, Told& told);

/// Control loop only.
class MetricPush final {
 public:
  /// Given the number of a window or null (Metrics::Collect).
  using Collect = std::function<std::vector<pipeline::Metrics::Family>(const size_t* window)>;
  static Result<std::unique_ptr<MetricPush>> Make(const Factories& factories, pipeline::Host& host, const Logger& log,
                                                  const PeriodicReaderConfig& config, pipeline::Attributes resource,
                                                  uint64_t start, Collect collect, const std::string& path);
  Status Start();
  /// Pushes once more.
  void Shutdown(MonoTime deadline, std::function<void()> done);

 private:
  MetricPush(pipeline::Host& host, pipeline::Attributes resource, uint64_t start, Collect collect)
      : host_(host), resource_(std::move(resource)), start_(start), collect_(std::move(collect)) {}
  void Tick();
  void Push(std::function<void()> then);

  pipeline::Host& host_;
  pipeline::Attributes resource_;
  uint64_t start_;
  Collect collect_;
  Duration interval_{0};
  Temporality temporality_ = Temporality::kCumulative;
  Told told_;
  std::shared_ptr<const size_t> window_;  // of deltas, whose min and max are of the time since the last push
  std::shared_ptr<OwnExporter> exporter_;
  net::Timer timer_, deadline_;
  bool busy_ = false;
  std::function<void()> waiting_;  // for the push under way
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace naru::collector
