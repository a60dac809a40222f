// OTLP requests to test with: numbered records that can be found again, and bytes that nobody may trust.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "otlp/signal.h"
#include "testkit/sim_world.h"

namespace naru::testkit {

/// A valid request with the records `first` to `first + n - 1` (below 10^10), in two resources when there are several.
/// Each record carries its number as the text "record0000000042", once: as the name of its span, the body of its log
/// record, the name of its metric (with one point), the id of its profile (with one sample).
Slice NumberedRequest(otlp::Signal signal, uint64_t first, uint64_t n);

/// The numbers of all records in a request, in the order of its bytes; the texts are looked for, nothing is parsed.
std::vector<uint64_t> NumbersIn(std::string_view request);

struct HostileRequest {
  std::string name;  // for people
  Slice bytes;
  /// What a receiver would have counted: the items up to the first flaw, at least 1.
  uint64_t items = 1;
};
/// Cut short, bent, endlessly nested, with lengths that lie; some of them pass otlp::Count and fail below it. The same
/// for the same `random`.
std::vector<HostileRequest> HostileRequests(otlp::Signal signal, SimRandom& random);

}  // namespace naru::testkit
