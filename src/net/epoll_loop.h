// The real world of event loops: epoll, one thread a loop.
#pragma once

#include <memory>
#include <vector>

#include "base/log.h"
#include "net/loop.h"

namespace naru::net {

/// Cores that this process may use: CPU affinity, lowered by the cgroup's CPU quota (v1 and v2); at least 1.
int UsableCores();

/// N loops. Loop 0 runs on the thread that calls Run(); the others on threads of their own, made by Run().
/// A connection that one loop accepts goes to the loop with the fewest streams.
class EpollWorld {
 public:
  explicit EpollWorld(int loops, Logger log = Logger());
  ~EpollWorld();
  EpollWorld(const EpollWorld&) = delete;

  const std::vector<Loop*>& loops() const;
  /// Runs all loops until Stop(). Call once.
  void Run();
  /// While on, a listener of loop 0 that is destroyed leaves its socket open, and the next Listen for the same address
  /// takes it over: nobody who connects in between is refused. Off closes what was not taken. On loop 0, or before Run.
  void KeepListeners(bool on);
  /// Makes Run() return. Any thread, any time.
  void Stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace naru::net
