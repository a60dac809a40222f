#include "codec/prometheus/series.h"

#include <bit>

namespace naru::codec::prometheus {
namespace {

constexpr std::string_view kName = "__name__";
constexpr size_t kMostFamilies = 65536;  // a request; what is more has no metadata

namespace v1 {
constexpr uint32_t kSeries = 1, kMetadata = 3;                                  // of a request
constexpr uint32_t kLabels = 1, kSamples = 2, kExemplars = 3, kHistograms = 4;  // of a series
constexpr uint32_t kLabelName = 1, kLabelValue = 2;
constexpr uint32_t kType = 1, kFamily = 2, kHelp = 4, kUnit = 5;  // of metadata
}  // namespace v1
namespace v2 {
constexpr uint32_t kSymbols = 4, kSeries = 5;
constexpr uint32_t kLabels = 1, kSamples = 2, kHistograms = 3, kExemplars = 4, kMetadata = 5, kCreated = 6;
constexpr uint32_t kType = 1, kHelp = 3, kUnit = 4;
}  // namespace v2

// Of a sample and, with the number in front, of an exemplar.
constexpr uint32_t kSampleValue = 1, kSampleTime = 2, kExemplarLabels = 1, kExemplarValue = 2, kExemplarTime = 3;

// Of a histogram, the same in both versions.
constexpr uint32_t kCount = 1, kSum = 3, kSchema = 4, kZeroThreshold = 5, kZeroCount = 6, kNegativeSpans = 8,
                   kNegativeDeltas = 9, kPositiveSpans = 11, kPositiveDeltas = 12, kTime = 15;
constexpr uint32_t kSpanOffset = 1, kSpanLength = 2;

// proto3 leaves zeros out; minus zero is none.
void DoubleField(wire::Writer& out, uint32_t field, double v) {
  if (std::bit_cast<uint64_t>(v)) out.DoubleField(field, v);
}
void IntField(wire::Writer& out, uint32_t field, int64_t v) {
  if (v) out.VarintField(field, static_cast<uint64_t>(v));
}

}  // namespace

uint32_t SeriesWriter::Symbol(std::string_view text) {
  if (text.empty()) return 0;
  auto it = symbols_.find(text);
  if (it == symbols_.end()) {
    it = symbols_.emplace(text, static_cast<uint32_t>(symbol_list_.size() + 1)).first;
    symbol_list_.push_back(it->first);
    symbol_bytes_ += wire::FieldSize(v2::kSymbols, text.size());
  }
  return it->second;
}

void SeriesWriter::Labels(uint32_t field, std::span<const Label> labels) {
  if (!v2_) {
    for (auto& l : labels) {
      size_t size = wire::FieldSize(v1::kLabelName, l.name.size()) + wire::FieldSize(v1::kLabelValue, l.value.size());
      series_.Varint(wire::Tag(field, wire::kLength));
      series_.Varint(size);
      series_.BytesField(v1::kLabelName, l.name);
      series_.BytesField(v1::kLabelValue, l.value);
    }
    return;
  }
  refs_.clear();
  size_t size = 0;
  for (auto& l : labels) {
    for (uint32_t ref : {Symbol(l.name), Symbol(l.value)}) {
      refs_.push_back(ref);
      size += wire::VarintSize(ref);
    }
  }
  if (refs_.empty()) return;
  series_.Varint(wire::Tag(field, wire::kLength));
  series_.Varint(size);
  for (uint32_t ref : refs_) series_.Varint(ref);
}

void SeriesWriter::Begin(std::span<const Label> labels, std::string_view name, const Label& extra) {
  open_ = series_.Begin(v2_ ? v2::kSeries : v1::kSeries, 256);
  const Label own[] = {{kName, name}, extra};
  const size_t count = extra.name.empty() ? 1 : 2;
  merged_.clear();
  size_t next = 0;
  for (auto& l : labels) {
    while (next < count && own[next].name <= l.name) merged_.push_back(own[next++]);
    if (merged_.empty() || merged_.back().name != l.name) merged_.push_back(l);
  }
  while (next < count) merged_.push_back(own[next++]);
  Labels(v2_ ? v2::kLabels : v1::kLabels, merged_);
}

void SeriesWriter::Sample(double value, int64_t time) {
  auto m = series_.Begin(v2_ ? v2::kSamples : v1::kSamples, 20);
  DoubleField(series_, kSampleValue, value);
  IntField(series_, kSampleTime, time);
  series_.End(m);
  ++samples_;
}

void SeriesWriter::Buckets(uint32_t spans, uint32_t deltas, const BucketLayout& layout) {
  for (auto& s : layout.spans) {
    auto m = series_.Begin(spans, 12);
    if (s.offset) series_.SignedField(kSpanOffset, s.offset);
    if (s.length) series_.VarintField(kSpanLength, s.length);
    series_.End(m);
  }
  if (layout.deltas.empty()) return;
  auto m = series_.Begin(deltas, layout.deltas.size());
  for (int64_t d : layout.deltas) series_.Varint(wire::ZigZag(d));
  series_.End(m);
}

void SeriesWriter::Histogram(const NativeHistogram& h) {
  auto m = series_.Begin(v2_ ? v2::kHistograms : v1::kHistograms, 256);
  series_.VarintField(kCount, h.count);  // of a oneof: written when zero as well
  DoubleField(series_, kSum, h.sum);
  if (h.schema) series_.SignedField(kSchema, h.schema);
  DoubleField(series_, kZeroThreshold, h.zero_threshold);
  series_.VarintField(kZeroCount, h.zero_count);
  if (h.negative) Buckets(kNegativeSpans, kNegativeDeltas, *h.negative);
  if (h.positive) Buckets(kPositiveSpans, kPositiveDeltas, *h.positive);
  IntField(series_, kTime, h.time);
  series_.End(m);
  ++histograms_;
}

void SeriesWriter::Exemplar(std::span<const Label> labels, double value, int64_t time) {
  auto m = series_.Begin(v2_ ? v2::kExemplars : v1::kExemplars, 100);
  Labels(kExemplarLabels, labels);
  DoubleField(series_, kExemplarValue, value);
  IntField(series_, kExemplarTime, time);
  series_.End(m);
  ++exemplars_;
}

void SeriesWriter::End(const Family& family, int64_t created) {
  if (v2_) {
    auto m = series_.Begin(v2::kMetadata, 12);
    if (family.type != FamilyType::kUnknown) series_.VarintField(v2::kType, static_cast<uint64_t>(family.type));
    if (uint32_t help = Symbol(family.help)) series_.VarintField(v2::kHelp, help);
    if (uint32_t unit = Symbol(family.unit)) series_.VarintField(v2::kUnit, unit);
    series_.End(m);
    IntField(series_, v2::kCreated, created);
  }
  series_.End(open_);
}

void SeriesWriter::Metadata(const Family& family) {
  if (v2_ || families_.size() >= kMostFamilies || !families_.emplace(family.name, family.type).second) return;
  auto m = series_.Begin(v1::kMetadata, family.name.size() + family.help.size() + 16);
  if (family.type != FamilyType::kUnknown) series_.VarintField(v1::kType, static_cast<uint64_t>(family.type));
  series_.BytesField(v1::kFamily, family.name);
  if (!family.help.empty()) series_.BytesField(v1::kHelp, family.help);
  if (!family.unit.empty()) series_.BytesField(v1::kUnit, family.unit);
  series_.End(m);
}

Slice SeriesWriter::Finish() {
  samples_ = histograms_ = exemplars_ = 0;
  families_.clear();
  if (!v2_) return series_.Finish();
  wire::Writer out(size() + 2);
  out.BytesField(v2::kSymbols, {});  // the first one is the empty text
  for (auto symbol : symbol_list_) out.BytesField(v2::kSymbols, symbol);
  out.Raw(series_.view());
  series_.Truncate(0);
  symbol_list_.clear();
  symbols_.clear();
  symbol_bytes_ = 0;
  return out.Finish();
}

}  // namespace naru::codec::prometheus
