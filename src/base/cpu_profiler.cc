#include "base/cpu_profiler.h"

#include <sys/time.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/profile_signal.h"
#include "base/system_memory.h"

namespace naru {
namespace {

std::atomic<bool> g_busy{false};              // somebody profiles
std::atomic<StackTable*> g_samples{nullptr};  // where the handler puts what it finds

void OnTick(std::span<const uintptr_t> stack) {
  StackTable* table = g_samples.load();
  if (table && !stack.empty()) table->Add(table->Find(stack), 0, 1);
}

bool SetTimer(int hertz) {
  itimerval every{};
  if (hertz > 0) every.it_interval.tv_usec = every.it_value.tv_usec = 1'000'000 / hertz;
  return setitimer(ITIMER_PROF, &every, nullptr) == 0;
}

}  // namespace

Result<std::unique_ptr<CpuProfiler>> CpuProfiler::Start() {
  if (g_busy.exchange(true)) return Fail(Code::kFailedPrecondition, "cpu profiling already in use");
  std::unique_ptr<CpuProfiler> p(new CpuProfiler());
  p->running_ = true;  // from here on its destructor tidies up
  if (!p->table_.valid()) return Fail(Code::kResourceExhausted, "no memory for samples");
  p->cpu_at_start_ = ProcessCpuNanos();
  g_samples.store(&p->table_);
  if (!SetOnStack(StackSignal::kTick, OnTick) || !SetTimer(kHertz)) {
    return Fail(Code::kInternal, "no profiling timer: {}", std::strerror(errno));
  }
  return p;
}

CpuProfiler::~CpuProfiler() {
  Disarm();
}

void CpuProfiler::Disarm() {
  if (!running_) return;
  running_ = false;
  SetTimer(0);
  SetOnStack(StackSignal::kTick, nullptr);
  g_samples.store(nullptr);
  g_busy.store(false);
}

CpuSamples CpuProfiler::Stop() {
  Disarm();
  return {table_.Read(), table_.dropped(), ProcessCpuNanos() - cpu_at_start_};
}

}  // namespace naru
