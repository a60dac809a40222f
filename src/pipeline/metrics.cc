#include "pipeline/metrics.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace naru::pipeline {

namespace {

// The exponential bucket of a positive value: bucket i takes (2^(i * 2^-scale), 2^((i + 1) * 2^-scale)].
int BucketOf(double value, int scale) {
  int exponent;
  double fraction = std::frexp(value, &exponent);  // [0.5, 1)
  bool power = fraction == 0.5;
  if (scale <= 0) return (power ? exponent - 2 : exponent - 1) >> -scale;
  if (power) return (exponent - 1) * (1 << scale) - 1;
  return exponent * (1 << scale) + static_cast<int>(std::log(fraction) * std::ldexp(std::numbers::log2e, scale)) - 1;
}

}  // namespace

// Puts 2^n neighbours together, so that the scale is `to`.
void Histogram::Data::Coarsen(int to) {
  int by = scale - to;
  if (by <= 0) return;
  scale = to;
  if (counts.empty()) return;
  int first = offset >> by, last = (offset + static_cast<int>(counts.size()) - 1) >> by;
  std::vector<uint64_t> merged(static_cast<size_t>(last - first + 1));
  for (size_t i = 0; i < counts.size(); ++i)
    merged[static_cast<size_t>(((offset + static_cast<int>(i)) >> by) - first)] += counts[i];
  offset = first;
  counts = std::move(merged);
}

// Makes buckets `first` to `last` exist.
void Histogram::Data::Cover(int first, int last) {
  if (counts.empty()) offset = first;
  if (first < offset) {
    counts.insert(counts.begin(), static_cast<size_t>(offset - first), 0);
    offset = first;
  }
  counts.resize(std::max(counts.size(), static_cast<size_t>(last - offset + 1)));
}

void Histogram::Data::Add(const Data& other) {
  if (exponential != other.exponential || (!exponential && counts.size() != other.counts.size())) return;
  Data theirs = other;
  if (exponential) {
    int common = std::min(scale, theirs.scale);
    Coarsen(common);
    theirs.Coarsen(common);
    if (!theirs.counts.empty()) {
      int last = theirs.offset + static_cast<int>(theirs.counts.size()) - 1;
      Cover(theirs.offset, std::max(last, offset + static_cast<int>(counts.size()) - 1));
    }
  }
  size_t at = exponential && !theirs.counts.empty() ? static_cast<size_t>(theirs.offset - offset) : 0;
  for (size_t i = 0; i < theirs.counts.size(); ++i) counts[at + i] += theirs.counts[i];
  zeros += theirs.zeros;
  sum += theirs.sum;
  count += theirs.count;
  min = std::min(min, theirs.min);
  max = std::max(max, theirs.max);
}

void Histogram::Data::Subtract(const Data& before) {
  if (exponential != before.exponential || (!exponential && counts.size() != before.counts.size())) return;
  Data theirs = before;
  theirs.Coarsen(scale);  // a scale never rises
  size_t at = exponential && !theirs.counts.empty() ? static_cast<size_t>(theirs.offset - offset) : 0;
  for (size_t i = 0; i < theirs.counts.size(); ++i) counts[at + i] -= theirs.counts[i];
  zeros -= theirs.zeros;
  sum -= theirs.sum;
  count -= theirs.count;
}

Histogram::Histogram(HistogramShape shape) : shape_(std::move(shape)) {
  data_.exponential = shape_.exponential;
  if (shape_.exponential) {
    data_.scale = shape_.max_scale;
    return;
  }
  data_.counts.resize(shape_.bounds.size() + 1);
  data_.bounds = shape_.bounds;
}

void Histogram::Record(double value) {
  if (!std::isfinite(value)) return;
  std::lock_guard lock(mutex_);
  if (!shape_.exponential) {
    // Upper bounds are inclusive, as in the specification of explicit bucket histograms.
    auto it = std::lower_bound(data_.bounds.begin(), data_.bounds.end(), value);
    ++data_.counts[static_cast<size_t>(it - data_.bounds.begin())];
  } else if (value < std::numeric_limits<double>::min()) {
    ++data_.zeros;
  } else {
    int bucket = BucketOf(value, data_.scale), scale = data_.scale;
    int first = data_.counts.empty() ? bucket : std::min(bucket, data_.offset);
    int last =
        data_.counts.empty() ? bucket : std::max(bucket, data_.offset + static_cast<int>(data_.counts.size()) - 1);
    for (; last - first >= shape_.max_size; --scale) first >>= 1, last >>= 1, bucket >>= 1;
    data_.Coarsen(scale);
    data_.Cover(first, last);
    ++data_.counts[static_cast<size_t>(bucket - data_.offset)];
  }
  data_.sum += value;
  ++data_.count;
  data_.min = std::min(data_.min, value);
  data_.max = std::max(data_.max, value);
  for (auto& w : windows_) w = {std::min(w.min, value), std::max(w.max, value)};
}

Histogram::Data Histogram::Read() const {
  std::lock_guard lock(mutex_);
  return data_;
}

void Histogram::OpenWindow(size_t window) {
  std::lock_guard lock(mutex_);
  windows_.resize(std::max(windows_.size(), window + 1));
  windows_[window] = {};
}

Histogram::Data Histogram::ReadWindow(size_t window) {
  std::lock_guard lock(mutex_);
  Data out = data_;
  Range range = std::exchange(windows_[window], {});
  out.min = range.min;
  out.max = range.max;
  return out;
}

const std::vector<double>& BatchItemBounds() {
  static const std::vector<double> bounds = {10,   25,   50,   75,   100,  250,  500,   750,   1000,  2000,  3000,
                                             4000, 5000, 6000, 7000, 8000, 9000, 10000, 20000, 30000, 50000, 100000};
  return bounds;
}

const std::vector<double>& BatchByteBounds() {
  static const std::vector<double> bounds = {
      10,     25,     50,     75,     100,     250,     500,     750,     1000,    2000,    3000,    4000,    5000,
      6000,   7000,   8000,   9000,   10000,   20000,   30000,   50000,   100000,  200000,  300000,  400000,  500000,
      600000, 700000, 800000, 900000, 1000000, 2000000, 3000000, 4000000, 5000000, 6000000, 7000000, 8000000, 9000000};
  return bounds;
}

Metrics::Entry& Metrics::Find(const Instrument& instrument, Attributes& attributes) {
  std::sort(attributes.begin(), attributes.end());
  Group& g = groups_[instrument.name];
  if (g.entries.empty()) g.instrument = instrument;
  auto it = g.entries.find(attributes);
  if (it != g.entries.end()) return it->second;
  if (series_ >= kMaxSeries) return g.entries[Attributes{{"otel.metric.overflow", "true"}}];
  ++series_;
  return g.entries[attributes];
}

Sum* Metrics::GetSum(const Instrument& instrument, Attributes attributes) {
  std::lock_guard lock(mutex_);
  Entry& e = Find(instrument, attributes);
  if (!e.sum) e.sum = std::make_unique<Sum>();
  return e.sum.get();
}

Histogram* Metrics::GetHistogram(const Instrument& instrument, Attributes attributes,
                                 const std::vector<double>& bounds) {
  std::lock_guard lock(mutex_);
  Entry& e = Find(instrument, attributes);
  if (!e.histogram) {
    std::optional<HistogramShape> other = shapes_ ? shapes_(instrument) : std::nullopt;
    e.histogram = std::make_unique<Histogram>(other ? std::move(*other) : HistogramShape{bounds});
    for (size_t i = 0; i < windows_.size(); ++i) e.histogram->OpenWindow(i);
  }
  return e.histogram.get();
}

void Metrics::SetShapes(ShapeOf shapes) {
  std::lock_guard lock(mutex_);
  shapes_ = std::move(shapes);
}

std::shared_ptr<const size_t> Metrics::OpenWindow() {
  std::lock_guard lock(mutex_);
  auto free = std::find_if(windows_.begin(), windows_.end(), [](auto& w) { return w.expired(); });
  auto handle = std::make_shared<const size_t>(free - windows_.begin());
  if (free == windows_.end()) {
    windows_.push_back(handle);
  } else {
    *free = handle;
  }
  for (auto& [name, group] : groups_) {
    for (auto& [attributes, entry] : group.entries) {
      if (entry.histogram) entry.histogram->OpenWindow(*handle);
    }
  }
  return handle;
}

void Metrics::DescribeExporter(const std::string& id, std::string_view signal, Attributes attributes) {
  std::lock_guard lock(mutex_);
  exporters_[{id, std::string(signal)}] = std::move(attributes);
}

Attributes Metrics::ExporterAttributes(const std::string& id, std::string_view signal) const {
  std::lock_guard lock(mutex_);
  auto it = exporters_.find({id, std::string(signal)});
  return it == exporters_.end() ? Attributes() : it->second;
}

std::shared_ptr<void> Metrics::Observe(const Instrument& instrument, Attributes attributes,
                                       std::function<double()> fn) {
  std::lock_guard lock(mutex_);
  Entry& e = Find(instrument, attributes);
  auto handle = std::make_shared<std::function<double()>>(std::move(fn));
  e.observe = handle;
  return handle;
}

std::vector<Metrics::Family> Metrics::Collect(const size_t* window) const {
  std::vector<Family> out;
  std::lock_guard lock(mutex_);
  for (auto& [name, g] : groups_) {
    Family f{g.instrument, {}};
    for (auto& [attributes, e] : g.entries) {
      Series s;
      s.attributes = attributes;
      if (e.histogram) {
        s.histogram = window ? e.histogram->ReadWindow(*window) : e.histogram->Read();
      } else if (auto fn = e.observe.lock()) {
        s.value = (*fn)();
      } else if (e.sum) {
        s.value = static_cast<double>(e.sum->value());
      } else {
        continue;
      }
      f.series.push_back(std::move(s));
    }
    if (!f.series.empty()) out.push_back(std::move(f));
  }
  return out;
}

}  // namespace naru::pipeline
