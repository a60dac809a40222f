// What is true of every record of a run: who sent it, what its sender heard, where it arrived. And the trace of the
// run, whose hash is the same for the same seed.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "testkit/sim_world.h"

namespace naru::simulation {

constexpr size_t kBranches = 2;

struct Record {
  bool acknowledged = false;
  /// Its sender heard partial success: that some of its request were not taken, not which.
  bool unclear = false;
  uint32_t arrived[kBranches] = {};  // times
  bool rejected[kBranches] = {};     // by the backend, in an answer that was for good
  bool exempt[kBranches] = {};       // was in a place that a fault is allowed to destroy
};

/// Events in order; printed as they happen when `verbose`.
class Trace {
 public:
  Trace(const Clock& clock, bool verbose) : clock_(clock), verbose_(verbose) {}
  template <class... A>
  void Add(fmt::format_string<A...> format, A&&... args) {
    std::string line = fmt::format(format, std::forward<A>(args)...);
    double at = std::chrono::duration<double>(clock_.Now().time_since_epoch()).count();
    Mix(std::to_string(clock_.Now().time_since_epoch().count()));
    Mix(line);
    if (verbose_) std::printf("%10.6f %s\n", at, line.c_str());
  }
  bool verbose() const { return verbose_; }
  uint64_t hash() const { return hash_; }

 private:
  void Mix(std::string_view bytes) {
    for (unsigned char c : bytes) hash_ = (hash_ ^ c) * 0x100000001b3u;  // FNV-1a
  }
  const Clock& clock_;
  const bool verbose_;
  uint64_t hash_ = 0xcbf29ce484222325u;
};

struct Run {
  Run(uint64_t seed, bool verbose) : world(seed, 1), trace(world.clock(), verbose) {}
  testkit::SimWorld world;
  Trace trace;
  std::vector<Record> records;  // by number
  uint64_t incarnation = 0;     // of the collector: how often it was killed
  std::string faults;           // what was found, a line each
  int fault_count = 0;

  void Fault(const std::string& what) {
    trace.Add("FOUND {}", what);
    if (++fault_count <= 20) faults += what + "\n";
  }
};

}  // namespace naru::simulation
