#include "simulation/checks.h"

#include <algorithm>

namespace naru::simulation {

using pipeline::Entry;

namespace {

struct Sums {
  std::map<Entry, int64_t> of;
  int64_t operator[](Entry e) const {
    auto it = of.find(e);
    return it == of.end() ? 0 : it->second;
  }
  std::string ToString() const {
    std::string out;
    for (auto& [entry, n] : of) {
      if (n) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", pipeline::EntryName(entry), n);
    }
    return out;
  }
};

bool ByBackend(const std::string& reason) {
  return reason == "refused_by_backend" || reason == "rejected_by_backend";
}

}  // namespace

void CheckBalance(Run& run, const Books& books, bool at_end) {
  std::map<std::string, Sums> receivers, pipelines, exporters;
  for (auto& l : books) {
    const auto& o = l.owner;
    if (o.kind == "receiver") receivers[o.id].of[l.entry] += l.value;
    if (o.kind == "exporter") exporters[o.id].of[l.entry] += l.value;
    bool ends = l.entry == Entry::kEntered || l.entry == Entry::kExited;
    if (o.kind == "pipeline" ? ends : o.kind == "processor" && !ends) pipelines[o.pipeline].of[l.entry] += l.value;
  }
  for (auto& [id, s] : receivers) {
    int64_t pending = s[Entry::kOffered] - s[Entry::kAccepted] - s[Entry::kRefused] - s[Entry::kFailed];
    if (pending < 0 || (at_end && pending != 0) || s[Entry::kFailed])
      run.Fault(fmt::format("the books of receiver {} do not balance: {}", id, s.ToString()));
  }
  for (auto& [id, s] : pipelines) {
    if (s[Entry::kEntered] + s[Entry::kReturned] !=
        s[Entry::kExited] + s[Entry::kFiltered] + s[Entry::kDropped] + s[Entry::kRefused] + s[Entry::kHeld])
      run.Fault(fmt::format("the books of pipeline {} do not balance: {}", id, s.ToString()));
    if (s[Entry::kHeld] < 0 || (at_end && s[Entry::kHeld]))
      run.Fault(fmt::format("pipeline {} holds what it cannot: {}", id, s.ToString()));
  }
  for (auto& [id, s] : exporters) {
    if (s[Entry::kEntered] != s[Entry::kSent] + s[Entry::kDropped] + s[Entry::kRefused] + s[Entry::kHeld])
      run.Fault(fmt::format("the books of exporter {} do not balance: {}", id, s.ToString()));
  }
}

void Losses::Add(const Scenario& scenario, const Books& books) {
  for (auto& l : books) {
    if (l.entry != Entry::kDropped && l.entry != Entry::kFiltered) continue;
    if (l.entry == Entry::kDropped && l.value) reasons[l.reason] += l.value;
    for (size_t i = 0; i < scenario.branches.size(); ++i) {
      auto& b = scenario.branches[i];
      bool on_its_way = l.owner.kind == "exporter"
                            ? l.owner.id == b.exporter
                            : std::find(b.pipelines.begin(), b.pipelines.end(), l.owner.pipeline) != b.pipelines.end();
      if (!on_its_way) continue;
      if (l.entry == Entry::kFiltered) filtered[i] += l.value;
      // Which records a backend did not want is known one by one.
      if (l.entry == Entry::kDropped && !ByBackend(l.reason)) dropped[i] += l.value;
    }
  }
}

void CheckRecords(Run& run, const Scenario& scenario, const Losses& losses, const Given& given) {
  bool gives_up = false, no_retries = false;
  for (auto& b : scenario.branches) {
    gives_up = gives_up || b.gives_up;
    no_retries = no_retries || !b.retries;
  }
  for (auto& [reason, n] : losses.reasons) {
    bool may = ByBackend(reason)               ? given.rejections
               : reason == "retries_exhausted" ? gives_up
               : reason == "send_failed"       ? no_retries
               : reason == "shutdown"          ? given.stops
               : reason == "storage_damaged"   ? given.damage
               : reason == "branch_stalled"    ? scenario.branches.size() > 1
                                               : given.rejections || given.stops;
    if (!may) run.Fault(fmt::format("{} items were dropped as {}, for which there was no cause", n, reason));
  }
  for (size_t i = 0; i < scenario.branches.size(); ++i) {
    auto& b = scenario.branches[i];
    int64_t missing = 0, allowed = losses.dropped[i] + (b.sampled ? losses.filtered[i] : 0);
    std::string some;
    for (uint64_t n = 0; n < run.records.size(); ++n) {
      const Record& r = run.records[n];
      bool removed = b.filtered && n % 10 == 7;
      if (removed && r.arrived[i]) run.Fault(fmt::format("record {} arrived, which the filter removes", n));
      if (!r.acknowledged || r.unclear || r.arrived[i] || r.exempt[i] || r.rejected[i] || removed) continue;
      if (++missing <= 10) some += fmt::format(" {}", n);
    }
    if (missing > allowed) {
      run.Fault(fmt::format("{} records that were acknowledged are not at the backend of {}, and {} are counted:{}{}",
                            missing, b.exporter, allowed, some, missing > 10 ? " ..." : ""));
    }
  }
}

int64_t Held(const Books& books) {
  int64_t n = 0;
  for (auto& l : books) n += l.entry == Entry::kHeld ? l.value : 0;
  return n;
}

}  // namespace naru::simulation
