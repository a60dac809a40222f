// Where the process spends its CPU time: at every hundredth of a second of it, the stack of the thread that runs.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "base/stack_table.h"

namespace naru {

/// What a profile saw. In each stack the first address is where the thread was, the others are return addresses; the
/// first value counts how often it was seen.
struct CpuSamples {
  std::vector<StackTable::Entry> stacks;
  uint64_t dropped = 0;    // samples without room
  uint64_t cpu_nanos = 0;  // CPU time of the process meanwhile: what all samples, with the dropped ones, stand for
};

/// A profile that runs while this lives. One at a time in a process; any thread. The kernel looks at the timer at its
/// own ticks: on many or contended cores fewer than a hundred samples come for a second of CPU time. Shares stay right.
class CpuProfiler {
 public:
  static constexpr int kHertz = 100;
  /// kFailedPrecondition when one runs already.
  static Result<std::unique_ptr<CpuProfiler>> Start();
  ~CpuProfiler();
  CpuProfiler(const CpuProfiler&) = delete;

  /// Ends it. Call at most once.
  CpuSamples Stop();

 private:
  CpuProfiler() = default;
  void Disarm();
  StackTable table_;
  uint64_t cpu_at_start_ = 0;
  bool running_ = false;
};

}  // namespace naru
