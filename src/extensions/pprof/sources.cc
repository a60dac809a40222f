#include "extensions/pprof/sources.h"

#include <cmath>
#include <map>

namespace naru::extensions::pprof {
namespace {

// How many blocks and bytes stand behind samples: a block of `n` bytes was seen with the chance 1 - exp(-n / period).
// Blocks of one stack are taken to have their mean size, as in Go.
void AddScaled(int64_t count, int64_t bytes, std::vector<int64_t>& values) {
  if (count <= 0 || bytes <= 0) {
    values.insert(values.end(), {0, 0});
    return;
  }
  double mean = static_cast<double>(bytes) / static_cast<double>(count);
  double scale = 1 / -std::expm1(-mean / static_cast<double>(HeapProfile::kPeriod));
  values.push_back(static_cast<int64_t>(static_cast<double>(count) * scale));
  values.push_back(static_cast<int64_t>(static_cast<double>(bytes) * scale));
}

std::string DroppedComment(uint64_t dropped) {
  return dropped ? fmt::format("{} samples are missing: there was no room for them", dropped) : "";
}

}  // namespace

Profile CpuProfileOf(const CpuSamples& samples, uint64_t began_unix_nano, Duration took) {
  constexpr int64_t kPeriod = 1'000'000'000 / CpuProfiler::kHertz;
  Profile p;
  p.name = "profile";
  p.types = {{"samples", "count"}, {"cpu", "nanoseconds"}};
  p.period_type = {"cpu", "nanoseconds"};
  p.period = kPeriod;
  p.time_nanos = began_unix_nano;
  p.duration_nanos = took.count();
  p.comment = DroppedComment(samples.dropped);
  // Not every period of CPU time has its sample (see CpuProfiler): each stands for an equal part of what really passed.
  uint64_t count = samples.dropped;
  for (auto& s : samples.stacks) count += s.values[0];
  double share = count ? static_cast<double>(samples.cpu_nanos) / static_cast<double>(count) : 0;
  for (auto& s : samples.stacks) {
    auto n = static_cast<int64_t>(s.values[0]);
    if (n > 0) p.samples.push_back({s.stack, {n, static_cast<int64_t>(static_cast<double>(n) * share)}, {}});
  }
  return p;
}

Profile HeapProfileOf(std::string_view name, const std::vector<HeapProfile::Stack>& before,
                      const std::vector<HeapProfile::Stack>& now, uint64_t dropped) {
  Profile p;
  p.name = name;
  p.types = {
      {"alloc_objects", "count"}, {"alloc_space", "bytes"}, {"inuse_objects", "count"}, {"inuse_space", "bytes"}};
  p.default_type = name == "allocs" ? "alloc_space" : "inuse_space";
  p.period_type = {"space", "bytes"};
  p.period = HeapProfile::kPeriod;
  p.exact_leaf = false;
  p.comment = DroppedComment(dropped);
  std::map<std::vector<uintptr_t>, const HeapProfile::Stack*> old;
  for (auto& s : before) old.emplace(s.stack, &s);
  for (auto& s : now) {
    auto allocated = static_cast<int64_t>(s.allocated), bytes = static_cast<int64_t>(s.allocated_bytes);
    auto freed = static_cast<int64_t>(s.freed), freed_bytes = static_cast<int64_t>(s.freed_bytes);
    if (auto it = old.find(s.stack); it != old.end()) {
      allocated -= static_cast<int64_t>(it->second->allocated);
      bytes -= static_cast<int64_t>(it->second->allocated_bytes);
      freed -= static_cast<int64_t>(it->second->freed);
      freed_bytes -= static_cast<int64_t>(it->second->freed_bytes);
    }
    Sample sample{s.stack, {}, {}};
    AddScaled(allocated, bytes, sample.values);
    AddScaled(allocated - freed, bytes - freed_bytes, sample.values);
    if (sample.values != std::vector<int64_t>(4)) p.samples.push_back(std::move(sample));
  }
  return p;
}

Profile ThreadProfileOf(std::string_view name, const std::vector<ThreadStack>& threads) {
  Profile p;
  p.name = name;
  p.types = {{name, "count"}};
  p.period_type = {name, "count"};
  p.period = 1;
  for (auto& t : threads) p.samples.push_back({t.stack, {1}, fmt::format("{} {}", t.name, t.id)});
  return p;
}

}  // namespace naru::extensions::pprof
