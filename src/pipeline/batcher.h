// The core of the `batch` processor: gathers requests into batches, one gathering place a loop.
//
// It answers for what it takes: items are acknowledged (stored) at once and held until the next component has taken
// them. When that one refuses (its queue is full, say), the batch is kept and offered again after the delay that was
// asked for; meanwhile at most twice a batch more is taken, and then new data is refused, retryably. So nothing that
// was acknowledged is dropped because of a full queue.
//
// Where exits of the pipeline take what others refuse, the others do not hold them up: what comes meanwhile is offered
// to those that take it, and waits for the rest. When an exit has taken nothing for ten seconds and there is no more
// room, the oldest of what waits for it alone is dropped and counted (`branch_stalled`), for the sake of the exits that
// work.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/component.h"
#include "pipeline/metrics.h"

namespace naru::pipeline {

struct BatcherOptions {
  uint64_t send_batch_size = 8192;                    // items; 0: every request at once
  uint64_t send_batch_max_size = 0;                   // items; 0: no limit
  Duration timeout = std::chrono::milliseconds(200);  // 0: no waiting
  std::vector<std::string> metadata_keys;             // lower case
  uint64_t metadata_cardinality_limit = 1000;
};

class Batcher final : public Processor {
 public:
  Batcher(ProcessorContext context, BatcherOptions options);
  ~Batcher() override;
  void Consume(Batch&& batch) override;
  void Shutdown(MonoTime deadline, std::function<void()> done) override;

  struct Shared;

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace naru::pipeline
