#include "base/profile_signal.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>

#include "base/stack_walk.h"

namespace naru {
namespace {

std::atomic<OnStack> g_on_stack[2];
std::atomic<int> g_inside{0};  // handlers between their first and last look at g_on_stack's functions
static_assert(std::atomic<OnStack>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void Handle(int, siginfo_t* info, void* context) {
  int error = errno;
  g_inside.fetch_add(1);
  // Signals that another process sends are nobody's.
  bool tick = info->si_code > 0, asked = info->si_code == SI_TKILL && info->si_pid == getpid();
  OnStack fn = nullptr;
  if (tick || asked) fn = g_on_stack[asked ? 1 : 0].load();
  if (fn) {
    uintptr_t frames[kMaxFrames];
    size_t n = WalkStopped(ReadContext(context), frames);
    fn({frames, n});
  }
  g_inside.fetch_sub(1);
  errno = error;
}

}  // namespace

bool SetOnStack(StackSignal kind, OnStack fn) {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  static const bool installed = [] {
    struct sigaction action {};
    action.sa_sigaction = Handle;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigfillset(&action.sa_mask);
    return sigaction(SIGPROF, &action, nullptr) == 0;
  }();
  g_on_stack[kind == StackSignal::kAsked ? 1 : 0].store(fn);
  // A handler takes microseconds; the system may have stopped its thread in the middle of it.
  while (g_inside.load() != 0) sched_yield();
  return installed;
}

}  // namespace naru
