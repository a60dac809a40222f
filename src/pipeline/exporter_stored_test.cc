// A stored queue whose senders wait for room (block_on_overflow): whatever makes room lets them in. Who waits holds
// memory, and for lack of it nobody else may come, so that nothing but the queue itself can wake them.
#include <gtest/gtest.h>

#include "pipeline/exporter_engine.h"
#include "pipeline/segment_log.h"
#include "testkit/probe.h"
#include "testkit/requests.h"
#include "testkit/sim_disk.h"
#include "testkit/sim_world.h"
#include "testkit/test_host.h"

namespace naru::pipeline {
namespace {

using testkit::Heard;
using namespace std::chrono_literals;

constexpr const char* kFolder = "/queue";

class OneFolder final : public Extension, public Storage {
 public:
  Storage* storage() override { return this; }
  Result<std::string> Folder(std::string_view, std::string_view, std::string_view) override { return kFolder; }
  bool fsync() const override { return false; }
  uint64_t segment_bytes() const override { return 1; }  // a record a segment
};

// A backend that takes what it is sent, or keeps everybody waiting.
struct Backend {
  bool silent = false;
  std::vector<std::function<void(SendResult)>> waiting;

  SenderFactory Factory() {
    struct To final : Sender {
      explicit To(Backend& b) : backend(b) {}
      void Send(const Batch&, std::function<void(SendResult)> done) override {
        if (backend.silent) return backend.waiting.push_back(std::move(done));
        done({});
      }
      Backend& backend;
    };
    return [this](net::Loop&) { return std::make_unique<To>(*this); };
  }
};

class StoredQueueThatBlocks : public ::testing::Test {
 protected:
  StoredQueueThatBlocks() {
    host_.AddExtension("file_storage", &storage_);
    host_.SetDisk({&files_, &world_.workers(), 0});
    world_.SetWorkTime(1ms, 10ms);
    EXPECT_TRUE(files_.MakeFolder(kFolder, 0700));
  }
  ~StoredQueueThatBlocks() override {
    backend_.silent = false;
    Answer();
    for (auto& e : engines_) Stop(*e);
    world_.On(0, [&] { engines_.clear(); });
    world_.RunFor(1s);
    EXPECT_EQ(host_.budget().used(), 0);
  }

  ExporterEngine& Start() {
    EngineOptions o;
    o.queue->queue_size = 1;
    o.queue->storage = "file_storage";
    o.queue->block_on_overflow = true;
    ExporterContext c;
    c.id = "to";
    c.host = &host_;
    c.signal = Signal::kTraces;
    world_.On(0, [&] {
      engines_.push_back(std::make_unique<ExporterEngine>(c, o, backend_.Factory()));
      EXPECT_TRUE(engines_.back()->Start(host_));
    });
    return *engines_.back();
  }
  void Stop(ExporterEngine& e) {
    if (stopped_.count(&e)) return;
    stopped_[&e] = false;
    world_.On(0, [&] { e.Shutdown(world_.clock().Now() + 1s, [&] { stopped_[&e] = true; }); });
    world_.RunUntil([&] { return stopped_[&e]; }, 5s);
    EXPECT_TRUE(stopped_[&e]);
  }
  std::shared_ptr<Heard> Send(ExporterEngine& e) {
    auto heard = std::make_shared<Heard>();
    world_.On(0, [&] {
      host_.ledger().Open({"exporter", "to", "traces", "", ""}, Entry::kEntered).Add(1);
      e.Consume(
          Batch(Signal::kTraces, testkit::NumberedRequest(Signal::kTraces, sent_++, 1), testkit::TokenFor(heard, 1)));
    });
    return heard;
  }
  void Answer() {
    world_.On(0, [&] {
      for (auto& done : std::exchange(backend_.waiting, {})) done({});
    });
  }

  testkit::SimWorld world_{1};
  testkit::SimDisk disk_{world_};
  testkit::SimFiles files_{disk_};
  testkit::TestHost host_{world_.loops()};
  OneFolder storage_;
  Backend backend_;
  std::vector<std::unique_ptr<ExporterEngine>> engines_;
  std::map<ExporterEngine*, bool> stopped_;
  uint64_t sent_ = 0;
};

TEST_F(StoredQueueThatBlocks, LetsInWhenAWriteHasFailed) {
  ExporterEngine& e = Start();
  disk_.faults.write = 1;
  auto first = Send(e), second = Send(e), third = Send(e);
  EXPECT_EQ(second->times, 0);
  world_.RunFor(1s);
  EXPECT_EQ(first->outcome.refused, 1u);
  EXPECT_EQ(second->outcome.refused, 1u);
  EXPECT_EQ(third->outcome.refused, 1u);
}

TEST_F(StoredQueueThatBlocks, LetsInWhenARecordIsDamaged) {
  {
    SegmentLogOptions o;
    o.files = &files_;
    o.workers = nullptr;
    o.segment_bytes = 1;
    auto log = SegmentLog::Open(kFolder, o);
    ASSERT_TRUE(log);
    for (int i = 0; i < 2; ++i) (*log)->Append({Slice::CopyOf("no batch")}, 1, false, [](auto r) { EXPECT_TRUE(r); });
  }
  world_.SetWorkTime(10ms, 10ms);
  ExporterEngine& e = Start();
  auto heard = Send(e);
  world_.RunFor(1s);
  EXPECT_EQ(heard->outcome.stored, 1u);
}

TEST_F(StoredQueueThatBlocks, LetsInWhenThePredecessorIsDone) {
  backend_.silent = true;
  ExporterEngine& old = Start();
  auto first = Send(old);
  world_.RunFor(1s);
  EXPECT_EQ(first->outcome.stored, 1u);
  ExporterEngine& next = Start();
  auto second = Send(next);
  world_.RunFor(1s);
  EXPECT_EQ(second->times, 0);
  Answer();
  world_.RunFor(1s);
  EXPECT_EQ(second->outcome.stored, 1u);
}

// A client that waits no longer takes no turn: else, where the way through is longer than clients wait, nobody would
// ever hear of what is sent, and everything would be sent again.
struct Client final : Ack {
  Client(std::shared_ptr<Heard> h) : heard(std::move(h)) {}
  void OnResolved(const Outcome& o) override {
    ++heard->times;
    heard->outcome = o;
  }
  std::shared_ptr<Heard> heard;
};

TEST_F(StoredQueueThatBlocks, LetsGoOfClientsThatHaveGone) {
  backend_.silent = true;
  ExporterEngine& e = Start();
  auto first = Send(e);
  world_.RunFor(100ms);
  auto gone = std::make_shared<Heard>();
  auto* client = new Client(gone);
  world_.On(0, [&] {
    std::vector<Batch> copies =
        Batch(Signal::kTraces, testkit::NumberedRequest(Signal::kTraces, 100, 1), Token(client, 1)).Fork(2);
    e.Consume(std::move(copies[0]));
    copies[1].Delivered();
  });
  auto last = Send(e);
  world_.RunFor(5s);
  EXPECT_EQ(gone->times, 0);
  world_.On(0, [&] { client->Abandon(); });
  world_.RunFor(2s);
  EXPECT_EQ(gone->outcome.refused, 1u);
  EXPECT_EQ(last->times, 0);
  Answer();
  world_.RunFor(1s);
  EXPECT_EQ(last->outcome.stored, 1u);
}

// A small one does not overtake a large one for ever.
TEST_F(StoredQueueThatBlocks, LetsInInOrder) {
  backend_.silent = true;
  ExporterEngine& e = Start();
  std::vector<std::shared_ptr<Heard>> heard;
  for (int i = 0; i < 4; ++i) heard.push_back(Send(e));
  for (size_t i = 0; i < heard.size(); ++i) {
    world_.RunFor(1s);
    for (size_t k = 0; k < heard.size(); ++k) EXPECT_EQ(heard[k]->times, k <= i ? 1 : 0) << i << " " << k;
    Answer();
  }
}

}  // namespace
}  // namespace naru::pipeline
