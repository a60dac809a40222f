// From what the profilers saw to profiles as pprof's readers know them from Go.
#pragma once

#include <string_view>
#include <vector>

#include "base/cpu_profiler.h"
#include "base/heap_profile.h"
#include "base/thread_stacks.h"
#include "extensions/pprof/profile.h"

namespace naru::extensions::pprof {

Profile CpuProfileOf(const CpuSamples& samples, uint64_t began_unix_nano, Duration took);

/// `before` is taken off `now`, for a profile of the time between; empty for one since the start. Named "heap", which
/// readers show by what is in use, or "allocs", which they show by what was ever allocated.
Profile HeapProfileOf(std::string_view name, const std::vector<HeapProfile::Stack>& before,
                      const std::vector<HeapProfile::Stack>& now, uint64_t dropped);

/// "goroutine" or "threadcreate": naru has one thread where Go has many goroutines.
Profile ThreadProfileOf(std::string_view name, const std::vector<ThreadStack>& threads);

}  // namespace naru::extensions::pprof
