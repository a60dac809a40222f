// Series of a remote-write request in wire form, of version 1.0 (prompb.WriteRequest) or 2.0 (io.prometheus.write.v2).
// Field numbers: the specifications of Prometheus, remote write 1.0 and 2.0.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/buffer.h"
#include "codec/prometheus/labels.h"
#include "codec/prometheus/native_histogram.h"
#include "wire/proto.h"

namespace naru::codec::prometheus {

/// Types of metrics as both versions number them.
enum class FamilyType : uint8_t { kUnknown, kCounter, kGauge, kHistogram, kGaugeHistogram, kSummary, kInfo, kStateSet };

struct Family {
  std::string name, unit, help;
  FamilyType type = FamilyType::kUnknown;
};

struct NativeHistogram {
  uint64_t count = 0, zero_count = 0;
  double sum = 0, zero_threshold = 0;
  int32_t schema = 0;
  const BucketLayout *positive = nullptr, *negative = nullptr;
  int64_t time = 0;  // ms, as all times here
};

/// Writes one request: Begin, what is in the series, End; again; Finish. Not thread-safe.
class SeriesWriter {
 public:
  explicit SeriesWriter(bool v2) : v2_(v2) {}

  /// A series with these labels, sorted by name, and with `name` and one more (none when `extra` has no name). These
  /// win over labels of the same name.
  void Begin(std::span<const Label> labels, std::string_view name, const Label& extra);
  void Sample(double value, int64_t time);
  void Histogram(const NativeHistogram& h);
  void Exemplar(std::span<const Label> labels, double value, int64_t time);
  /// `created`: ms; 0 when it is not known. Version 2.0 writes it and the family.
  void End(const Family& family, int64_t created);
  /// Version 1.0: what is known of a family, once a request.
  void Metadata(const Family& family);

  size_t size() const { return series_.size() + symbol_bytes_; }
  uint64_t samples() const { return samples_; }
  uint64_t histograms() const { return histograms_; }
  uint64_t exemplars() const { return exemplars_; }
  /// The request; the writer is empty again.
  Slice Finish();

 private:
  void Labels(uint32_t field, std::span<const Label> labels);
  uint32_t Symbol(std::string_view text);
  void Buckets(uint32_t spans, uint32_t deltas, const BucketLayout& layout);

  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  const bool v2_;
  wire::Writer series_;
  wire::Writer::Mark open_{};
  std::vector<Label> merged_;
  std::vector<uint32_t> refs_;
  std::unordered_map<std::string, uint32_t, Hash, std::equal_to<>> symbols_;  // by text, their place
  std::vector<std::string_view> symbol_list_;                                 // in the keys of symbols_
  size_t symbol_bytes_ = 0;
  std::unordered_map<std::string, FamilyType, Hash, std::equal_to<>> families_;  // whose metadata is written
  uint64_t samples_ = 0, histograms_ = 0, exemplars_ = 0;
};

}  // namespace naru::codec::prometheus
