// Runs simulations by seed. Without arguments the seeds of the test run.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "simulation/simulation.h"

namespace {

constexpr const char* kUsage =
    "usage: sim_test [--seed=N | --seeds=A-B] [--seconds=S] [-v] [--forget-synced]\n\n"
    "Runs whole pipelines in a simulated world with faults. A seed reproduces its run.\n"
    "  --seed=N, --seeds=A-B  which (default 1-400; the test run takes as many)\n"
    "  --seconds=S            begin no further run after so much CPU time (default: no end)\n"
    "  -v                     print what happens\n"
    "  --forget-synced        the simulated disk loses what was synced: has to be found\n";

}  // namespace

int main(int argc, char** argv) {
  unsigned long long from = 1, to = 400;
  double seconds = 1e9;
  naru::simulation::Options options;
  for (int i = 1; i < argc; ++i) {
    std::string a = argv[i];
    int used = 0;
    auto whole = [&] { return used > 0 && a.size() == static_cast<size_t>(used); };
    if (std::sscanf(a.c_str(), "--seed=%llu%n", &from, &used) == 1 && whole()) {
      to = from;
    } else if (std::sscanf(a.c_str(), "--seeds=%llu-%llu%n", &from, &to, &used) == 2 && whole()) {
    } else if (std::sscanf(a.c_str(), "--seconds=%lf%n", &seconds, &used) == 1 && whole()) {
    } else if (a == "-v") {
      options.verbose = true;
    } else if (a == "--forget-synced") {
      options.forgets_synced = true;
    } else {
      std::fprintf(stderr, "%s", kUsage);
      return a == "--help" ? 0 : 2;
    }
  }
  // Not the time of the wall: how much is tried shall not depend on what else the machine does.
  auto passed = [] { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; };
  naru::simulation::Report all;
  unsigned long long runs = 0, failed = 0;
  for (auto seed = from; seed <= to && passed() < seconds; ++seed) {
    // Whatever ends the process in the middle, the seed is known.
    if (!options.verbose && from != to) {
      std::printf("\rseed %llu", seed);
      std::fflush(stdout);
    }
    auto r = naru::simulation::Simulate(seed, options);
    ++runs;
    all.records += r.records;
    all.acknowledged += r.acknowledged;
    all.duplicates += r.duplicates;
    all.kills += r.kills;
    all.power_cuts += r.power_cuts;
    all.restarts += r.restarts;
    all.reloads += r.reloads;
    all.failed_starts += r.failed_starts;
    all.damaged_files += r.damaged_files;
    if (r.faults.empty()) continue;
    ++failed;
    std::printf("\nseed %llu fails: %s\n%sreproduce with: %s --seed=%llu%s -v\n", seed, r.scenario.c_str(),
                r.faults.c_str(), argv[0], seed, options.forgets_synced ? " --forget-synced" : "");
  }
  std::printf(
      "\n%llu runs (seeds %llu to %llu) in %.1f s of CPU time, %llu failed; %llu records, %llu acknowledged, %llu "
      "arrived again; "
      "%llu kills, %llu power cuts, %llu restarts, %llu reloads, %llu failed starts, %llu damaged files\n",
      runs, from, from + runs - 1, passed(), failed, static_cast<unsigned long long>(all.records),
      static_cast<unsigned long long>(all.acknowledged), static_cast<unsigned long long>(all.duplicates),
      static_cast<unsigned long long>(all.kills), static_cast<unsigned long long>(all.power_cuts),
      static_cast<unsigned long long>(all.restarts), static_cast<unsigned long long>(all.reloads),
      static_cast<unsigned long long>(all.failed_starts), static_cast<unsigned long long>(all.damaged_files));
  return failed ? 1 : 0;
}
