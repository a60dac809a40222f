#include "simulation/collector.h"

#include "apps/distributions/full.h"
#include "conf/yaml.h"

namespace naru::simulation {
namespace {

using namespace std::chrono_literals;

class TraceSink final : public LogSink {
 public:
  explicit TraceSink(Trace& trace) : trace_(trace) {}
  bool Enabled(LogLevel) const override { return trace_.verbose(); }
  void Write(LogLevel level, std::string_view message, const std::vector<LogField>& context, const LogField* fields,
             size_t n) override {
    if (trace_.verbose())
      std::printf("           | %s\n", FormatLogLine(false, 0, level, message, context, fields, n).substr(25).c_str());
  }

 private:
  Trace& trace_;
};

}  // namespace

std::shared_ptr<const collector::Plan> PlanOf(const Scenario& scenario, uint64_t variant, std::string* issues) {
  static const auto* factories = new collector::Factories(apps::FullDistribution());
  auto document = conf::ParseYaml(scenario.Config(variant), "simulation.yaml");
  if (!document) {
    *issues = document.error().message;
    return nullptr;
  }
  conf::Issues found;
  auto plan = std::make_shared<const collector::Plan>(collector::MakePlan(*document, *factories, found));
  *issues = found.ToString();
  return found.empty() ? plan : nullptr;
}

Collector::Collector(Run& run, testkit::SimDisk& disk, const Scenario& scenario, uint64_t variant)
    : run_(run),
      scenario_(scenario),
      log_(std::make_shared<TraceSink>(run.trace)),
      process_(run.world.AddProcess(scenario.loops)),
      files_(disk) {
  std::string issues;
  plan_ = PlanOf(scenario, variant, &issues);
  if (!plan_) run_.Fault("the configuration is wrong: " + issues + "\n" + scenario.Config(variant));
}

Collector::~Collector() {
  process_->On(0, [this] {
    graph_.reset();
    old_.reset();
  });
}

pipeline::Extension* Collector::FindExtension(std::string_view id) {
  return lookup_ ? lookup_->FindExtension(id) : nullptr;
}

void Collector::CrashAt(uint64_t n) {
  files_.CrashAt(n, [this] {
    run_.trace.Add("the collector dies while it writes");
    Die(false);
  });
}

void Collector::Start() {
  process_->On(0, [this] {
    busy_ = true;
    Adopt(std::make_unique<collector::Graph>(*this, log_), nullptr, [this](Status s) {
      run_.trace.Add("the collector {}", s ? "runs" : "does not start: " + s.error().message);
      ready_ = s.has_value();
      stopping_ = stopping_ || !s;
      if (ready_) graph_->NotifyReady(true);
      Settle();
    });
  });
}

// As Service::Adopt.
void Collector::Adopt(std::unique_ptr<collector::Graph> next, collector::Graph* abandoned,
                      std::function<void(Status)> done) {
  lookup_ = next.get();
  if (auto s = next->Build(plan_, graph_.get()); !s) {
    lookup_ = graph_.get();
    return done(std::move(s));
  }
  old_ = std::move(graph_);
  graph_ = std::move(next);
  graph_->Replace(old_.get(), abandoned, loops()[0]->Now() + scenario_.drain, nullptr,
                  [this, done = std::move(done)](Status s) {
                    if (s) old_.reset();
                    done(std::move(s));
                  });
}

// As Service::Reload.
void Collector::Reload(uint64_t variant) {
  if (busy_ || stopping_ || dead_ || !ready_) return;
  std::string issues;
  auto plan = PlanOf(scenario_, variant, &issues);
  if (!plan) return run_.Fault("the configuration is wrong: " + issues);
  run_.trace.Add("a reload to variant {}", variant);
  process_->On(0, [this, plan] {
    busy_ = true;
    auto before = plan_;
    plan_ = plan;
    Adopt(std::make_unique<collector::Graph>(*this, log_), nullptr, [this, before](Status s) {
      if (s) return Settle();
      run_.trace.Add("the new configuration does not start: {}", s.error().message);
      plan_ = before;
      std::shared_ptr<collector::Graph> abandoned = std::move(old_);
      Adopt(std::make_unique<collector::Graph>(*this, log_), abandoned.get(), [this, abandoned](Status again) {
        if (!again) stopping_ = true;
        Settle();
      });
    });
  });
}

void Collector::Settle() {
  busy_ = false;
  if (!stopping_) return run_.trace.Add("the configuration runs");
  if (deadline_ == MonoTime()) deadline_ = loops()[0]->Now() + scenario_.drain;
  Drain();
}

void Collector::Stop(Duration drain) {
  if (stopping_) return;
  process_->On(0, [&] {
    stopping_ = true;
    deadline_ = loops()[0]->Now() + drain;
    if (!busy_) return Drain();
    closing_ = true;
    graph_->CloseReceivers(deadline_, [this] {
      closing_ = false;
      Drain();
    });
  });
}

void Collector::Drain() {
  if (busy_ || closing_) return;
  auto finish = [this] {
    if (!dead_) run_.trace.Add("the collector has ended");
    ended_ = true;
    ready_ = false;
    files_.Detach();
  };
  if (!graph_) return finish();
  deadline_ = std::max(deadline_, loops()[0]->Now() + 1s);
  graph_->Shutdown(deadline_, finish);
}

bool Collector::late() const {
  return stopping_ && !ended_ && !busy_ && run_.world.clock().Now() > deadline_ + 5s;
}

void Collector::Kill(bool power_cut) {
  if (dead_) return;
  run_.trace.Add("{}", power_cut ? "the power goes" : "the collector is killed");
  Die(power_cut);
}

void Collector::Die(bool silent) {
  dead_ = true;
  last_books_ = ledger_.Snapshot();
  files_.Detach();
  process_->Cut(silent);
  // Its loops are in the middle of something, perhaps.
  loops()[0]->Post([this] {
    if (!stopping_) Stop(1s);
  });
}

}  // namespace naru::simulation
