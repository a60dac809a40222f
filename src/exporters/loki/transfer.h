// The way of one batch to Loki: rounds of pushes, and what became of each record.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codec/loki/push.h"
#include "pipeline/sender.h"

namespace naru::exporters::loki {

/// Bookkeeping, no I/O. The batch outlives it. One thread.
class Transfer {
 public:
  explicit Transfer(const pipeline::Batch& batch) : batch_(batch), seen_(batch.parts().size()) {}

  /// The push to send next; null when everything was translated and its fate is known. `now`: ns since the epoch.
  codec::loki::Push* Next(codec::loki::Translator& translator, uint64_t now);
  /// Loki has the records of the push that Next gave.
  void Delivered() { End(Fate::kDelivered); }
  /// Loki refuses them for good.
  void Rejected(Error why);

  /// The result when Next has nothing left. A batch that Loki refused altogether has failed.
  pipeline::SendResult Finish();
  /// The result when `error` ends the attempt before.
  pipeline::SendResult Fail(Error error);

 private:
  // From kUnfit on: unfit, for the reason with that number.
  enum class Fate : uint8_t { kOpen, kDelivered, kRejected, kUnfit };
  static constexpr size_t kMalformed = codec::loki::kUnfits;  // one more reason: behind a flaw of the request
  bool Translate(codec::loki::Translator& translator, uint64_t now);
  void End(Fate fate);
  void NoteRound();
  /// Counts what became of the items of each part; `left` are those to try again.
  void Sum(pipeline::SendResult& result, Fate left) const;
  /// Adds what is left of each part, as requests. False when a part cannot be cut, for it is malformed.
  bool AddRests(pipeline::SendResult& result, Fate left) const;
  pipeline::SendResult Failed(Error error, Fate left) const;

  const pipeline::Batch& batch_;
  size_t part_ = 0;  // that the cursor is in
  std::optional<codec::loki::Cursor> cursor_;
  std::vector<uint64_t> seen_;  // records of each part that were translated
  codec::loki::Round round_;
  size_t push_ = 0;  // of the round
  std::vector<Fate> push_fates_;
  std::vector<Fate> fates_;  // of the records of rounds that have ended
  std::array<std::string, codec::loki::kUnfits> examples_;
  Error refusal_{Code::kOk, false, Duration{0}, {}};
};

}  // namespace naru::exporters::loki
