// Recent own spans by name: what runs, some of each latency, some that failed.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "pipeline/tracer.h"

namespace naru::extensions::zpages {

/// Thread-safe. Bounded: 256 names (further ones count as one), 1,024 running spans, 16 kept spans a cell.
class TraceStore final : public pipeline::SpanSink {
 public:
  static constexpr size_t kMaxNames = 256, kMaxRunning = 1024, kKept = 16;
  /// Lower bounds of the latency buckets, in ns.
  static constexpr std::array<uint64_t, 9> kBounds = {
      0, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000, 1'000'000'000, 10'000'000'000, 100'000'000'000};

  void OnStart(const pipeline::OwnSpan& span) override;
  void OnEnd(std::shared_ptr<const pipeline::OwnSpan> span) override;

  struct Row {
    std::string name;
    uint64_t running = 0, failed = 0;
    std::array<uint64_t, kBounds.size()> latency{};
  };
  std::vector<Row> Rows() const;

  using Spans = std::vector<std::shared_ptr<const pipeline::OwnSpan>>;
  Spans Running(const std::string& name) const;
  Spans Failed(const std::string& name) const;
  Spans Latency(const std::string& name, size_t bucket) const;

 private:
  struct Cell {
    uint64_t count = 0;
    Spans recent;  // a ring
    void Add(const std::shared_ptr<const pipeline::OwnSpan>& span);
  };
  struct Entry {
    uint64_t running = 0;
    Cell failed;
    std::array<Cell, kBounds.size()> latency;
  };
  Entry& Of(const std::string& name);
  const Entry* Find(const std::string& name) const;

  mutable std::mutex mutex_;
  std::map<std::string, Entry> names_;
  std::map<std::array<uint8_t, 8>, std::shared_ptr<const pipeline::OwnSpan>> running_;  // by span id
};

}  // namespace naru::extensions::zpages
