// A run: a collector between clients and backends in one simulated world, faults for a while, then none, and the
// checks.
//
// What is checked, at moments by chance and at the end:
//  - every record whose sender heard OK is at the backend of every exporter, or configuration removed it, or the ledger
//    counts it as dropped for a reason that this run gave; over a kill and a power cut too where the configuration
//    promises it;
//  - nothing arrives that was not sent;
//  - the books of receivers, pipelines and exporters balance;
//  - charged bytes stay within the limit, and none is left at the end;
//  - every end keeps its deadline, and when the faults are over everything gets through.
#pragma once

#include <cstdint>
#include <string>

namespace naru::simulation {

struct Options {
  bool verbose = false;
  /// The disk loses what was synced (SimDiskFaults::forgets_synced), to show that it is found.
  bool forgets_synced = false;
};

struct Report {
  std::string scenario;
  std::string faults;  // what was found wrong, a line each; empty when all is well
  uint64_t hash = 0;   // of everything that happened
  uint64_t records = 0, acknowledged = 0, duplicates = 0;
  // What of the faults there really was.
  uint64_t kills = 0, kills_within_writes = 0, power_cuts = 0, restarts = 0, reloads = 0, failed_starts = 0,
           damaged_files = 0;
};

Report Simulate(uint64_t seed, const Options& options);

}  // namespace naru::simulation
