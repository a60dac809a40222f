// The input is a tracestate. What is read of it can be written within bounds, and what is written reads back the same,
// whatever was changed.
#include <cstdlib>
#include <string>

#include "processors/probabilistic_sampler/trace_state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace naru::processors::probabilistic_sampler;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  TraceState state, again;
  Flaw flaw = state.Parse(text);
  if (FlawText(flaw).empty()) abort();
  std::string written(state.Serialize());
  if (written.size() > text.size() + 1) abort();
  if (again.Parse(written) != Flaw::kNone) abort();
  if (again.threshold() != state.threshold() || again.randomness() != state.randomness()) abort();
  if (again.Serialize() != written) abort();

  state.SetRandomness(size);
  state.SetThreshold(kMostRandom);
  written = state.Serialize();
  // Nothing was cut off at the end, which is what a buffer that is too small would do.
  if (written.size() > TraceState::kMaxOutput) abort();
  if (written.size() <= TraceState::kMaxInput && again.Parse(written) == Flaw::kNone) {
    if (again.threshold() != kMostRandom || again.randomness() != size || again.Serialize() != written) abort();
  }
  return 0;
}
