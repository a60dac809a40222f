// Exponential histograms of OpenTelemetry as native histograms of Prometheus: the same buckets, stored as spans of
// neighbours and differences of their counts.
//
// Pure. Any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "otlp/views.h"

namespace naru::codec::prometheus {

/// Schemas of Prometheus are the scales from -4 to 8: finer ones are made coarser, coarser ones have no form.
inline constexpr int32_t kMinSchema = -4, kMaxSchema = 8;

struct BucketSpan {
  int32_t offset = 0;  // of the first: its bucket; of others: buckets left out behind the one before
  uint32_t length = 0;
};

struct BucketLayout {
  std::vector<BucketSpan> spans;
  std::vector<int64_t> deltas;  // of the counts, from one bucket to the next
  void Clear() {
    spans.clear();
    deltas.clear();
  }
};

/// The buckets, each 2^`scale_down` of which become one. Empty buckets at either end are left out, and those between
/// when there are more than two. False when an index is beyond 32 bits.
bool LayOut(const otlp::ExpBuckets& buckets, int32_t scale_down, BucketLayout* out);

}  // namespace naru::codec::prometheus
