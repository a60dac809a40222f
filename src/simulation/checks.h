// What must be true of books and records. Pure functions; what is wrong is told to the run.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pipeline/ledger.h"
#include "simulation/records.h"
#include "simulation/scenario.h"

namespace naru::simulation {

using Books = std::vector<pipeline::Ledger::Line>;

/// The equations of pipeline/ledger.h. At the end nothing is pending or held.
void CheckBalance(Run& run, const Books& books, bool at_end);

/// What the lives of a collector have dropped on the way of each branch, and removed by sampling.
struct Losses {
  int64_t dropped[kBranches] = {}, filtered[kBranches] = {};
  std::map<std::string, int64_t> reasons;
  void Add(const Scenario& scenario, const Books& books);
};

/// Which reasons for drops this run can have given.
struct Given {
  bool rejections = false, stops = false, damage = false;
};
void CheckRecords(Run& run, const Scenario& scenario, const Losses& losses, const Given& given);

/// Items that some component holds.
int64_t Held(const Books& books);

}  // namespace naru::simulation
