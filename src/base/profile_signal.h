// SIGPROF: the one signal that naru handles in a handler. It means "here is a stack", of whatever thread it stops:
// because CPU time passed (CpuProfiler), or because somebody asked this thread (ThreadStacks).
#pragma once

#include <cstdint>
#include <span>

namespace naru {

enum class StackSignal {
  kTick,   // the profiling timer
  kAsked,  // tgkill from this process
};
/// Runs in the signal handler, on any thread: must be async-signal-safe.
using OnStack = void (*)(std::span<const uintptr_t> stack);

/// Sets who hears of one kind of signal, or null. Returns when no handler is inside the previous one any more. The
/// system's handler is put in place at the first call and stays, for a signal may still be on its way. False when it
/// cannot be.
bool SetOnStack(StackSignal kind, OnStack fn);

}  // namespace naru
