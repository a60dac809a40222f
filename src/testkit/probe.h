// Both ends of a component in a test: who hears what became of items that went in, and who takes what comes out.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/buffer.h"
#include "pipeline/batch.h"

namespace naru::testkit {

/// What the sender of a batch has heard.
struct Heard {
  uint64_t items = 0;
  int times = 0;  // once is right
  pipeline::Outcome outcome;
  uint64_t Settled() const {
    return outcome.delivered + outcome.stored + outcome.filtered + outcome.dropped + outcome.refused + outcome.lost;
  }
};

/// A token for `items` items whose end `heard` learns; it may hear on any thread, one at a time.
pipeline::Token TokenFor(std::shared_ptr<Heard> heard, uint64_t items);

/// A consumer that does what a test says. Not thread-safe: for the simulated world and for one loop.
class Probe final : public pipeline::Consumer {
 public:
  Probe() = default;
  ~Probe() override { SettleKept(); }
  enum class Answer : uint8_t {
    kDeliver,
    kStore,
    kDrop,
    kRefuse,  // with `refusal`
    kKeep,    // not settled until SettleKept
  };

  /// The answer to every batch, after those that `refuse_first` refuses.
  Answer answer = Answer::kDeliver;
  int refuse_first = 0;  // so many batches are refused, whatever `answer` says
  Error refusal{Code::kUnavailable, true, Duration{0}, "the probe refuses"};

  /// A batch as it came.
  struct Arrival {
    otlp::Signal signal{};
    std::vector<Slice> parts;
    std::vector<uint64_t> part_items;
    uint64_t items = 0;
    bool taken = false;  // delivered, stored, or kept and delivered later
  };
  std::vector<Arrival> arrivals;  // in order
  /// Items of the batches that were taken.
  uint64_t taken_items() const;
  /// Settles what is kept, as delivered. Batches that come meanwhile are answered as `answer` says.
  void SettleKept();
  size_t kept() const { return kept_.size(); }

  void Consume(pipeline::Batch&& batch) override;

 private:
  struct Kept {
    pipeline::Batch batch;
    size_t arrival;
  };
  std::deque<Kept> kept_;
};

}  // namespace naru::testkit
