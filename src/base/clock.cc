#include "base/clock.h"

#include <sys/random.h>
#include <time.h>

namespace naru {
namespace {

uint64_t Read(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

class SystemClock final : public Clock {
 public:
  MonoTime Now() const override { return MonoTime(Duration(Read(CLOCK_MONOTONIC))); }
  uint64_t UnixNano() const override { return Read(CLOCK_REALTIME); }
};

// xoshiro256++ seeded from getrandom, one state a thread.
class SystemRandom final : public Random {
 public:
  uint64_t Next() override {
    thread_local State s;
    auto rotl = [](uint64_t x, int k) { return (x << k) | (x >> (64 - k)); };
    uint64_t result = rotl(s.v[0] + s.v[3], 23) + s.v[0];
    uint64_t t = s.v[1] << 17;
    s.v[2] ^= s.v[0];
    s.v[3] ^= s.v[1];
    s.v[1] ^= s.v[2];
    s.v[0] ^= s.v[3];
    s.v[2] ^= t;
    s.v[3] = rotl(s.v[3], 45);
    return result;
  }

 private:
  struct State {
    uint64_t v[4] = {0x9e3779b97f4a7c15, 2, 3, 4};
    State() {
      if (getrandom(v, sizeof v, 0) != sizeof v) v[1] = Read(CLOCK_MONOTONIC) | 1;  // early boot: distinct, not secret
    }
  };
};

}  // namespace

Clock& Clock::System() {
  static auto* clock = new SystemClock;
  return *clock;
}

Random& Random::System() {
  static auto* random = new SystemRandom;
  return *random;
}

}  // namespace naru
