#include "testkit/probe.h"

#include <utility>

namespace naru::testkit {
namespace {

class HearingAck final : public pipeline::Ack {
 public:
  explicit HearingAck(std::shared_ptr<Heard> heard) : heard_(std::move(heard)) {}

 protected:
  void OnResolved(const pipeline::Outcome& outcome) override {
    ++heard_->times;
    heard_->outcome = outcome;
  }

 private:
  std::shared_ptr<Heard> heard_;
};

}  // namespace

pipeline::Token TokenFor(std::shared_ptr<Heard> heard, uint64_t items) {
  heard->items = items;
  return pipeline::Token(new HearingAck(std::move(heard)), items);
}

void Probe::Consume(pipeline::Batch&& batch) {
  Arrival a;
  a.signal = batch.signal();
  a.items = batch.items();
  for (auto& p : batch.parts()) {
    a.parts.push_back(p.bytes);
    a.part_items.push_back(p.items);
  }
  arrivals.push_back(std::move(a));
  if (refuse_first > 0) {
    --refuse_first;
    return batch.Refused(refusal);
  }
  bool& taken = arrivals.back().taken;
  switch (answer) {
    case Answer::kDeliver:
      taken = true;
      return batch.Delivered();
    case Answer::kStore:
      taken = true;
      return batch.Stored();
    case Answer::kDrop:
      return batch.Dropped(Error{Code::kInvalidArgument, false, Duration{0}, "the probe drops"});
    case Answer::kRefuse:
      return batch.Refused(refusal);
    case Answer::kKeep:
      kept_.push_back({std::move(batch), arrivals.size() - 1});
      return;
  }
}

uint64_t Probe::taken_items() const {
  uint64_t n = 0;
  for (auto& a : arrivals) n += a.taken ? a.items : 0;
  return n;
}

void Probe::SettleKept() {
  for (size_t n = kept_.size(); n > 0; --n) {
    Kept k = std::move(kept_.front());
    kept_.pop_front();
    arrivals[k.arrival].taken = true;
    k.batch.Delivered();
  }
}

}  // namespace naru::testkit
