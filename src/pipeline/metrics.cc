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
  ++data_.count;
}

Histogram::Data Histogram::Read() const {
  std::lock_guard lock(mutex_);
  return data_;
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
