// Telemetry for load and demonstration, encoded once and sent many times.
#pragma once

#include <cstdint>
#include <vector>

#include "base/buffer.h"
#include "otlp/signal.h"

namespace naru::apps {

struct Payload {
  Slice bytes;
  uint64_t items = 0;
};

/// A request with `items` records of about 350 bytes each: a small shop's services, with realistic attributes. The same
/// seed gives the same bytes but for `now` (ns since the epoch). Spans form traces of up to eight spans over four
/// services, in at most four resources.
Payload MakePayload(otlp::Signal signal, uint64_t items, uint64_t seed, uint64_t now);

}  // namespace naru::apps
