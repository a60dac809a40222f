// One life of a simulated collector: a graph of real components on loops, budget, ledger and disk view of its own. It
// starts, reloads and stops as collector/service.cc does, and can be killed at any moment.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "collector/graph.h"
#include "pipeline/metrics.h"
#include "pipeline/service_view.h"
#include "simulation/records.h"
#include "simulation/scenario.h"
#include "testkit/sim_disk.h"

namespace naru::simulation {

class Collector final : public pipeline::Host {
 public:
  Collector(Run& run, testkit::SimDisk& disk, const Scenario& scenario, uint64_t variant);
  ~Collector() override;

  /// Dies in the middle of its `n`th change to the disk from here.
  void CrashAt(uint64_t n);
  void Start();
  /// Another configuration; nothing happens while another reload is under way.
  void Reload(uint64_t variant);
  /// Drains for at most `drain`.
  void Stop(Duration drain);
  /// The end of the process, or with `power_cut` of its machine. What it would have said or written from here is lost;
  /// its code is shut down unheard.
  void Kill(bool power_cut);

  /// Everything runs; the first start has ended well.
  bool ready() const { return ready_; }
  /// Has ended in order, or failed to start and ended.
  bool ended() const { return ended_; }
  /// Died; then it has ended as well, sooner or later.
  bool dead() const { return dead_; }
  /// Ended later than its shutdown deadline allows.
  bool late() const;
  /// Of the moment of its death, or now.
  std::vector<pipeline::Ledger::Line> Books() const { return dead_ ? last_books_ : ledger_.Snapshot(); }

  const std::vector<net::Loop*>& loops() const override { return process_->loops(); }
  pipeline::Gate& gate() override { return gate_; }
  pipeline::Ledger& ledger() override { return ledger_; }
  pipeline::Metrics& metrics() override { return metrics_; }
  pipeline::Extension* FindExtension(std::string_view id) override;
  pipeline::Disk disk() override { return {&files_, &run_.world.workers(), scenario_.segment_bytes}; }
  const std::string& user_agent() const override { return agent_; }
  std::shared_ptr<const pipeline::ServiceView> View() const override { return view_; }
  Budget& budget() { return budget_; }

 private:
  void Die(bool silent);
  void Adopt(std::unique_ptr<collector::Graph> next, collector::Graph* abandoned, std::function<void(Status)> done);
  void Settle();
  void Drain();

  Run& run_;
  const Scenario& scenario_;
  Logger log_;
  std::unique_ptr<testkit::SimProcess> process_;
  testkit::SimFiles files_;
  Budget budget_;
  pipeline::Gate gate_{budget_, 0};
  pipeline::Ledger ledger_;
  pipeline::Metrics metrics_;
  const std::string agent_ = "naru/test (test/test)";
  std::shared_ptr<const pipeline::ServiceView> view_ = std::make_shared<pipeline::ServiceView>();
  std::shared_ptr<const collector::Plan> plan_;
  std::unique_ptr<collector::Graph> graph_, old_;
  collector::Graph* lookup_ = nullptr;
  bool busy_ = false, stopping_ = false, closing_ = false, ready_ = false, ended_ = false, dead_ = false;
  MonoTime deadline_{};
  std::vector<pipeline::Ledger::Line> last_books_;
};

/// The configuration of a scenario, checked; null with the reason in `issues` when it is none.
std::shared_ptr<const collector::Plan> PlanOf(const Scenario& scenario, uint64_t variant, std::string* issues);

}  // namespace naru::simulation
