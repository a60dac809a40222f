#include "pipeline/metrics.h"

#include <algorithm>

namespace naru::pipeline {

Histogram::Histogram(std::vector<double> bounds) {
  data_.counts.resize(bounds.size() + 1);
  data_.bounds = std::move(bounds);
}

void Histogram::Record(double value) {
  std::lock_guard lock(mutex_);
  // Upper bounds are inclusive, as in the specification of explicit bucket histograms.
  auto it = std::lower_bound(data_.bounds.begin(), data_.bounds.end(), value);
  ++data_.counts[static_cast<size_t>(it - data_.bounds.begin())];
  data_.sum += value;
  data_.min = std::min(data_.min, value);
  data_.max = std::max(data_.max, value);
  ++data_.count;
}

Histogram::Data Histogram::Read() const {
  std::lock_guard lock(mutex_);
  return data_;
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
    const std::vector<double>* other = bounds_ ? bounds_(instrument) : nullptr;
    e.histogram = std::make_unique<Histogram>(other ? *other : bounds);
  }
  return e.histogram.get();
}

void Metrics::SetBounds(BoundsOf bounds) {
  std::lock_guard lock(mutex_);
  bounds_ = std::move(bounds);
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

std::vector<Metrics::Family> Metrics::Collect() const {
  std::vector<Family> out;
  std::lock_guard lock(mutex_);
  for (auto& [name, g] : groups_) {
    Family f{g.instrument, {}};
    for (auto& [attributes, e] : g.entries) {
      Series s;
      s.attributes = attributes;
      if (e.histogram) {
        s.histogram = e.histogram->Read();
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
