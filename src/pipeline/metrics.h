// Own metrics that are not item counts: histograms, gauges and plain counters, by name and attributes, under the
// reference's names. Items are counted in the ledger (ledger.h), from which the service makes their metrics.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru::pipeline {

using Attributes = std::vector<std::pair<std::string, std::string>>;  // sorted by key by Metrics

/// A monotonic or up-down sum. Thread-safe, one relaxed atomic an Add.
class Sum {
 public:
  void Add(int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  void Set(int64_t n) { value_.store(n, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

/// How a histogram sorts values: into buckets with explicit bounds, or into exponential ones, whose bounds are the
/// powers of 2^(2^-scale).
struct HistogramShape {
  std::vector<double> bounds;  // upper, inclusive, increasing
  bool exponential = false;
  int max_scale = 20;  // -10 to 20; the scale sinks when values spread
  int max_size = 160;  // buckets, at least 2
};

/// A histogram of values that are not negative. Thread-safe.
class Histogram {
 public:
  explicit Histogram(HistogramShape shape);
  void Record(double value);
  struct Range {
    // Of what was recorded; min above max: not known.
    double min = std::numeric_limits<double>::infinity(), max = -std::numeric_limits<double>::infinity();
  };
  struct Data {
    std::vector<double> bounds;
    std::vector<uint64_t> counts;  // explicit: bounds.size() + 1; exponential: from bucket `offset` on
    double sum = 0;
    uint64_t count = 0;
    double min = Range().min, max = Range().max;
    bool exponential = false;
    int scale = 0, offset = 0;
    uint64_t zeros = 0;  // values that no exponential bucket takes
    /// Adds up two histograms of one instrument; the coarser scale stays. Explicit ones with other bounds are left out.
    void Add(const Data& other);
    /// Takes off what was read of the same histogram before, but for min and max.
    void Subtract(const Data& before);

   private:
    void Coarsen(int scale);
    void Cover(int first, int last);
    friend class Histogram;
  };
  Data Read() const;
  /// From here on, the least and greatest value since the last ReadWindow are kept under the number `window`.
  void OpenWindow(size_t window);
  /// Everything, with min and max of what came since the last time.
  Data ReadWindow(size_t window);

 private:
  HistogramShape shape_;
  mutable std::mutex mutex_;
  Data data_;
  std::vector<Range> windows_;
};

/// The reference's bounds for sizes of batches.
const std::vector<double>& BatchItemBounds();
const std::vector<double>& BatchByteBounds();

/// Detail level from which a metric is shown (service::telemetry::metrics::level).
enum class MetricLevel : uint8_t { kNone, kBasic, kNormal, kDetailed };

/// The registry. Thread-safe. At most kMaxSeries series; further ones share one series with the attribute
/// `otel.metric.overflow`.
class Metrics {
 public:
  static constexpr size_t kMaxSeries = 8192;
  enum class Kind : uint8_t { kCounter, kUpDown, kGauge, kHistogram };
  struct Instrument {
    std::string name;  // "otelcol_processor_batch_batch_send_size"
    std::string description;
    std::string unit;
    Kind kind = Kind::kCounter;
    MetricLevel level = MetricLevel::kBasic;
  };

  /// The same pointer for the same name and attributes, valid as long as the registry.
  Sum* GetSum(const Instrument& instrument, Attributes attributes);
  Histogram* GetHistogram(const Instrument& instrument, Attributes attributes, const std::vector<double>& bounds);
  /// The shape of histograms that are made from here on instead of their own; none: their own bounds.
  using ShapeOf = std::function<std::optional<HistogramShape>(const Instrument&)>;
  void SetShapes(ShapeOf shapes);
  /// The level that somebody reads at (service::telemetry::metrics::level): what only a higher level shows need not be
  /// recorded.
  void SetLevel(MetricLevel level) { level_.store(level, std::memory_order_relaxed); }
  bool detailed() const { return level_.load(std::memory_order_relaxed) == MetricLevel::kDetailed; }
  /// Attributes of an exporter's item counts besides its id (where it sends to), by id and signal.
  void DescribeExporter(const std::string& id, std::string_view signal, Attributes attributes);
  Attributes ExporterAttributes(const std::string& id, std::string_view signal) const;
  /// A value asked for at collection time. The returned handle removes it. `fn` is called on the collecting thread.
  std::shared_ptr<void> Observe(const Instrument& instrument, Attributes attributes, std::function<double()> fn);

  struct Series {
    Attributes attributes;
    double value = 0;
    Histogram::Data histogram;
  };
  struct Family {
    Instrument instrument;
    std::vector<Series> series;
  };
  /// A number for one who collects repeatedly and wants min and max of the time in between. Freed with the handle.
  std::shared_ptr<const size_t> OpenWindow();
  /// Families in order of name. With the number of a window, min and max are of the time since the last Collect with
  /// it.
  std::vector<Family> Collect(const size_t* window = nullptr) const;

 private:
  struct Entry {
    std::unique_ptr<Sum> sum;
    std::unique_ptr<Histogram> histogram;
    std::weak_ptr<std::function<double()>> observe;
  };
  struct Group {
    Instrument instrument;
    std::map<Attributes, Entry> entries;
  };
  Entry& Find(const Instrument& instrument, Attributes& attributes);
  mutable std::mutex mutex_;
  ShapeOf shapes_;
  std::vector<std::weak_ptr<const size_t>> windows_;  // by number; bounded by the readers of the configuration
  std::atomic<MetricLevel> level_{MetricLevel::kNormal};
  std::map<std::pair<std::string, std::string>, Attributes> exporters_;  // bounded by the configuration
  std::map<std::string, Group, std::less<>> groups_;
  size_t series_ = 0;
};

}  // namespace naru::pipeline
