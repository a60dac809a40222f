// The exporter engine: sending_queue, batching inside it, retry_on_failure, and the accounts of an exporter.
//
// A batch that is handed in is refused (queue full), or kept: its tokens are then resolved as stored, or stay open
// until delivery with wait_for_result or without a queue. At most num_consumers requests are under way over all loops;
// each is sent on the loop that took it from the queue, by that loop's Sender. Every item ends as sent, dropped with a
// reason, or refused; the ledger's equation `entered = sent + dropped + refused + held` holds in every snapshot.
//
// Threads: Consume on any loop; the shared state is under one mutex that is held for queue operations only.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "pipeline/component.h"
#include "pipeline/engine_config.h"
#include "pipeline/metrics.h"
#include "pipeline/sender.h"

namespace naru::pipeline {

struct EngineOptions {
  RetryConfig retry;
  conf::Optional<QueueConfig> queue{QueueConfig()};
  /// Largest request in bytes before compression (0: none): what is larger is split, so that none overruns the limit
  /// that peers have by default. A queue's `batch::max_size` in bytes takes its place.
  uint64_t max_request_bytes = 0;
  /// Attributes of its item counts besides its id: where it sends to.
  Attributes destination;
  /// What else Start has to look after (authenticators that must be there); may be null.
  std::function<Status(Host&)> check;
  /// Where the queue lives on disk without a storage extension; made if missing. Empty: nowhere, or where
  /// `sending_queue::storage` says.
  std::string folder;
};

/// Makes the sender of a loop, on that loop, at its first batch.
using SenderFactory = std::function<std::unique_ptr<Sender>(net::Loop&)>;

class ExporterEngine final : public Exporter {
 public:
  ExporterEngine(ExporterContext context, EngineOptions options, SenderFactory factory);
  ~ExporterEngine() override;

  Status Start(Host& host) override;
  void Shutdown(MonoTime deadline, std::function<void()> done) override;
  void Consume(Batch&& batch) override;
  /// What a queue in memory holds, and what fails once more, goes to it. A queue on disk is found by it there.
  void SetSuccessor(Exporter& successor) override;

  struct Shared;

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace naru::pipeline
