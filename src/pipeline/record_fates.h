// What became of the records of a batch that a sender sends in several requests, or that it cannot send as they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/sender.h"

namespace naru::pipeline {

/// For traces and logs. The batch outlives it. One thread.
class RecordFates {
 public:
  /// From kUnfit on: the record has no form at the backend, for the reason of that number.
  enum Fate : uint8_t { kOpen, kDelivered, kRejected, kUnfit };
  struct Reason {
    std::string_view name;  // for the ledger; a literal
    std::string message;    // for people
  };

  explicit RecordFates(const Batch& batch) : batch_(batch), seen_(batch.parts().size()) {}

  /// `n` more records of a part were looked at. Parts come in order.
  void Saw(size_t part, uint64_t n) { seen_[part] += n; }
  /// A part was looked at to its end: what it has fewer records than items is behind a flaw.
  void Finished(size_t part) { finished_ = part + 1; }
  /// The fate of the next record, in the order of the batch. Records that were seen and have none yet are open.
  void Add(Fate fate) { fates_.push_back(fate); }
  void Add(size_t unfit_for) { fates_.push_back(static_cast<Fate>(kUnfit + unfit_for)); }

  /// Fills `ends`, `rejected` and `unfit` of a result, with what is left as requests when the attempt failed. False,
  /// and nothing filled, when these cannot be made, for a part is malformed: then the attempt counts for nothing.
  bool Tell(SendResult& result, std::span<const Reason> reasons) const;

 private:
  bool AddRests(SendResult& result) const;

  const Batch& batch_;
  std::vector<uint64_t> seen_;
  size_t finished_ = 0;
  std::vector<Fate> fates_;
};

}  // namespace naru::pipeline
