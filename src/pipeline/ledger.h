// The ledger: where every item is. Counters of all components, read in one consistent snapshot.
//
// For every receiver:  offered = accepted + refused + failed + pending.
// For every processor and pipeline (summed over its components):
//                      entered + returned = exited + filtered + dropped + refused + held.
// For every exporter:  entered = sent + dropped + refused + held.
// `held` is what a component says that it keeps now (batch, queue, in flight). What the left side has and the right
// side lacks is being worked on inside a call at this moment; at rest it is zero, and a test says so.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace naru::pipeline {

/// What a counter counts. Items unless said.
enum class Entry : uint8_t {
  kOffered,   // receiver: read from a client
  kAccepted,  // receiver: answered OK
  kEntered,   // pipeline, processor or exporter: handed in
  kExited,    // pipeline or processor: handed on, as often as that was tried
  kReturned,  // processor: handed on, refused there, and its own again (it had answered for them): held or dropped
  kFiltered,
  kDropped,  // with a reason
  kFailed,   // receiver: lost by naru itself; a bug when it is not zero
  kRefused,  // given back to the sender; with a reason at receivers
  kHeld,     // kept now: goes up and down; the reason says where (batch, queue, in_flight, retry)
  kSent,
  kRequests,  // requests, not items; the reason says the outcome
  kBytes,     // bytes sent or received on the wire
};
std::string_view EntryName(Entry entry);

/// Names a component within the ledger.
struct Owner {
  std::string kind;        // "receiver", "processor", "exporter", "connector", "pipeline"
  std::string id;          // "otlp/2", "traces/1"
  std::string signal;      // "traces" ...; empty when it has none
  std::string pipeline;    // for processors: the pipeline that they are in
  std::string transport;   // for receivers: "grpc", "http"
  std::string error;       // of what exporters dropped: the code that ended it, "InvalidArgument"
  bool permanent = false;  // and whether trying again could not help
  auto operator<=>(const Owner&) const = default;
};

class Ledger;

/// A counter of one owner. Cheap to copy; valid as long as the ledger. Add() is thread-safe and costs one uncontended
/// lock.
class Counter {
 public:
  Counter() = default;
  void Add(int64_t n) const;

 private:
  friend class Ledger;
  Counter(Ledger* ledger, uint32_t index) : ledger_(ledger), index_(index) {}
  Ledger* ledger_ = nullptr;
  uint32_t index_ = 0;
};

/// Thread-safe. Counters are never removed: an owner that a reload removes and brings back goes on counting. At most
/// kMaxCounters; beyond it new reasons fall into one counter with the reason "other".
class Ledger {
 public:
  Ledger();
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  static constexpr size_t kMaxCounters = 16384;

  /// The counter of `owner` for `entry` and `reason`; the same every time.
  Counter Open(const Owner& owner, Entry entry, std::string_view reason = {});

  /// Adds to several counters at once: no snapshot sees a part of it.
  struct Posting {
    Counter counter;
    int64_t delta;
  };
  void Post(std::initializer_list<Posting> postings);

  struct Line {
    Owner owner;
    Entry entry;
    std::string reason;
    int64_t value;
  };
  /// All counters at one moment.
  std::vector<Line> Snapshot() const;

 private:
  friend class Counter;
  struct Shard;
  Shard& Mine();

  mutable std::mutex open_mutex_;  // guards names_ and index_
  struct Name {
    Owner owner;
    Entry entry;
    std::string reason;
  };
  std::deque<Name> names_;
  std::map<std::tuple<Owner, Entry, std::string>, uint32_t> index_;
  static constexpr size_t kShards = 16;
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace naru::pipeline
