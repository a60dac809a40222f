#include "pipeline/ledger.h"

#include <tuple>

namespace naru::pipeline {

// A shard is written by the threads whose number maps to it: with up to kShards threads its lock is never contended,
// except by a snapshot, which holds all of them for the time of a copy.
struct alignas(64) Ledger::Shard {
  std::mutex mutex;
  std::vector<int64_t> values;

  void Add(uint32_t index, int64_t n) {
    if (index >= values.size()) values.resize(index + 64);
    values[index] += n;
  }
};

std::string_view EntryName(Entry entry) {
  switch (entry) {
    case Entry::kOffered:
      return "offered";
    case Entry::kAccepted:
      return "accepted";
    case Entry::kEntered:
      return "entered";
    case Entry::kExited:
      return "exited";
    case Entry::kReturned:
      return "returned";
    case Entry::kFiltered:
      return "filtered";
    case Entry::kDropped:
      return "dropped";
    case Entry::kFailed:
      return "failed";
    case Entry::kRefused:
      return "refused";
    case Entry::kHeld:
      return "held";
    case Entry::kSent:
      return "sent";
    case Entry::kRequests:
      return "requests";
    case Entry::kBytes:
      return "bytes";
  }
  return "unknown";
}

Ledger::Ledger() : shards_(new Shard[kShards]) {}
Ledger::~Ledger() = default;

Ledger::Shard& Ledger::Mine() {
  static std::atomic<uint32_t> threads{0};
  thread_local uint32_t number = threads.fetch_add(1, std::memory_order_relaxed);
  return shards_[number % kShards];
}

Counter Ledger::Open(const Owner& owner, Entry entry, std::string_view reason) {
  std::lock_guard lock(open_mutex_);
  auto key = std::make_tuple(owner, entry, std::string(reason));
  auto it = index_.find(key);
  if (it == index_.end()) {
    if (names_.size() >= kMaxCounters && reason != "other") {
      std::get<2>(key) = "other";
      it = index_.find(key);
    }
    if (it == index_.end()) {
      auto index = static_cast<uint32_t>(names_.size());
      names_.push_back(Name{owner, entry, std::get<2>(key)});
      it = index_.emplace(std::move(key), index).first;
    }
  }
  return Counter(this, it->second);
}

void Counter::Add(int64_t n) const {
  if (!ledger_) return;
  Ledger::Shard& s = ledger_->Mine();
  std::lock_guard lock(s.mutex);
  s.Add(index_, n);
}

void Ledger::Post(std::initializer_list<Posting> postings) {
  Shard& s = Mine();
  std::lock_guard lock(s.mutex);
  for (auto& p : postings) {
    if (p.counter.ledger_) s.Add(p.counter.index_, p.delta);
  }
}

std::vector<Ledger::Line> Ledger::Snapshot() const {
  std::lock_guard lock(open_mutex_);
  std::vector<int64_t> sum(names_.size());
  for (size_t i = 0; i < kShards; ++i) shards_[i].mutex.lock();
  for (size_t i = 0; i < kShards; ++i) {
    auto& v = shards_[i].values;
    for (size_t k = 0; k < v.size() && k < sum.size(); ++k) sum[k] += v[k];
  }
  for (size_t i = 0; i < kShards; ++i) shards_[i].mutex.unlock();
  std::vector<Line> out;
  out.reserve(sum.size());
  for (size_t i = 0; i < sum.size(); ++i)
    out.push_back(Line{names_[i].owner, names_[i].entry, names_[i].reason, sum[i]});
  return out;
}

}  // namespace naru::pipeline
