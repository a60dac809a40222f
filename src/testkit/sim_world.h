// The simulated world: loops, time, randomness and a network inside one thread. What happens, and in which order,
// follows from a seed alone, so that a failure under faults can be run again.
//
// Time stands still while work is done and jumps to the next timer or arrival when there is none; hours pass in
// milliseconds. Loops take turns by chance. Each turn is that of the real loop (net/epoll_loop.cc): events of streams
// (in an order by chance), then posted functions, then timers that are due.
//
// Connections behave as TCP does: bytes arrive in order, late, in pieces; a full buffer blocks the writer; closing with
// unread bytes resets the connection; writing to a peer that is gone is noticed one round trip later. What may go wrong
// on top of that says SimNetwork. Work off the loops runs on workers(); name look-ups, which use Workers::Shared(), run
// on real threads and are no part of it.
//
// Several processes may share a world, each with loops of its own, and end while the others go on (SimProcess).
//
// Threads: one thread for all of it, except Loop::Post.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/workers.h"
#include "net/loop.h"

namespace naru::testkit {

/// Stands still until a SimWorld (or a test) moves it. Thread-safe.
class SimClock final : public Clock {
 public:
  MonoTime Now() const override { return MonoTime(Duration(now_.load(std::memory_order_relaxed))); }
  uint64_t UnixNano() const override {
    return kUnixStart + static_cast<uint64_t>(now_.load(std::memory_order_relaxed));
  }
  /// Not back.
  void Set(MonoTime t) { now_.store(t.time_since_epoch().count(), std::memory_order_relaxed); }
  void Advance(Duration d) { Set(Now() + d); }

 private:
  static constexpr int64_t kFirst = 1'000'000'000;  // not 0, which code takes for "never"
  static constexpr uint64_t kUnixStart = 1'700'000'000'000'000'000u - kFirst;
  std::atomic<int64_t> now_{kFirst};
};

/// The same numbers for the same seed. Thread-safe.
class SimRandom final : public Random {
 public:
  explicit SimRandom(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x7f4a7c15u) {}
  uint64_t Next() override;
  /// Uniform in [0, n); 0 when n is 0.
  uint64_t Below(uint64_t n) { return n ? Next() % n : 0; }
  bool Chance(double p) { return p > 0 && Unit() < p; }

 private:
  std::atomic<uint64_t> state_;
};

/// What the network does to connections. May be changed at any time; it holds for what happens from then on.
struct SimNetwork {
  Duration min_delay{0}, max_delay{0};  // of every piece of bytes, in one direction
  size_t max_chunk = 0;                 // a read or write moves 1 to this many bytes, by chance; 0: all that it can
  size_t buffer = 256 << 10;            // bytes on their way in one direction before writing blocks
  double would_block = 0;               // chance of a read or write that could be done not to be done yet
  double reset = 0;                     // chance of a write to break the connection
  double refuse = 0;                    // chance of an attempt to connect to be refused
  bool partitioned = false;             // nothing arrives; attempts to connect run into their timeout
};

class SimWorld;

/// Loops that end together: one process among others. Streams, listeners and whoever owns Timers on its loops must be
/// gone when it is destroyed.
class SimProcess {
 public:
  SimProcess(SimWorld& world, std::vector<size_t> loops);
  ~SimProcess();
  SimProcess(const SimProcess&) = delete;

  /// With indices from 0.
  const std::vector<net::Loop*>& loops() const { return views_; }
  /// Calls `fn` as if on the thread of its loop `i`.
  void On(size_t i, const std::function<void()>& fn);
  /// While it is deaf nothing that is sent to it arrives, ends of connections included; senders find their buffers
  /// full.
  void SetDeaf(bool on);
  /// Parts it from the network for ever, as the end of a process does: connections end for both sides, its listeners
  /// are gone, attempts to connect are refused. What it had written arrives. With `silent` (the machine is gone) nobody
  /// is told: peers find out when they write. Its code runs on and can be shut down, unheard.
  void Cut(bool silent);

 private:
  SimWorld& world_;
  std::vector<size_t> loops_;  // in the world
  std::vector<net::Loop*> views_;
};

class SimWorld {
 public:
  explicit SimWorld(uint64_t seed, int loops = 1);
  /// Destroys what is posted and what timers hold. Streams, listeners and whoever owns Timers must be gone by then.
  ~SimWorld();
  SimWorld(const SimWorld&) = delete;

  const std::vector<net::Loop*>& loops() const { return views_; }
  net::Loop& loop(size_t i = 0) const { return *views_[i]; }
  SimClock& clock() { return clock_; }
  SimRandom& random() { return random_; }
  SimNetwork& network() { return network_; }

  /// Another process than that of loops(). The world outlives it.
  std::unique_ptr<SimProcess> AddProcess(int loops);
  /// Runs each task after a time by chance between these two, off every loop. Tasks that are due stand in turn with the
  /// loops.
  void SetWorkTime(Duration least, Duration most);
  Workers& workers();

  /// Calls `fn` as if on the loop's thread.
  void On(size_t loop, const std::function<void()>& fn);
  /// Lets `d` pass, with everything that happens in it.
  void RunFor(Duration d);
  /// Runs until `done` says true (asked after every turn), for at most `limit`. What `done` said last.
  bool RunUntil(const std::function<bool()>& done, Duration limit);
  /// Runs what can be done without time passing.
  void RunReady();

  /// A connection without a listener: the first stream belongs to loop `a`, the second to loop `b`.
  std::pair<std::unique_ptr<net::Stream>, std::unique_ptr<net::Stream>> Pair(size_t a = 0, size_t b = 0);
  /// Breaks every connection that there is.
  void ResetConnections();
  size_t open_streams() const;
  /// Where somebody listens now.
  std::vector<net::Address> listening() const;

  struct Impl;

 private:
  friend class SimProcess;
  bool Turn();
  bool Step(MonoTime deadline);

  SimClock clock_;
  SimRandom random_;
  SimNetwork network_;
  std::unique_ptr<Impl> impl_;  // holds all loops, those of processes that have ended as null
  std::vector<net::Loop*> views_;
};

}  // namespace naru::testkit
