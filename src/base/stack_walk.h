// The calls that a thread is in, found by its frame pointers: every release build keeps them (CMakeLists.txt).
// Libraries that are built without them cut a stack off, or leave the function that called them out of it.
//
// Everything here is safe in signal handlers and inside malloc: no memory is taken, no lock, no system call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace naru {

/// The deepest stack that is kept; what lies further out is left off.
inline constexpr size_t kMaxFrames = 64;

/// Where a thread was when a signal stopped it.
struct StoppedAt {
  uintptr_t pc = 0, frame = 0, stack = 0;
};
/// Reads the third argument of a signal handler.
StoppedAt ReadContext(const void* context);

/// Return addresses, innermost first, of the frame whose pointer is `frame` and of those around it, on the calling
/// thread; `stack` is its stack pointer or anything further in. Whatever the registers held, only memory between
/// `stack` and the end of this thread's stack is read. Returns how many there are.
size_t WalkFrames(uintptr_t frame, uintptr_t stack, std::span<uintptr_t> out);

/// `at.pc` and the return addresses around it.
size_t WalkStopped(const StoppedAt& at, std::span<uintptr_t> out);

}  // namespace naru
