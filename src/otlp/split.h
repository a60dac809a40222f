// Cutting requests into pieces of bounded size. Resources that fit whole stay slices of the input; of the one that a
// piece's end falls into, the records are copied under a repeated header: resource, scope, schema URLs and every field
// that is not a record.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "otlp/signal.h"

#include "base/buffer.h"

namespace naru::otlp {

struct SplitLimits {
  /// Most items of a piece; 0 = no limit. A metric with more points than fit is cut between its points.
  uint64_t max_items = 0;
  /// Most bytes of a piece; 0 = no limit. One record that is larger by itself makes a piece of its own, and so does a
  /// resource or scope whose header alone takes more than half of the limit (whatever its items).
  uint64_t max_bytes = 0;
};

/// A part of a piece: bytes that are a valid request by themselves.
struct SplitPart {
  Slice bytes;
  uint64_t items = 0;
  uint32_t input = 0;  // index of the input that the items come from
};

/// The concatenation of the parts is a valid request within the limits.
struct SplitPiece {
  std::vector<SplitPart> parts;
  uint64_t items = 0;
  uint64_t bytes = 0;
  bool oversized = false;  // larger than max_bytes, for it cannot be cut
};

/// Cuts the concatenation of `inputs`, each a request of that signal, into pieces, greedily and in order: every piece
/// is filled up to the limits, as the reference's batch processor does. Every item of the inputs is in exactly one
/// piece. Inputs without items make no piece of their own unless nothing else fits beside them. Requests of profiles
/// carry a dictionary, which is repeated in every part of its input; parts of different inputs are not mixed in one
/// piece then, for concatenation would mix up their dictionaries. Error kInvalidArgument when an input is not
/// well-formed down to its records.
Result<std::vector<SplitPiece>> Split(Signal signal, std::span<const Slice> inputs, const SplitLimits& limits,
                                      Budget& budget = Budget::Process());

}  // namespace naru::otlp
