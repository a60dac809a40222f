#include "base/thread_stacks.h"

#include <dirent.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "base/profile_signal.h"
#include "base/stack_walk.h"

namespace naru {
namespace {

struct Answer {
  int id;
  std::atomic<size_t> length;  // 0: not there yet
  uintptr_t frames[kMaxFrames];
};

std::atomic<bool> g_busy{false};
std::atomic<Answer*> g_answers{nullptr};  // kMaxThreads of them, while somebody asks
std::atomic<size_t> g_next{0};

void OnAsked(std::span<const uintptr_t> stack) {
  Answer* answers = g_answers.load();
  if (!answers || stack.empty()) return;
  size_t i = g_next.fetch_add(1);
  if (i >= ThreadStacks::kMaxThreads) return;
  answers[i].id = static_cast<int>(syscall(SYS_gettid));
  for (size_t f = 0; f < stack.size(); ++f) answers[i].frames[f] = stack[f];
  answers[i].length.store(stack.size(), std::memory_order_release);
}

std::vector<int> Threads() {
  std::vector<int> out;
  DIR* d = opendir("/proc/self/task");
  if (!d) return out;
  while (dirent* e = readdir(d)) {
    if (int id = std::atoi(e->d_name); id > 0 && out.size() < ThreadStacks::kMaxThreads) out.push_back(id);
  }
  closedir(d);
  return out;
}

std::string ThreadName(int id) {
  char path[64], name[32] = {};
  std::snprintf(path, sizeof path, "/proc/self/task/%d/comm", id);
  FILE* f = std::fopen(path, "re");
  if (!f) return {};
  size_t n = std::fread(name, 1, sizeof name - 1, f);
  std::fclose(f);
  std::string out(name, n);
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

}  // namespace

size_t ThreadStacks::Count() {
  return Threads().size();
}

Result<std::unique_ptr<ThreadStacks>> ThreadStacks::Ask() {
  if (g_busy.exchange(true)) return Fail(Code::kFailedPrecondition, "the threads are being asked already");
  std::unique_ptr<ThreadStacks> t(new ThreadStacks());
  t->open_ = true;
  t->ids_ = Threads();
  g_next.store(0);
  g_answers.store(new Answer[kMaxThreads]());
  if (!SetOnStack(StackSignal::kAsked, OnAsked)) return Fail(Code::kInternal, "cannot handle SIGPROF");
  for (int id : t->ids_) syscall(SYS_tgkill, getpid(), id, SIGPROF);
  return t;
}

ThreadStacks::~ThreadStacks() {
  Close();
}

void ThreadStacks::Close() {
  if (!open_) return;
  open_ = false;
  SetOnStack(StackSignal::kAsked, nullptr);
  delete[] g_answers.exchange(nullptr);
  g_busy.store(false);
}

std::vector<ThreadStack> ThreadStacks::Take() {
  SetOnStack(StackSignal::kAsked, nullptr);  // nobody writes any more
  std::map<int, const Answer*> by_id;
  const Answer* answers = g_answers.load();
  for (size_t i = 0; i < kMaxThreads; ++i) {
    if (answers[i].length.load(std::memory_order_acquire) != 0) by_id[answers[i].id] = &answers[i];
  }
  std::vector<ThreadStack> out;
  for (int id : ids_) {
    ThreadStack t{id, ThreadName(id), {}};
    if (auto it = by_id.find(id); it != by_id.end()) {
      t.stack.assign(it->second->frames, it->second->frames + it->second->length.load());
    }
    out.push_back(std::move(t));
  }
  Close();
  return out;
}

}  // namespace naru
