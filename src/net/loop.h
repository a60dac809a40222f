// The event loop: one thread, one poller, timers, and work posted from other threads. The interface has a real form
// (epoll, net/epoll_loop.h) and a simulated one (testkit/sim_world.h) in which time, network faults and scheduling
// follow a seed.
//
// Threads: everything here is called on the loop's own thread, except Post(), which is for every thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "net/stream.h"

namespace naru::net {

class Loop;

/// A timer; destroying or Cancel()ling it stops it. Movable. Loop thread only.
class Timer {
 public:
  Timer() = default;
  Timer(Loop* loop, uint64_t id) : loop_(loop), id_(id) {}
  Timer(Timer&& o) noexcept : loop_(o.loop_), id_(o.id_) { o.loop_ = nullptr; }
  Timer& operator=(Timer&& o) noexcept;
  ~Timer() { Cancel(); }
  void Cancel();
  /// True from AddTimer until it has fired or was cancelled.
  bool pending() const;

 private:
  Loop* loop_ = nullptr;
  uint64_t id_ = 0;
};

class Loop {
 public:
  virtual ~Loop() = default;

  /// The position of this loop among those of its world: 0 .. world.loops()-1. Components keep per-loop state in arrays
  /// by it.
  virtual int index() const = 0;
  virtual Clock& clock() = 0;
  virtual Random& random() = 0;
  MonoTime Now() { return clock().Now(); }

  /// Runs `fn` once on the loop's thread after `delay` (at the next turn when zero or less).
  [[nodiscard]] virtual Timer AddTimer(Duration delay, std::function<void()> fn) = 0;
  /// Runs `fn` on the loop's thread at the next turn. Any thread. After the loop has stopped the function is destroyed,
  /// not run.
  virtual void Post(std::function<void()> fn) = 0;
  /// True when the caller is on this loop's thread.
  virtual bool InLoop() const = 0;

  /// Listens on a numeric address or unix path. Every accepted stream goes to `on_accept` on the loop that the world
  /// chose (the least loaded one); so `on_accept` may run on any loop's thread.
  virtual Result<std::unique_ptr<Listener>> Listen(const Address& address, const ListenOptions& options,
                                                   std::function<void(Loop&, std::unique_ptr<Stream>)> on_accept) = 0;
  /// Starts a connection to a numeric address or unix path; `done` is called once, later, on this loop, with a
  /// connected stream or the reason. Destroying the returned handle cancels it and `done` is not called.
  [[nodiscard]] virtual std::unique_ptr<Connecting> Connect(
      const Address& address, Duration timeout, std::function<void(Result<std::unique_ptr<Stream>>)> done) = 0;

  /// The loop whose thread this is, or null.
  static Loop* Current();

 protected:
  friend class Timer;
  virtual void CancelTimer(uint64_t id) = 0;
  virtual bool TimerPending(uint64_t id) const = 0;
  static void SetCurrent(Loop* loop);
};

inline Timer& Timer::operator=(Timer&& o) noexcept {
  if (this != &o) {
    Cancel();
    loop_ = o.loop_;
    id_ = o.id_;
    o.loop_ = nullptr;
  }
  return *this;
}
inline void Timer::Cancel() {
  if (loop_) loop_->CancelTimer(id_);
  loop_ = nullptr;
}
inline bool Timer::pending() const {
  return loop_ && loop_->TimerPending(id_);
}

}  // namespace naru::net
