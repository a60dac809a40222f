#include "simulation/faults.h"

#include <algorithm>
#include <cstring>

#include "testkit/requests.h"

namespace naru::simulation {

using namespace std::chrono_literals;

void DrawNetwork(Run& run) {
  testkit::SimRandom& r = run.world.random();
  testkit::SimNetwork n;
  n.min_delay = 50us;
  n.max_delay = std::chrono::milliseconds(1 + r.Below(r.Chance(0.2) ? 800 : 20));
  if (r.Chance(0.3)) n.max_chunk = 1 + r.Below(3000);
  if (r.Chance(0.3)) n.buffer = 4096 + r.Below(60000);
  if (r.Chance(0.3)) n.would_block = 0.2;
  if (r.Chance(0.3)) n.reset = 0.01;
  if (r.Chance(0.3)) n.refuse = 0.3;
  n.partitioned = r.Chance(0.05);
  run.world.network() = n;
}

void DrawBackend(Run& run, Backend& backend) {
  testkit::SimRandom& r = run.world.random();
  Mood m;
  auto some = [&](double chance, double most) { return r.Chance(chance) ? r.Unit() * most : 0; };
  m.busy = some(0.4, 1);
  m.never = some(0.1, 0.3);
  m.partial = some(0.1, 0.5);
  m.lost = some(0.2, 0.4);
  if (r.Chance(0.4)) m.delay = std::chrono::milliseconds(r.Below(r.Chance(0.2) ? 5000 : 200));
  backend.mood = m;
  backend.SetDeaf(r.Chance(0.1));
  if (backend.running() ? r.Chance(0.1) : r.Chance(0.6)) backend.running() ? backend.Stop() : backend.Start();
}

void DrawDisk(Run& run, const Scenario& s, testkit::SimDisk& disk) {
  testkit::SimRandom& r = run.world.random();
  bool forgets = disk.faults.forgets_synced;
  disk.faults = {};
  disk.faults.forgets_synced = forgets;
  if (s.disk_full && r.Chance(0.3)) disk.faults.capacity = disk.used() + r.Below(20000);
  if (s.disk_read_only && r.Chance(0.2)) disk.faults.read_only = true;
  if (s.disk_errors) {
    if (r.Chance(0.3)) disk.faults.write = 0.2;
    if (r.Chance(0.3)) disk.faults.read = 0.2;
    if (r.Chance(0.3)) disk.faults.sync = 0.2;
  }
  auto most = std::chrono::microseconds(s.disk_slow ? r.Below(r.Chance(0.2) ? 3'000'000 : 50'000) : 200);
  run.world.SetWorkTime(10us, most);
}

namespace {

// Ranges of the records of a segment (docs/formats/segment-log.md); what comes after the last one that is whole is a
// range as well.
std::vector<std::pair<size_t, size_t>> RecordsOf(std::string_view bytes) {
  constexpr size_t kFileHeader = 40, kHeader = 40;
  constexpr uint32_t kMarker = 0x4352a14eu;
  std::vector<std::pair<size_t, size_t>> out;
  size_t at = std::min(kFileHeader, bytes.size());
  while (at + kHeader <= bytes.size()) {
    uint32_t marker = 0;
    uint64_t n = 0;
    std::memcpy(&marker, bytes.data() + at, sizeof marker);
    std::memcpy(&n, bytes.data() + at + 8, sizeof n);
    if (marker != kMarker || n > bytes.size() - at - kHeader) break;
    out.emplace_back(at, at + kHeader + n);
    at += kHeader + n;
  }
  if (at < bytes.size()) out.emplace_back(at, bytes.size());
  return out;
}

}  // namespace

bool DamageSegment(Run& run, const Scenario& scenario, testkit::SimDisk& disk) {
  testkit::SimRandom& r = run.world.random();
  auto segments = disk.Find("", ".seg");
  if (segments.empty()) return false;
  const std::string& path = segments[r.Below(segments.size())];
  std::string bytes = disk.Content(path);
  if (bytes.empty()) return false;
  size_t from = r.Below(bytes.size()), to = bytes.size();
  std::string after = bytes;
  if (r.Chance(0.3)) {
    after.resize(from);
  } else {
    to = std::min<size_t>(bytes.size(), from + 1 + r.Below(300));
    for (size_t i = from; i < to; ++i) after[i] = static_cast<char>(r.Next());
  }
  uint64_t touched = 0;
  for (auto& [begin, end] : RecordsOf(bytes)) {
    if (begin >= to || end <= from) continue;
    for (uint64_t n : testkit::NumbersIn(std::string_view(bytes).substr(begin, end - begin))) {
      ++touched;
      if (n >= run.records.size()) continue;
      for (size_t i = 0; i < scenario.branches.size(); ++i) {
        if (scenario.branches[i].queue == Queue::kStored) run.records[n].exempt[i] = true;
      }
    }
  }
  run.trace.Add("{} bytes of {} are damaged from {}, and {} records in them", to - from, path, from, touched);
  disk.Damage(path, std::move(after));
  ++run.incarnation;
  return true;
}

void Exempt(Run& run, const Scenario& scenario, bool power_cut) {
  ++run.incarnation;
  for (size_t i = 0; i < scenario.branches.size(); ++i) {
    if (scenario.Durable(scenario.branches[i], power_cut)) continue;
    for (auto& r : run.records) r.exempt[i] = r.exempt[i] || !r.arrived[i];
  }
}

}  // namespace naru::simulation
