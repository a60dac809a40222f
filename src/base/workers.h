// Threads for what must not run on an event loop: name resolution, disk, compression of large buffers.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace naru {

/// A small pool. Threads start at the first task and end with the pool. Thread-safe. Tests put a simulated one in its
/// place (testkit/sim_world.h).
class Workers {
 public:
  /// At most `threads` threads and `max_queued` waiting tasks.
  explicit Workers(int threads, size_t max_queued = 4096) : limit_(threads), max_queued_(max_queued) {}
  virtual ~Workers();
  Workers(const Workers&) = delete;

  /// Runs `task` on some thread of the pool. False when too many wait; the task is then not run.
  virtual bool Submit(std::function<void()> task);

  /// Names and other short waits of the whole process. Never destroyed.
  static Workers& Shared();
  /// Disk work, which may wait long. Never destroyed.
  static Workers& Disk();

 private:
  void Run();
  const int limit_;
  const size_t max_queued_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
  int idle_ = 0;
  bool stop_ = false;
};

}  // namespace naru
