#include "collector/metric_views.h"

#include <algorithm>

namespace naru::collector {

using pipeline::Attributes;
using pipeline::Metrics;

void ViewSelector::Describe(conf::Struct<ViewSelector>& s) {
  s.Field("instrument_name", &ViewSelector::instrument_name, "name, with `*` and `?`; empty: all");
  s.Field("instrument_type", &ViewSelector::instrument_type,
          "`counter`, `histogram`, `gauge`, `updown_counter`, `observable_counter`, `observable_gauge`, "
          "`observable_updown_counter`");
  s.Field("unit", &ViewSelector::unit, "unit");
  s.Field("meter_name", &ViewSelector::meter_name, "name of the scope");
  s.Field("meter_version", &ViewSelector::meter_version, "its version");
  s.Field("meter_schema_url", &ViewSelector::meter_schema_url, "its schema URL");
}

void IncludeExclude::Describe(conf::Struct<IncludeExclude>& s) {
  s.Field("included", &IncludeExclude::included, "names with `*` and `?`; none: all");
  s.Field("excluded", &IncludeExclude::excluded, "names that are left out all the same");
}

bool IncludeExclude::Has(std::string_view name) const {
  auto matches = [&](auto& p) { return MatchesGlob(p, name); };
  if (std::any_of(excluded.begin(), excluded.end(), matches)) return false;
  return included.empty() || std::any_of(included.begin(), included.end(), matches);
}

void ViewHistogram::Describe(conf::Struct<ViewHistogram>& s) {
  s.Field("boundaries", &ViewHistogram::boundaries, "upper bounds of the buckets");
  s.Field("record_min_max", &ViewHistogram::record_min_max, "push the least and the greatest value too");
}

void ViewExponential::Describe(conf::Struct<ViewExponential>& s) {
  s.Field("max_scale", &ViewExponential::max_scale, "scale to begin with, -10 to 20; it sinks when values spread");
  s.Field("max_size", &ViewExponential::max_size, "most buckets, 2 to 16384");
  s.Field("record_min_max", &ViewExponential::record_min_max, "push the least and the greatest value too");
}

void ViewAggregation::Describe(conf::Struct<ViewAggregation>& s) {
  s.Field("default", &ViewAggregation::default_, "as the instrument is made");
  s.Field("drop", &ViewAggregation::drop, "not at all");
  s.Field("sum", &ViewAggregation::sum, "the sum alone");
  s.Field("last_value", &ViewAggregation::last_value, "as a gauge");
  s.Field("explicit_bucket_histogram", &ViewAggregation::explicit_bucket_histogram, "histograms with these buckets");
  s.Field("base2_exponential_bucket_histogram", &ViewAggregation::base2_exponential_bucket_histogram,
          "histograms with exponential buckets");
}

void ViewStream::Describe(conf::Struct<ViewStream>& s) {
  s.Field("name", &ViewStream::name, "name to show; empty: the instrument's");
  s.Field("description", &ViewStream::description, "description to show");
  s.Field("aggregation", &ViewStream::aggregation, "how values are put together");
  s.Field("attribute_keys", &ViewStream::attribute_keys, "attributes to keep; series that become equal are added up");
  s.Field("aggregation_cardinality_limit", &ViewStream::aggregation_cardinality_limit,
          "series of one name; further ones are put together. 0: no limit of its own");
}

void ViewConfig::Describe(conf::Struct<ViewConfig>& s) {
  s.Field("selector", &ViewConfig::selector, "which instruments");
  s.Field("stream", &ViewConfig::stream, "what becomes of them");
}

void ViewConfig::Validate(conf::Issues& issues) const {
  static constexpr std::string_view kTypes[] = {"",
                                                "counter",
                                                "histogram",
                                                "gauge",
                                                "updown_counter",
                                                "observable_counter",
                                                "observable_gauge",
                                                "observable_updown_counter"};
  if (std::find(std::begin(kTypes), std::end(kTypes), selector.instrument_type) == std::end(kTypes))
    issues.Add("selector::instrument_type", fmt::format("\"{}\" is no type of instrument", selector.instrument_type));
  bool any = !selector.instrument_name.empty() || !selector.instrument_type.empty() || !selector.unit.empty() ||
             !selector.meter_name.empty() || !selector.meter_version.empty() || !selector.meter_schema_url.empty();
  if (!any) issues.Add("selector", "must select something");
  bool several = selector.instrument_name.find_first_of("*?") != std::string::npos || selector.instrument_name.empty();
  if (!stream.name.empty() && several)
    issues.Add("stream::name", "a name can be given only where the selector names one instrument");
  if (stream.aggregation && stream.aggregation->explicit_bucket_histogram) {
    auto& b = stream.aggregation->explicit_bucket_histogram->boundaries;
    if (!std::is_sorted(b.begin(), b.end(), std::less_equal<>()))
      issues.Add("stream::aggregation::explicit_bucket_histogram::boundaries", "must increase");
  }
  if (stream.aggregation && stream.aggregation->base2_exponential_bucket_histogram) {
    auto& e = *stream.aggregation->base2_exponential_bucket_histogram;
    constexpr std::string_view kPath = "stream::aggregation::base2_exponential_bucket_histogram";
    if (e.max_scale < -10 || e.max_scale > 20)
      issues.Add(fmt::format("{}::max_scale", kPath), "must be between -10 and 20");
    if (e.max_size < 2 || e.max_size > 16384)
      issues.Add(fmt::format("{}::max_size", kPath), "must be between 2 and 16384");
  }
}

bool MatchesGlob(std::string_view pattern, std::string_view text) {
  // The last star is the only one to go back to.
  size_t p = 0, t = 0, star = std::string_view::npos, from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*') {
      ++p;
      ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

namespace {

bool Selects(const ViewSelector& s, const Metrics::Instrument& i) {
  if (!s.instrument_name.empty() && !MatchesGlob(s.instrument_name, i.name)) return false;
  if (!s.unit.empty() && s.unit != i.unit) return false;
  if (!s.meter_name.empty() && s.meter_name != "naru") return false;
  if (!s.meter_version.empty() || !s.meter_schema_url.empty()) return false;
  std::string_view type = s.instrument_type;
  if (type.starts_with("observable_")) type.remove_prefix(11);
  switch (i.kind) {
    case Metrics::Kind::kCounter:
      return type.empty() || type == "counter";
    case Metrics::Kind::kUpDown:
      return type.empty() || type == "updown_counter";
    case Metrics::Kind::kGauge:
      return type.empty() || type == "gauge";
    case Metrics::Kind::kHistogram:
      return type.empty() || type == "histogram";
  }
  return false;
}

void Merge(Metrics::Series& into, const Metrics::Series& from, Metrics::Kind kind) {
  if (kind == Metrics::Kind::kGauge) {
    into.value = from.value;
    return;
  }
  into.value += from.value;
  into.histogram.Add(from.histogram);
}

Metrics::Family Shown(const ViewStream& stream, const Metrics::Family& family) {
  Metrics::Family out{family.instrument, {}};
  if (!stream.name.empty()) out.instrument.name = stream.name;
  if (!stream.description.empty()) out.instrument.description = stream.description;
  const ViewAggregation* how = stream.aggregation ? &*stream.aggregation : nullptr;
  bool histogram = family.instrument.kind == Metrics::Kind::kHistogram;
  if (how && how->sum && histogram) out.instrument.kind = Metrics::Kind::kCounter;
  if (how && how->last_value && !histogram) out.instrument.kind = Metrics::Kind::kGauge;
  auto limit = static_cast<size_t>(std::max<int64_t>(0, stream.aggregation_cardinality_limit));
  for (auto& series : family.series) {
    Metrics::Series s = series;
    if (stream.attribute_keys)
      std::erase_if(s.attributes, [&](auto& a) { return !stream.attribute_keys->Has(a.first); });
    if (histogram && out.instrument.kind == Metrics::Kind::kCounter) s.value = std::exchange(s.histogram, {}).sum;
    if (how &&
        ((how->explicit_bucket_histogram && !how->explicit_bucket_histogram->record_min_max) ||
         (how->base2_exponential_bucket_histogram && !how->base2_exponential_bucket_histogram->record_min_max))) {
      s.histogram.min = std::numeric_limits<double>::infinity();
      s.histogram.max = -s.histogram.min;
    }
    auto same = [&](auto& o) { return o.attributes == s.attributes; };
    auto it = std::find_if(out.series.begin(), out.series.end(), same);
    if (it == out.series.end() && limit && out.series.size() + 1 >= limit) {
      s.attributes = {{"otel.metric.overflow", "true"}};
      it = std::find_if(out.series.begin(), out.series.end(), same);
    }
    if (it != out.series.end()) {
      Merge(*it, s, out.instrument.kind);
    } else {
      out.series.push_back(std::move(s));
    }
  }
  return out;
}

}  // namespace

std::vector<Metrics::Family> ApplyViews(const std::vector<ViewConfig>& views, std::vector<Metrics::Family> families) {
  if (views.empty()) return families;
  std::vector<Metrics::Family> out;
  for (auto& f : families) {
    bool selected = false;
    for (auto& v : views) {
      if (!Selects(v.selector, f.instrument)) continue;
      selected = true;
      if (v.stream.aggregation && v.stream.aggregation->drop) continue;
      out.push_back(Shown(v.stream, f));
    }
    if (!selected) out.push_back(std::move(f));
  }
  std::stable_sort(out.begin(), out.end(), [](auto& a, auto& b) { return a.instrument.name < b.instrument.name; });
  return out;
}

std::optional<pipeline::HistogramShape> ViewShape(const std::vector<ViewConfig>& views,
                                                  const Metrics::Instrument& instrument) {
  for (auto& v : views) {
    if (!v.stream.aggregation || !Selects(v.selector, instrument)) continue;
    auto& how = *v.stream.aggregation;
    if (how.explicit_bucket_histogram) return pipeline::HistogramShape{how.explicit_bucket_histogram->boundaries};
    if (how.base2_exponential_bucket_histogram) {
      auto& e = *how.base2_exponential_bucket_histogram;
      return pipeline::HistogramShape{{}, true, static_cast<int>(e.max_scale), static_cast<int>(e.max_size)};
    }
  }
  return std::nullopt;
}

}  // namespace naru::collector
