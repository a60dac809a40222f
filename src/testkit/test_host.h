// The host of a component in a test: real accounts and metrics, its own budget of memory, and the loops of whatever
// world the test runs in (testkit/sim_world.h, or net/epoll_loop.h for real sockets).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/component.h"
#include "pipeline/metrics.h"
#include "pipeline/service_view.h"

namespace naru::testkit {

/// Outlives the components that it is given to. The members that tests set (AddExtension, SetView) are called before
/// the components that ask for them start; everything else is as thread-safe as Host says.
class TestHost final : public pipeline::Host {
 public:
  /// Without loops for what is stateless. The loops outlive the host.
  explicit TestHost(std::vector<net::Loop*> loops = {}) : loops_(std::move(loops)) {}

  const std::vector<net::Loop*>& loops() const override { return loops_; }
  pipeline::Gate& gate() override { return gate_; }
  pipeline::Ledger& ledger() override { return ledger_; }
  pipeline::Metrics& metrics() override { return metrics_; }
  pipeline::Extension* FindExtension(std::string_view id) override {
    auto it = extensions_.find(id);
    return it == extensions_.end() ? nullptr : it->second;
  }
  const std::string& user_agent() const override { return agent_; }
  pipeline::Disk disk() override { return disk_; }
  std::shared_ptr<const pipeline::ServiceView> View() const override { return view_; }

  /// What was charged by components and by the requests that were made with it: 0 when they are gone.
  Budget& budget() { return budget_; }
  /// `extension` outlives the host's components; it is not started here.
  void AddExtension(std::string id, pipeline::Extension* extension) { extensions_[std::move(id)] = extension; }
  /// Where stored queues live, instead of the system's disk.
  void SetDisk(pipeline::Disk disk) { disk_ = disk; }
  void SetView(std::shared_ptr<const pipeline::ServiceView> view) { view_ = std::move(view); }

 private:
  const std::vector<net::Loop*> loops_;
  pipeline::Disk disk_;
  Budget budget_;
  pipeline::Gate gate_{budget_};
  pipeline::Ledger ledger_;
  pipeline::Metrics metrics_;
  std::map<std::string, pipeline::Extension*, std::less<>> extensions_;
  std::shared_ptr<const pipeline::ServiceView> view_ = std::make_shared<pipeline::ServiceView>();
  const std::string agent_ = "naru/test (test/test)";
};

}  // namespace naru::testkit
