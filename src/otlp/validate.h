// Deep structural validation of requests, and cutting out what is malformed. Passing telemetry through needs neither;
// they serve where a backend refused a request for good, and where hostile input must not reach decoders.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/buffer.h"
#include "otlp/signal.h"

namespace naru::otlp {

/// What is wrong with a message.
enum class Flaw : uint8_t {
  kNone,
  kTruncated,  // a field ends beyond its message
  kTag,        // field number 0, or a tag of more than 32 bits
  kVarint,     // a varint without end
  kGroup,      // wire types 3 and 4
  kWireType,   // a known field with another type than its own, or an unassigned type
  kUtf8,       // a string that is not UTF-8
  kId,         // a trace or span id of another length than 16 or 8 bytes
  kDepth,      // messages nested deeper than kMaxDepth
};

/// "a string is not valid UTF-8", ...
std::string_view FlawText(Flaw flaw);

/// Messages in messages, the request being the first: the limit of protocol buffer implementations by default.
inline constexpr int kMaxDepth = 100;

struct ValidateOptions {
  bool utf8 = true;
  bool ids = true;
};

struct Verdict {
  Flaw flaw = Flaw::kNone;
  /// Where in the validated bytes the flaw was met; the size when there is none.
  size_t offset = 0;
  bool ok() const { return flaw == Flaw::kNone; }
};

/// Examines every field of an Export request (or *Data message), down to the last attribute value. Unknown fields and
/// the content of profiles need only be well-formed. Some 150 ns a span without UTF-8, twice that with.
Verdict Validate(Signal signal, std::string_view request, const ValidateOptions& options = {});

struct Sanitized {
  /// A request that Validate accepts; the input itself when nothing was wrong. Empty when nothing is left.
  Slice bytes;
  uint64_t items = 0;  // left
  /// Spans, log records, data points, samples that were cut; what cannot be counted behind a broken container counts as
  /// zero.
  uint64_t items_cut = 0;
  /// Fields of resources and scopes that were cut: attributes, schema URLs, unknown fields. Their records stay.
  uint64_t fields_cut = 0;
  Flaw first = Flaw::kNone;
  size_t first_offset = 0;  // of the first flaw, in the input
};

/// Cuts malformed records (of metrics: points, or the metric when its own fields are malformed) and malformed fields of
/// the containers out of a request. Whatever stands behind a container's broken framing is lost.
Sanitized Sanitize(Signal signal, const Slice& request, const ValidateOptions& options = {},
                   Budget& budget = Budget::Process());

}  // namespace naru::otlp
