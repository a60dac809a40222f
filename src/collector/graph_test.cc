// The books of whole pipelines, in the simulated world.
#include "collector/graph.h"

#include <gtest/gtest.h>

#include "conf/yaml.h"
#include "pipeline/batcher.h"
#include "testkit/probe.h"
#include "testkit/requests.h"
#include "testkit/sim_world.h"
#include "testkit/test_host.h"

namespace naru::collector {
namespace {

using pipeline::Entry;
using pipeline::Kind;
using testkit::Probe;
using namespace std::chrono_literals;

struct NoKeys {
  static void Describe(conf::Struct<NoKeys>&) {}
};

// Where the test puts batches in, and what takes them; factories hold plain functions.
pipeline::Consumer* entry = nullptr;
std::map<std::string, Probe*> exits;

class Source final : public pipeline::Receiver {};
class Exit final : public pipeline::Exporter {
 public:
  explicit Exit(const pipeline::ExporterContext& c)
      : probe_(*exits.at(c.id)),
        sent_(c.host->ledger().Open({"exporter", c.id, "traces", "", ""}, Entry::kSent)),
        refused_(c.host->ledger().Open({"exporter", c.id, "traces", "", ""}, Entry::kRefused)) {}
  void Consume(pipeline::Batch&& batch) override {
    auto n = static_cast<int64_t>(batch.items());
    (probe_.refuse_first > 0 ? refused_ : sent_).Add(n);
    probe_.Consume(std::move(batch));
  }

 private:
  Probe& probe_;
  pipeline::Counter sent_, refused_;
};

Factories TestFactories() {
  Factories out;
  auto add = [&](Kind kind, std::string_view type) {
    auto f = std::make_unique<pipeline::FactoryOf<NoKeys>>();
    f->kind = kind;
    f->type = type;
    f->stability.traces = "beta";
    out.push_back(std::move(f));
    return static_cast<pipeline::FactoryOf<NoKeys>*>(out.back().get());
  };
  add(Kind::kReceiver, "source")->receiver =
      [](const NoKeys&, pipeline::ReceiverContext c) -> Result<std::unique_ptr<pipeline::Receiver>> {
    entry = c.next_for(pipeline::Signal::kTraces);
    return std::unique_ptr<pipeline::Receiver>(std::make_unique<Source>());
  };
  add(Kind::kProcessor, "batch")->processor =
      [](const NoKeys&, pipeline::ProcessorContext c) -> Result<std::unique_ptr<pipeline::Processor>> {
    return std::unique_ptr<pipeline::Processor>(
        std::make_unique<pipeline::Batcher>(std::move(c), pipeline::BatcherOptions{}));
  };
  add(Kind::kExporter, "exit")->exporter =
      [](const NoKeys&, pipeline::ExporterContext c) -> Result<std::unique_ptr<pipeline::Exporter>> {
    return std::unique_ptr<pipeline::Exporter>(std::make_unique<Exit>(c));
  };
  return out;
}

// Runs ten batches of three through a pipeline with two exits, and gives its books: the sum of its own lines and those
// of its processors.
std::map<Entry, int64_t> BooksOf(std::string_view processors, testkit::Heard* heard) {
  testkit::SimWorld world(1, 2);
  testkit::TestHost host(world.loops());
  Factories factories = TestFactories();
  auto document = conf::ParseYaml(
      fmt::format("receivers: {{source: }}\nprocessors: {{batch: , batch/second: }}\nexporters: {{exit/a: , exit/b: "
                  "}}\nservice: {{pipelines: {{traces: {{receivers: [source], processors: [{}], exporters: [exit/a, "
                  "exit/b]}}}}}}\n",
                  processors),
      "test.yaml");
  EXPECT_TRUE(document.has_value());
  conf::Issues issues;
  auto plan = std::make_shared<const Plan>(MakePlan(*document, factories, issues));
  EXPECT_EQ(issues.ToString(), "");
  auto graph = std::make_unique<Graph>(host, Logger());
  uint64_t sent = 0;
  world.On(0, [&] {
    EXPECT_TRUE(graph->Build(plan, nullptr));
    graph->Replace(nullptr, nullptr, MonoTime::max(), nullptr, [](Status s) { EXPECT_TRUE(s); });
    for (int i = 0; i < 10; ++i) {
      auto h = std::make_shared<testkit::Heard>();
      entry->Consume(pipeline::Batch(pipeline::Signal::kTraces,
                                     testkit::NumberedRequest(pipeline::Signal::kTraces, sent, 3),
                                     testkit::TokenFor(h, 3)));
      sent += 3;
      *heard = *h;
    }
  });
  world.RunFor(1min);
  bool stopped = false;
  world.On(0, [&] { graph->Shutdown(world.clock().Now() + 1s, [&] { stopped = true; }); });
  EXPECT_TRUE(world.RunUntil([&] { return stopped; }, 2s));
  world.On(0, [&] { graph.reset(); });
  std::map<Entry, int64_t> books;
  for (auto& l : host.ledger().Snapshot()) {
    if (l.owner.kind == "exporter") continue;
    bool ends = l.entry == Entry::kEntered || l.entry == Entry::kExited;
    if (ends == (l.owner.kind == "pipeline")) books[l.entry] += l.value;
  }
  return books;
}

int64_t Difference(std::map<Entry, int64_t> b) {
  return b[Entry::kEntered] + b[Entry::kReturned] - b[Entry::kExited] - b[Entry::kFiltered] - b[Entry::kDropped] -
         b[Entry::kRefused] - b[Entry::kHeld];
}

TEST(GraphBooks, BalanceWhenOneExitTakesAndTheOtherRefusesForAWhile) {
  for (std::string processors : {"batch", "batch, batch/second"}) {
    Probe a, b;
    exits = {{"exit/a", &a}, {"exit/b", &b}};
    b.refuse_first = 3;
    testkit::Heard heard;
    auto books = BooksOf(processors, &heard);
    EXPECT_EQ(heard.outcome.stored, 3u);
    EXPECT_EQ(a.taken_items(), 30u) << "offered to those only that have not taken it";
    EXPECT_EQ(b.taken_items(), 30u);
    EXPECT_EQ(books[Entry::kEntered], 30);
    EXPECT_GT(books[Entry::kReturned], 0);
    EXPECT_EQ(Difference(books), 0) << processors;
  }
}

TEST(GraphBooks, BalanceWhenAnExitRefusesForGood) {
  Probe a, b;
  exits = {{"exit/a", &a}, {"exit/b", &b}};
  b.refuse_first = 1000;
  b.refusal = Error{Code::kInvalidArgument, false, Duration{0}, "never"};
  testkit::Heard heard;
  auto books = BooksOf("batch", &heard);
  EXPECT_EQ(books[Entry::kDropped], 30);
  EXPECT_EQ(Difference(books), 0);
  // Without anybody who answers for the items, the refusal is the sender's.
  books = BooksOf("", &heard);
  EXPECT_EQ(heard.outcome.refused, 3u);
  EXPECT_EQ(books[Entry::kDropped], 0);
  EXPECT_EQ(Difference(books), 0);
}

}  // namespace
}  // namespace naru::collector
