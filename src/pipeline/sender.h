// What an exporter has to write: how one batch gets to the backend. Queueing, batching, retrying and counting are the
// engine's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "pipeline/batch.h"

namespace naru::pipeline {

/// Bytes of what a backend says in words that are kept: they go to logs, pages and clients.
inline constexpr size_t kMaxBackendText = 1024;

/// How one attempt ended.
struct SendResult {
  /// kOk: the backend has the batch, but for `rejected` items.
  Error error{Code::kOk, false, Duration{0}, {}};
  /// Items that the backend said it will not take (partial success); never sent again.
  uint64_t rejected = 0;
  std::string message;  // of a partial success, or about what was rejected

  /// Items that have no form at this backend, by reason: never sent, now or later.
  struct Unfit {
    std::string_view reason;  // for the ledger; a literal
    uint64_t items = 0;
    std::string message;  // an example, for people
  };
  std::vector<Unfit> unfit;

  /// What became of a part of the batch; for each part, or for none. The items of a part that are in none of these
  /// counts were delivered.
  struct PartEnd {
    uint64_t unfit = 0, rejected = 0;
    /// Of a failed attempt: what it left to do.
    uint64_t left = 0;
    Slice rest;  // those items as a request
  };
  /// Needed when items are unfit, and when a failed attempt got items across: without it nothing of a failed attempt
  /// counts, and all of the batch is left.
  std::vector<PartEnd> ends;

  bool ok() const { return error.code == Code::kOk; }
  static SendResult Failed(Error e) {
    SendResult r;
    r.error = std::move(e);
    return r;
  }
};

/// Sends batches on one loop; used on that loop only.
class Sender {
 public:
  virtual ~Sender() = default;
  /// Starts to send. `done` is called once, on this loop, possibly inside Send. The batch stays valid and unchanged
  /// until then.
  virtual void Send(const Batch& batch, std::function<void(SendResult)> done) = 0;
};

}  // namespace naru::pipeline
