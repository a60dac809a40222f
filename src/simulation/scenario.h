// What a run of the simulation is about, drawn from its seed: a topology with its configuration, and which faults
// happen.
//
// A scenario is plain data; the same seed makes the same scenario.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "otlp/signal.h"
#include "testkit/sim_world.h"

namespace naru::simulation {

/// How an exporter keeps what it has not sent.
enum class Queue : uint8_t { kMemory, kStored, kWaits, kNone };

/// The way of records from the receiver through one exporter to its backend.
struct Branch {
  std::string exporter;  // its id
  uint16_t port = 0;     // of its backend
  bool http = false;
  Queue queue{};
  bool batched = false;   // a batch processor answers for records before the exporter does
  bool sampled = false;   // a sampler removes some, which ones is its own business
  bool filtered = false;  // records whose number ends in 7 are removed
  bool retries = true, gives_up = false;
  std::vector<std::string> pipelines;  // on the way
  std::string yaml;                    // the exporter's configuration, with {interval} where reloads differ
};

struct Scenario {
  uint64_t seed = 0;
  otlp::Signal signal{};
  std::vector<Branch> branches;
  bool fsync = false, limited = false;  // file_storage, memory_limiter
  uint64_t segment_bytes = 0;
  size_t clients = 0;
  uint64_t padding = 0;  // bytes of noise in some requests
  Duration length{0};    // of the time with faults
  Duration drain{0};     // what a shutdown is given
  int loops = 1;

  // What may happen besides.
  bool network = false, backends = false, kills = false, power_cuts = false, restarts = false, reloads = false;
  bool disk_full = false, disk_read_only = false, disk_errors = false, disk_slow = false, damage = false;

  /// The configuration; another `variant` is another configuration of some component, as for a reload.
  std::string Config(uint64_t variant) const;
  /// Whether records that were answered OK survive the end of the process in a branch.
  bool Durable(const Branch& branch, bool power_cut) const;
  bool stores() const;
  /// One line for people.
  std::string ToString() const;

  std::vector<std::string> head, tail;  // processors before and behind the forward connector
  bool forward = false;
};

Scenario Draw(uint64_t seed);

}  // namespace naru::simulation
