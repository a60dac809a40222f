// A running collector: loops, own telemetry, the graph; start, reload, drain.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "collector/graph.h"
#include "collector/own_telemetry.h"
#include "collector/plan.h"
#include "conf/feature_gates.h"
#include "net/epoll_loop.h"
#include "pipeline/component.h"
#include "pipeline/metrics.h"
#include "pipeline/service_view.h"

namespace naru::collector {

struct ServiceOptions {
  const Factories* factories = nullptr;
  std::string command = "naru";  // name in service.name, user agent and logs
  std::string version;
  std::vector<std::string> arguments;         // of the command line, for zpages
  const conf::FeatureGates* gates = nullptr;  // the same
  int loops = 0;                              // 0: one a usable core
  Duration drain = std::chrono::seconds(10);
  /// Reads, resolves and checks the configuration again, for SIGHUP, on a thread of its own. On failure the text says
  /// everything that is wrong.
  std::function<Result<std::shared_ptr<const Plan>>()> reload;
  /// Called on the control loop when everything runs.
  std::function<void()> on_ready;
};

/// One a process: it takes SIGTERM, SIGINT and SIGHUP. Construct and Run() on the main thread.
class Service final : public pipeline::Host {
 public:
  Service(ServiceOptions options, std::shared_ptr<const Plan> plan);
  ~Service() override;

  /// Runs until SIGTERM or SIGINT, or a fatal status. The error is why it could not start, or the fatal one.
  Status Run();
  /// Makes every component and starts none: what is wrong beyond the configuration's form. Instead of Run().
  Status Check();
  /// Begins an orderly stop. Any thread.
  void Stop();

  const std::vector<net::Loop*>& loops() const override { return world_.loops(); }
  pipeline::Gate& gate() override { return gate_; }
  pipeline::Ledger& ledger() override { return ledger_; }
  pipeline::Metrics& metrics() override { return metrics_; }
  pipeline::Extension* FindExtension(std::string_view id) override;
  const std::string& user_agent() const override { return user_agent_; }
  std::shared_ptr<const pipeline::ServiceView> View() const override { return view_.load(); }

  const Graph* graph() const { return graph_.get(); }
  const ServiceOptions& options() const { return options_; }

 private:
  void Begin();
  void Reload();
  void Loaded(Result<std::shared_ptr<const Plan>> plan);
  void Adopt(std::unique_ptr<Graph> next, Graph* abandoned, std::function<void(Status)> done);
  void Drain();
  void Finish();
  void SetDefaultLimits();
  void UpdateView();

  ServiceOptions options_;
  std::shared_ptr<const Plan> plan_;
  Logger log_;
  net::EpollWorld world_;
  pipeline::Gate gate_;
  std::shared_ptr<void> cgroup_limit_;
  pipeline::Ledger ledger_;
  pipeline::Metrics metrics_;
  std::string user_agent_;
  std::unique_ptr<Graph> graph_, old_;
  Graph* lookup_ = nullptr;  // whose extensions FindExtension sees
  std::unique_ptr<OwnTelemetry> own_;
  uint64_t start_;  // ns since the epoch
  std::atomic<std::shared_ptr<const pipeline::ServiceView>> view_;
  Status result_{};
  bool stopping_ = false, busy_ = false, reload_again_ = false;
  bool loading_ = false;  // a configuration, on a thread of its own; busy_ as well
  bool closing_ = false;  // the receivers, before a reload has ended
  MonoTime stop_deadline_{};
  net::Timer force_;
};

}  // namespace naru::collector
