#include "codec/prometheus/native_histogram.h"

#include <algorithm>
#include <limits>

namespace naru::codec::prometheus {

bool LayOut(const otlp::ExpBuckets& buckets, int32_t scale_down, BucketLayout* out) {
  out->Clear();
  scale_down = std::clamp(scale_down, 0, 62);
  int64_t last = 0;            // index of the last bucket that was written
  int64_t previous_count = 0;  // in it
  auto append = [&](int64_t count) {
    ++out->spans.back().length;
    out->deltas.push_back(static_cast<int64_t>(static_cast<uint64_t>(count) - static_cast<uint64_t>(previous_count)));
    previous_count = count;
  };
  auto write = [&](int64_t index, uint64_t count) {
    if (index < std::numeric_limits<int32_t>::min() || index > std::numeric_limits<int32_t>::max()) return false;
    int64_t gap = index - last - 1;
    if (out->spans.empty()) {
      out->spans.push_back({static_cast<int32_t>(index), 0});
    } else if (gap > 2) {
      if (gap > std::numeric_limits<int32_t>::max()) return false;
      out->spans.push_back({static_cast<int32_t>(gap), 0});
    } else {
      for (; gap > 0; --gap) append(0);
    }
    append(static_cast<int64_t>(count));
    last = index;
    return true;
  };
  int64_t at = buckets.offset, open = 0;
  uint64_t count = 0;
  for (uint64_t n : buckets.counts) {
    // A bucket of Prometheus is named by its upper bound, hence the 1.
    int64_t index = (at++ >> scale_down) + 1;
    if (count && index != open) {
      if (!write(open, count)) return false;
      count = 0;
    }
    open = index;
    count += n;
  }
  return !count || write(open, count);
}

}  // namespace naru::codec::prometheus
