// A stored batch from a damaged or foreign file: refused or whole, never out of bounds.
#include <cstdint>
#include <cstdlib>

#include "pipeline/stored_batch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace naru;
  Slice record = Slice::CopyOf({reinterpret_cast<const char*>(data), size});
  for (auto signal : {otlp::Signal::kTraces, otlp::Signal::kLogs}) {
    auto batch = pipeline::DecodeStored(signal, record);
    if (!batch) continue;
    // What was understood is written and understood again.
    std::string again;
    for (auto& s : pipeline::EncodeStored(*batch)) again += s.view();
    auto second = pipeline::DecodeStored(signal, Slice::CopyOf(again));
    if (!second || second->bytes() != batch->bytes() || second->items() != batch->items()) std::abort();
  }
  return 0;
}
