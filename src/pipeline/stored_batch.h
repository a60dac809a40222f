// The form of a batch in a stored queue: who sent it, where its inputs end, and their bytes as they are.
#pragma once

#include <vector>

#include "base/result.h"
#include "pipeline/batch.h"

namespace naru::pipeline {

/// The slices that make up the record; those of the inputs share the batch's bytes. What an authenticator learnt of the
/// client is not stored: it may be secret. Metadata beyond 1 MiB is left out.
std::vector<Slice> EncodeStored(const Batch& batch);

/// A batch without tokens, which shares the bytes of `record`. kDataLoss when it is none that EncodeStored wrote, or of
/// another signal.
Result<Batch> DecodeStored(Signal signal, const Slice& record);

}  // namespace naru::pipeline
