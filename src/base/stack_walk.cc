#include "base/stack_walk.h"

#include <pthread.h>
#include <ucontext.h>

extern "C" void* __libc_stack_end;  // glibc: the outer end of the main thread's stack

namespace naru {
namespace {

// glibc puts the descriptor of a thread at the outer end of its stack, and pthread_self() is its address. That of the
// main thread lies elsewhere, below the main stack, which the kernel puts above all that is mapped.
uintptr_t StackEnd(uintptr_t stack) {
  auto self = static_cast<uintptr_t>(pthread_self());
  uintptr_t end = stack < self ? self : reinterpret_cast<uintptr_t>(__libc_stack_end);
  constexpr uintptr_t kMost = uintptr_t{1} << 30;  // further than any stack of ours: the assumption above does not hold
  return end > stack && end - stack < kMost ? end : stack;
}

}  // namespace

StoppedAt ReadContext(const void* context) {
  StoppedAt at;
  auto& m = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  at.pc = static_cast<uintptr_t>(m.gregs[REG_RIP]);
  at.frame = static_cast<uintptr_t>(m.gregs[REG_RBP]);
  at.stack = static_cast<uintptr_t>(m.gregs[REG_RSP]);
#elif defined(__aarch64__)
  at.pc = m.pc;
  at.frame = m.regs[29];
  at.stack = m.sp;
#else
  (void)m;  // no stacks here: profiles are empty
#endif
  return at;
}

// Sanitizers would judge the reads, which go into frames of others.
__attribute__((no_sanitize("address", "thread", "undefined"))) size_t WalkFrames(uintptr_t frame, uintptr_t stack,
                                                                                 std::span<uintptr_t> out) {
  const uintptr_t end = StackEnd(stack);
  size_t n = 0;
  uintptr_t least = stack;
  while (n < out.size() && frame >= least && frame % sizeof(uintptr_t) == 0 && frame < end &&
         end - frame >= 2 * sizeof(uintptr_t)) {
    // Both architectures keep the outer frame's pointer and, behind it, the return address.
    auto* pair = reinterpret_cast<const uintptr_t*>(frame);
    if (pair[1] == 0) break;
    out[n++] = pair[1];
    least = frame + 1;  // outwards only, so that it ends
    frame = pair[0];
  }
  return n;
}

size_t WalkStopped(const StoppedAt& at, std::span<uintptr_t> out) {
  if (out.empty() || at.pc == 0) return 0;
  out[0] = at.pc;
  return 1 + WalkFrames(at.frame, at.stack, out.subspan(1));
}

}  // namespace naru
