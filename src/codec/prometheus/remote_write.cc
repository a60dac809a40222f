#include "codec/prometheus/remote_write.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "otlp/value_text.h"

namespace naru::codec::prometheus {
namespace {

using otlp::AnyValue;
using Kind = otlp::Metric::Kind;

constexpr std::string_view kServiceName = "service.name", kServiceNamespace = "service.namespace",
                           kServiceInstance = "service.instance.id";
constexpr std::string_view kJob = "job", kInstance = "instance";
constexpr uint32_t kNoValue = 1;           // flag of a point: the series has ended
constexpr double kZeroThreshold = 1e-128;  // of a histogram that tells none
constexpr size_t kExemplarRunes = 128;     // OpenMetrics 1.0: of all labels of an exemplar

// A NaN that says that a series has ended, apart from all that are values.
double Stale() {
  return std::bit_cast<double>(uint64_t{0x7ff0000000000002});
}

int64_t Milliseconds(uint64_t nanos) {
  return static_cast<int64_t>(nanos / 1'000'000);
}

bool IsService(std::string_view key) {
  return key == kServiceName || key == kServiceNamespace || key == kServiceInstance;
}

// As Prometheus writes bounds: the shortest digits that read back equal, never with an exponent.
std::string_view NumberText(double v, loki::TextArena& arena) {
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  if (std::isnan(v)) return "NaN";
  char digits[400];
  auto end = std::to_chars(digits, digits + sizeof digits, v, std::chars_format::fixed).ptr;
  return arena.Join({digits, static_cast<size_t>(end - digits)});
}

size_t Runes(std::string_view s) {
  return static_cast<size_t>(std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string_view Hex(std::string_view bytes, loki::TextArena& arena) {
  static constexpr char kDigits[] = "0123456789abcdef";
  char* out = arena.Allocate(2 * bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    auto b = static_cast<unsigned char>(bytes[i]);
    out[2 * i] = kDigits[b >> 4];
    out[2 * i + 1] = kDigits[b & 15];
  }
  return {out, 2 * bytes.size()};
}

bool AllZero(std::string_view id) {
  return id.find_first_not_of('\0') == std::string_view::npos;
}

FamilyType TypeOf(const otlp::Metric& m) {
  // What a Prometheus receiver says of types that OpenTelemetry lacks.
  std::string_view told = otlp::FindAttribute(m.metadata, "prometheus.type").bytes;
  switch (m.kind) {
    case Kind::kGauge:
      return told == "unknown" ? FamilyType::kUnknown : FamilyType::kGauge;
    case Kind::kSum:
      return m.monotonic          ? FamilyType::kCounter
             : told == "info"     ? FamilyType::kInfo
             : told == "stateset" ? FamilyType::kStateSet
                                  : FamilyType::kGauge;
    case Kind::kHistogram:
    case Kind::kExpHistogram:
      return FamilyType::kHistogram;
    case Kind::kSummary:
      return FamilyType::kSummary;
    case Kind::kEmpty:
      break;
  }
  return FamilyType::kUnknown;
}

}  // namespace

std::string_view UnfitName(Unfit unfit) {
  static constexpr std::string_view kNames[kUnfits] = {"delta_temporality", "bad_metric_name", "bad_label_name",
                                                       "histogram_scale", "histogram_buckets"};
  return kNames[static_cast<size_t>(unfit)];
}

Cursor::Cursor(std::string_view request)
    : resources_(otlp::Resources(request).begin()),
      scopes_(otlp::Repeated<otlp::ScopeItems>().begin()),
      metrics_(otlp::Repeated<otlp::Metric>().begin()),
      points_(otlp::Repeated<std::string_view>().begin()) {}

Translator::Translator(RemoteWriteRules rules)
    : rules_(std::move(rules)),
      names_({rules_.names.utf8, true, false}),
      target_names_({false, false, true}),
      series_(rules_.v2) {}

size_t Translator::Take(Cursor& c) {
  using Level = Cursor::Level;
  const uint64_t before = round_.points;
  while (!full() && c.level_ != Level::kEnd) {
    switch (c.level_) {
      case Level::kResource:
        if (c.resources_ == otlp::ViewEnd()) {
          c.level_ = Level::kEnd;
          break;
        }
        TakeResource(c);
        c.scopes_ = c.resources_->scopes.begin();
        c.level_ = Level::kScope;
        break;
      case Level::kScope:
        if (c.scopes_ == otlp::ViewEnd()) {
          EndResource(c);
          ++c.resources_;
          c.level_ = Level::kResource;
          break;
        }
        c.metrics_ = c.scopes_->records<otlp::Metric>().begin();
        c.level_ = Level::kMetric;
        break;
      case Level::kMetric:
        if (c.metrics_ == otlp::ViewEnd()) {
          ++c.scopes_;
          c.level_ = Level::kScope;
          break;
        }
        TakeMetric(c);
        c.points_ = c.metrics_->points<std::string_view>().begin();
        c.level_ = Level::kPoint;
        break;
      case Level::kPoint:
        if (c.points_ == otlp::ViewEnd()) {
          ++c.metrics_;
          c.level_ = Level::kMetric;
          break;
        }
        TakePoint(c);
        ++c.points_;
        break;
      case Level::kEnd:
        break;
    }
  }
  return round_.points - before;
}

Round Translator::Finish() {
  round_.request.samples = series_.samples();
  round_.request.histograms = series_.histograms();
  round_.request.exemplars = series_.exemplars();
  if (series_.size()) round_.request.body = series_.Finish();
  return std::exchange(round_, Round());
}

std::string_view Translator::Text(const AnyValue& value) {
  if (value.kind == AnyValue::Kind::kString) return value.bytes;
  text_.clear();
  otlp::AppendText(value, &text_);
  return arena_.Join(text_);
}

void Translator::TakeResource(Cursor& c) {
  arena_.Clear();
  c.job_.clear();
  c.instance_.clear();
  c.newest_ = 0;
  c.useful_target_ = false;
  bool has_namespace = false;
  std::string space;
  for (const otlp::KeyValue& kv : c.resources_->resource.attributes) {
    if (kv.key == kServiceName) {
      c.job_ = Text(kv.value);
    } else if (kv.key == kServiceNamespace) {
      has_namespace = true;
      space = Text(kv.value);
    } else if (kv.key == kServiceInstance) {
      c.instance_ = Text(kv.value);
    } else {
      c.useful_target_ = true;
    }
  }
  if (!c.job_.empty() && has_namespace) c.job_ = space + "/" + c.job_;
}

void Translator::TakeMetric(Cursor& c) {
  const otlp::Metric& m = *c.metrics_;
  c.unfit_ = -1;
  // 2 is cumulative; gauges and summaries have no temporality.
  bool cumulative = m.temporality == 2 || m.kind == Kind::kGauge || m.kind == Kind::kSummary;
  if (!cumulative) {
    c.unfit_ = static_cast<int>(Unfit::kTemporality);
    return;
  }
  MetricType type = m.kind == Kind::kGauge                ? MetricType::kGauge
                    : m.kind == Kind::kSum && m.monotonic ? MetricType::kCounter
                                                          : MetricType::kOther;
  c.family_.name = MetricName(m.name, m.unit, type, rules_.names);
  if (c.family_.name.empty()) {
    c.unfit_ = static_cast<int>(Unfit::kMetricName);
    return;
  }
  c.family_.type = TypeOf(m);
  if (!rules_.v2 && !rules_.metadata) return;
  c.family_.unit = UnitName(m.unit, rules_.names.utf8);
  c.family_.help = m.description;
  if (!rules_.v2 && m.point_count() > 0) series_.Metadata(c.family_);
}

void Translator::Refuse(Cursor& c, Unfit unfit) {
  auto i = static_cast<size_t>(unfit);
  if (round_.unfit[i]++ == 0) round_.example[i] = c.metrics_->name.substr(0, 100);
}

void Translator::TakePoint(Cursor& c) {
  ++round_.points;
  const otlp::Metric& m = *c.metrics_;
  if (c.unfit_ >= 0) {
    // The time has one field number in all kinds of points.
    c.newest_ = std::max(c.newest_, otlp::NumberPoint::Parse(*c.points_).time);
    return Refuse(c, static_cast<Unfit>(c.unfit_));
  }
  arena_.Clear();
  names_.Trim();
  switch (m.kind) {
    case Kind::kGauge:
    case Kind::kSum:
      return Number(c, otlp::NumberPoint::Parse(*c.points_));
    case Kind::kHistogram:
      return Histogram(c, otlp::HistogramPoint::Parse(*c.points_));
    case Kind::kExpHistogram:
      return Native(c, otlp::ExpHistogramPoint::Parse(*c.points_));
    case Kind::kSummary:
      return Summary(c, otlp::SummaryPoint::Parse(*c.points_));
    case Kind::kEmpty:
      return;
  }
}

// Labels of attributes, in the order of their keys, so that what is joined is joined in one way. Where `over` has the
// same key its value is taken instead. `service`: with those that identify the service.
bool Translator::AddAttributes(const otlp::Attributes& attributes, const otlp::Attributes* over, bool service,
                               NameCache& names) {
  attributes_.clear();
  auto put = [this](std::string_view key, std::string_view value) {
    for (auto& a : attributes_) {
      if (a.name != key) continue;
      a.value = value;
      return;
    }
    attributes_.push_back({key, value});
  };
  for (const otlp::KeyValue& kv : attributes) {
    if (service || !IsService(kv.key)) attributes_.push_back({kv.key, Text(kv.value)});
  }
  if (over) {
    for (const otlp::KeyValue& kv : *over) {
      if (!rules_.exclude_service_attributes || !IsService(kv.key)) put(kv.key, Text(kv.value));
    }
  }
  std::stable_sort(attributes_.begin(), attributes_.end(), [](auto& a, auto& b) { return a.name < b.name; });
  for (auto& a : attributes_) {
    if (a.value.empty()) continue;  // to Prometheus, an empty label is none
    std::string_view name = names.Name(a.name);
    if (name.empty()) return false;
    labels_.Add(name, a.value, arena_);
  }
  return true;
}

void Translator::AddTarget(const Cursor& c) {
  if (!c.job_.empty()) labels_.Set(kJob, c.job_);
  if (!c.instance_.empty()) labels_.Set(kInstance, c.instance_);
}

void Translator::AddExternal() {
  for (auto& [name, value] : rules_.external_labels) {
    if (!labels_.Has(name)) labels_.Set(name, value);
  }
}

bool Translator::MakeLabels(const Cursor& c, const otlp::Attributes& attributes) {
  labels_.Clear();
  const otlp::Attributes& resource = c.resources_->resource.attributes;
  if (!AddAttributes(attributes, rules_.resource_labels ? &resource : nullptr, true, names_)) return false;
  AddTarget(c);
  AddExternal();
  if (rules_.scope_info) {
    const auto& scope = c.scopes_->scope;
    if (!scope.name.empty()) labels_.Set("otel_scope_name", scope.name);
    if (!scope.version.empty()) labels_.Set("otel_scope_version", scope.version);
    for (const otlp::KeyValue& kv : scope.attributes) {
      if (kv.key == "name" || kv.key == "version" || kv.key == "schema_url") continue;
      std::string_view name = names_.Name(arena_.Join("otel_scope_", kv.key)), value = Text(kv.value);
      if (!name.empty() && !value.empty()) labels_.Set(name, value);
    }
  }
  labels_.Sort();
  return true;
}

// Begins a series of one sample; `gone`: it has ended.
void Translator::OneSample(std::string_view name, const Label& extra, double value, uint64_t time, bool gone) {
  series_.Begin(labels_.all(), name, extra);
  series_.Sample(gone ? Stale() : value, Milliseconds(time));
}

void Translator::Number(Cursor& c, const otlp::NumberPoint& p) {
  c.newest_ = std::max(c.newest_, p.time);
  if (!MakeLabels(c, p.attributes)) return Refuse(c, Unfit::kLabelName);
  double value = p.number == otlp::NumberKind::kInt ? static_cast<double>(p.integer) : p.real;
  OneSample(c.family_.name, {}, value, p.time, p.flags & kNoValue);
  bool counter = c.family_.type == FamilyType::kCounter;
  if (counter) Exemplars(p.exemplars);
  series_.End(c.family_, counter ? Milliseconds(p.start) : 0);
}

void Translator::Histogram(Cursor& c, const otlp::HistogramPoint& p) {
  c.newest_ = std::max(c.newest_, p.time);
  if (!MakeLabels(c, p.attributes)) return Refuse(c, Unfit::kLabelName);
  bool gone = p.flags & kNoValue;
  const int64_t created = Milliseconds(p.start);
  auto sample = [&](std::string_view suffix, const Label& extra, double value) {
    name_ = c.family_.name;
    name_ += suffix;
    OneSample(name_, extra, value, p.time, gone);
  };
  if (p.has_sum) {
    sample("_sum", {}, p.sum);
    series_.End(c.family_, created);
  }
  sample("_count", {}, static_cast<double>(p.count));
  series_.End(c.family_, created);

  // An exemplar goes to the smallest bucket that it is in.
  bounds_.clear();
  size_t buckets = 0;
  const size_t counts = p.bucket_counts.size();
  for (double bound : p.bounds) {
    if (buckets == counts || !std::isfinite(bound)) break;  // the last one is +Inf in any case
    bounds_.emplace_back(bound, buckets++);
  }
  std::sort(bounds_.begin(), bounds_.end());
  exemplars_.clear();
  for (const otlp::Exemplar& e : p.exemplars) exemplars_.push_back(e);
  auto bucket_of = [&](const otlp::Exemplar& e) {
    double v = e.number == otlp::NumberKind::kInt ? static_cast<double>(e.integer) : e.real;
    auto it = std::lower_bound(bounds_.begin(), bounds_.end(), v, [](auto& b, double x) { return b.first < x; });
    return it == bounds_.end() ? buckets : it->second;
  };
  auto exemplars_of = [&](size_t bucket) {
    for (auto& e : exemplars_) {
      if (bucket_of(e) == bucket) WriteExemplar(e);
    }
  };
  uint64_t sum = 0;
  size_t i = 0;
  auto count = p.bucket_counts.begin();
  for (double bound : p.bounds) {
    if (i == buckets) break;
    sum += *count;
    ++count;
    sample("_bucket", {"le", NumberText(bound, arena_)}, static_cast<double>(sum));
    exemplars_of(i++);
    series_.End(c.family_, created);
  }
  sample("_bucket", {"le", "+Inf"}, static_cast<double>(p.count));
  exemplars_of(buckets);
  series_.End(c.family_, created);
}

void Translator::Native(Cursor& c, const otlp::ExpHistogramPoint& p) {
  c.newest_ = std::max(c.newest_, p.time);
  if (!MakeLabels(c, p.attributes)) return Refuse(c, Unfit::kLabelName);
  if (p.scale < kMinSchema) return Refuse(c, Unfit::kScale);
  const int32_t down = std::max(p.scale - kMaxSchema, 0);
  if (!LayOut(p.positive, down, &positive_) || !LayOut(p.negative, down, &negative_)) return Refuse(c, Unfit::kBuckets);
  bool gone = p.flags & kNoValue;
  NativeHistogram h;
  h.count = gone ? std::bit_cast<uint64_t>(Stale()) : p.count;
  h.sum = gone ? Stale() : p.has_sum ? p.sum : 0;
  h.zero_count = p.zero_count;
  h.zero_threshold = p.zero_threshold != 0 ? p.zero_threshold : kZeroThreshold;
  h.schema = std::min(p.scale, kMaxSchema);
  h.positive = &positive_;
  h.negative = &negative_;
  h.time = Milliseconds(p.time);
  series_.Begin(labels_.all(), c.family_.name, {});
  series_.Histogram(h);
  Exemplars(p.exemplars);
  series_.End(c.family_, Milliseconds(p.start));
}

void Translator::Summary(Cursor& c, const otlp::SummaryPoint& p) {
  c.newest_ = std::max(c.newest_, p.time);
  if (!MakeLabels(c, p.attributes)) return Refuse(c, Unfit::kLabelName);
  bool gone = p.flags & kNoValue;
  const int64_t created = Milliseconds(p.start);
  for (auto [suffix, value] : {std::pair("_sum", p.sum), std::pair("_count", static_cast<double>(p.count))}) {
    name_ = c.family_.name;
    name_ += suffix;
    OneSample(name_, {}, value, p.time, gone);
    series_.End(c.family_, created);
  }
  for (const otlp::Quantile& q : p.quantiles) {
    OneSample(c.family_.name, {"quantile", NumberText(q.quantile, arena_)}, q.value, p.time, gone);
    series_.End(c.family_, created);
  }
}

void Translator::Exemplars(const otlp::Repeated<otlp::Exemplar>& exemplars) {
  for (const otlp::Exemplar& e : exemplars) WriteExemplar(e);
}

void Translator::WriteExemplar(const otlp::Exemplar& e) {
  exemplar_labels_.clear();
  size_t runes = 0;
  auto add = [&](std::string_view name, std::string_view value) {
    runes += Runes(name) + Runes(value);
    exemplar_labels_.push_back({name, value});
  };
  if (!AllZero(e.trace_id)) add("trace_id", Hex(e.trace_id, arena_));
  if (!AllZero(e.span_id)) add("span_id", Hex(e.span_id, arena_));
  const size_t ids = exemplar_labels_.size();
  for (const otlp::KeyValue& kv : e.filtered_attributes) add(kv.key, Text(kv.value));
  // Attributes that do not fit beside the ids are left out, all of them.
  if (runes > kExemplarRunes) exemplar_labels_.resize(ids);
  double value = e.number == otlp::NumberKind::kInt ? static_cast<double>(e.integer) : e.real;
  series_.Exemplar(exemplar_labels_, value, Milliseconds(e.time));
}

// What describes a resource beside its identity is the series target_info, at the time of its newest point.
void Translator::EndResource(Cursor& c) {
  if (!rules_.target_info || c.newest_ == 0 || !c.useful_target_) return;
  arena_.Clear();
  target_names_.Trim();
  labels_.Clear();
  if (!AddAttributes(c.resources_->resource.attributes, nullptr, false, target_names_)) return;
  AddTarget(c);
  AddExternal();
  if (!labels_.Has(kJob) && !labels_.Has(kInstance)) return;
  labels_.Sort();
  Family family{rules_.names.prefix.empty() ? "target_info" : rules_.names.prefix + "_target_info", "",
                "Target metadata", FamilyType::kGauge};
  series_.Begin(labels_.all(), family.name, {});
  series_.Sample(1, Milliseconds(c.newest_));
  series_.End(family, 0);
}

}  // namespace naru::codec::prometheus
