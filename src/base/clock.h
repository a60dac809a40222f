// Time and randomness as interfaces, with a real form here and a simulated one in testkit. Nothing in naru asks the
// system for the time or for random bytes in any other way (a test looks for it).
#pragma once

#include <chrono>
#include <cstdint>

#include "base/result.h"

namespace naru {

/// Time since an arbitrary start, never set back. For timers, deadlines and latencies.
struct MonoClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonoClock>;
  static constexpr bool is_steady = true;
};
using MonoTime = MonoClock::time_point;

/// Source of time. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime Now() const = 0;
  /// Nanoseconds since the Unix epoch, as OTLP's time_unix_nano.
  virtual uint64_t UnixNano() const = 0;
  /// The system's clocks (CLOCK_MONOTONIC, CLOCK_REALTIME).
  static Clock& System();
};

/// Source of randomness. Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;
  /// Uniform in [0, 1).
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  /// Seeded from the kernel once a thread; not for keys (OpenSSL makes those).
  static Random& System();
};

}  // namespace naru
