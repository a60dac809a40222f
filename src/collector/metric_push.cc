#include "collector/metric_push.h"

#include <cmath>

#include "collector/record_exporter.h"
#include "otlp/build.h"

namespace naru::collector {

using pipeline::Metrics;

namespace {

// Takes off what was told before; `told` remembers the whole.
Metrics::Series Since(const std::string& name, const Metrics::Series& now, Told& told) {
  Metrics::Series out = now;
  auto& last = told[{name, now.attributes}];
  out.value -= last.value;
  out.histogram.Subtract(last.histogram);
  last = now;
  return out;
}

}  // namespace

std::pair<Slice, uint64_t> EncodeFamilies(const std::vector<Metrics::Family>& families,
                                          const pipeline::Attributes& resource, uint64_t start, uint64_t now,
                                          Temporality temporality, Told& told) {
  otlp::RequestBuilder b(otlp::Signal::kMetrics);
  WriteResource(b, resource);
  b.Scope("naru");
  for (auto& f : families) {
    auto& i = f.instrument;
    if (f.series.empty()) continue;
    bool sum = i.kind == Metrics::Kind::kCounter || i.kind == Metrics::Kind::kUpDown;
    bool histogram = i.kind == Metrics::Kind::kHistogram;
    bool delta = temporality == Temporality::kDelta && (histogram || i.kind == Metrics::Kind::kCounter);
    otlp::MetricData m;
    m.name = i.name;
    m.description = i.description;
    m.unit = i.unit;
    bool exponential = histogram && f.series.front().histogram.exponential;
    m.kind = exponential ? otlp::Metric::Kind::kExpHistogram
             : histogram ? otlp::Metric::Kind::kHistogram
             : sum       ? otlp::Metric::Kind::kSum
                         : otlp::Metric::Kind::kGauge;
    m.temporality = i.kind == Metrics::Kind::kGauge ? 0 : delta ? 1 : 2;
    m.monotonic = i.kind == Metrics::Kind::kCounter;
    b.Metric(m);
    bool whole = i.unit != "s";  // everything but times is counted in whole numbers
    for (auto& series : f.series) {
      Metrics::Series s = delta ? Since(i.name, series, told) : series;
      std::vector<otlp::Attr> attributes;
      for (auto& [k, v] : s.attributes) attributes.push_back({k, v});
      if (exponential != s.histogram.exponential) continue;  // made before a reload that changed the views
      auto fill = [&](auto& p) {                             // what both kinds of histogram have
        p.attributes = attributes;
        p.start = start;
        p.time = now;
        p.count = s.histogram.count;
        p.has_sum = true;
        p.sum = s.histogram.sum;
        p.has_min = p.has_max = s.histogram.min <= s.histogram.max;
        p.min = s.histogram.min;
        p.max = s.histogram.max;
      };
      if (exponential) {
        otlp::ExpHistogramPointData p;
        fill(p);
        p.scale = s.histogram.scale;
        p.zero_count = s.histogram.zeros;
        p.positive = {s.histogram.offset, s.histogram.counts};
        b.Add(p);
        continue;
      }
      if (histogram) {
        otlp::HistogramPointData p;
        fill(p);
        p.bucket_counts = s.histogram.counts;
        p.bounds = s.histogram.bounds;
        b.Add(p);
        continue;
      }
      otlp::NumberPointData p;
      p.attributes = attributes;
      if (sum) p.start = start;
      p.time = now;
      if (whole && std::abs(s.value) < 0x1p63) {
        p.number = static_cast<int64_t>(std::llround(s.value));
      } else {
        p.number = s.value;
      }
      b.Add(p);
    }
  }
  uint64_t items = b.items();
  return {b.Finish(), items};
}

Result<std::unique_ptr<MetricPush>> MetricPush::Make(const Factories& factories, pipeline::Host& host,
                                                     const Logger& log, const PeriodicReaderConfig& c,
                                                     pipeline::Attributes resource, uint64_t start, Collect collect,
                                                     const std::string& path) {
  std::unique_ptr<MetricPush> out(new MetricPush(host, std::move(resource), start, std::move(collect)));
  SelfExporterConfig exporter = c.exporter;
  if (exporter.otlp) exporter.otlp->timeout_ms = std::min(exporter.otlp->timeout_ms, c.timeout_ms);
  auto made = OwnExporter::Make(factories, host, log, exporter, otlp::Signal::kMetrics, path);
  if (!made) return Unexpected(made.error());
  out->exporter_ = std::move(*made);
  out->interval_ = std::chrono::milliseconds(c.interval_ms);
  const std::string preference = exporter.otlp ? exporter.otlp->temporality_preference : "";
  if (preference == "delta" || preference == "lowmemory") out->temporality_ = Temporality::kDelta;
  if (out->temporality_ == Temporality::kDelta) out->window_ = host.metrics().OpenWindow();
  return out;
}

Status MetricPush::Start() {
  if (auto s = exporter_->Start(); !s) return s;
  Tick();
  return {};
}

void MetricPush::Tick() {
  timer_ = host_.control_loop().AddTimer(interval_, [this] {
    // A backend that is slower than the interval gets the next values later.
    if (!busy_) Push({});
    Tick();
  });
}

void MetricPush::Push(std::function<void()> then) {
  uint64_t now = host_.control_loop().clock().UnixNano();
  auto [request, items] = EncodeFamilies(collect_(window_.get()), resource_, start_, now, temporality_, told_);
  if (temporality_ == Temporality::kDelta) start_ = now;
  if (items == 0) {
    if (then) then();
    return;
  }
  busy_ = true;
  waiting_ = std::move(then);
  exporter_->Push(std::move(request), items, [this, alive = std::weak_ptr(alive_)](bool) {
    if (alive.expired()) return;
    busy_ = false;
    if (waiting_) std::exchange(waiting_, nullptr)();
  });
}

void MetricPush::Shutdown(MonoTime deadline, std::function<void()> done) {
  timer_.Cancel();
  auto end = [this, deadline, done = std::move(done)] {
    deadline_.Cancel();
    exporter_->Shutdown(deadline, done);
  };
  net::Loop& loop = host_.control_loop();
  deadline_ = loop.AddTimer(deadline - loop.Now(), [this] {
    if (waiting_) std::exchange(waiting_, nullptr)();
  });
  if (!busy_) return Push(std::move(end));
  // What is under way has older values: these come behind it.
  waiting_ = [this, end = std::move(end)]() mutable { Push(std::move(end)); };
}

}  // namespace naru::collector
