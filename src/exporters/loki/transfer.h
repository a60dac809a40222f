// The way of one batch to Loki: rounds of pushes, and what became of each record.
//
// Loki stores the good entries of a push that it refuses, and does not tell which these are; it knows entries that it
// has. So a push that is refused is cut in halves, which are pushed again, until the records that it does not take are
// found. Where everything is refused, or too much, that ends soon.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "codec/loki/push.h"
#include "pipeline/record_fates.h"
#include "pipeline/sender.h"

namespace naru::exporters::loki {

/// Bookkeeping, no I/O. The batch outlives it. One thread.
class Transfer {
 public:
  explicit Transfer(const pipeline::Batch& batch) : batch_(batch), fates_(batch) {}

  /// The push to send next; null when everything was translated and its fate is known. `now`: ns since the epoch.
  codec::loki::Push* Next(codec::loki::Translator& translator, uint64_t now);
  /// Loki has the records of the push that Next gave.
  void Delivered();
  /// Loki refuses some or all of them for good.
  void Rejected(Error why);

  /// So often pushes of a batch are cut in two, and so many refusals without a delivery end that: all is refused then.
  static constexpr int kCuts = 64, kRefusals = 7;

  /// The result when Next has nothing left: success, with what Loki refused as rejected.
  pipeline::SendResult Finish();
  /// The result when `error` ends the attempt before.
  pipeline::SendResult Fail(Error error);

 private:
  using Fate = pipeline::RecordFates::Fate;
  bool Translate(codec::loki::Translator& translator, uint64_t now);
  void End(Fate fate);
  void NoteRound();
  struct Piece {
    codec::loki::Push push;
    size_t first;  // of its records, within the round's push
  };
  bool Tell(pipeline::SendResult& result) const;

  const pipeline::Batch& batch_;
  size_t part_ = 0;  // that the cursor is in
  std::optional<codec::loki::Cursor> cursor_;
  pipeline::RecordFates fates_;  // of the records of rounds that have ended
  codec::loki::Round round_;
  size_t push_ = 0;           // of the round
  std::deque<Piece> pieces_;  // of that push, to be sent
  std::vector<std::vector<Fate>> push_fates_;
  int cuts_ = 0, refusals_ = 0;
  bool delivered_ = false;
  std::array<std::string, codec::loki::kUnfits> examples_;
  Error refusal_{Code::kOk, false, Duration{0}, {}};
};

}  // namespace naru::exporters::loki
