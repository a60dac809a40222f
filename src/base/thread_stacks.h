// Where every thread of the process is now.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace naru {

struct ThreadStack {
  int id = 0;
  std::string name;
  /// Where it was, then return addresses; empty when the thread did not answer in time.
  std::vector<uintptr_t> stack;
};

/// One question to all threads. Threads that wait are woken by it for a moment. One at a time in a process; any thread.
class ThreadStacks {
 public:
  static constexpr size_t kMaxThreads = 1024;  // what is beyond is not asked
  /// How long threads that can run should be given before Take.
  static constexpr Duration kTime = std::chrono::milliseconds(20);
  /// Asks. kFailedPrecondition when somebody else is at it.
  static Result<std::unique_ptr<ThreadStacks>> Ask();
  ~ThreadStacks();
  ThreadStacks(const ThreadStacks&) = delete;

  /// What was answered until now. Call at most once.
  std::vector<ThreadStack> Take();
  /// Threads now, without asking them.
  static size_t Count();

 private:
  ThreadStacks() = default;
  void Close();
  std::vector<int> ids_;
  bool open_ = false;
};

}  // namespace naru
