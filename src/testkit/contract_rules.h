// Inside of the contract battery: what the rules share. Tests use testkit/contract.h.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "conf/value.h"
#include "testkit/contract.h"
#include "testkit/rig.h"

namespace naru::testkit {

/// A configuration that rules try; it has no issues.
struct TriedConfig {
  std::string name;  // "defaults", or its key in contract.yaml
  conf::Value document;
  std::unique_ptr<pipeline::AnyConfig> config;
};

/// One run of one rule: its subject, and what was found.
class Trial {
 public:
  explicit Trial(const Subject& subject) : subject_(subject) {}
  ~Trial();
  Trial(const Trial&) = delete;

  const Subject& subject() const { return subject_; }
  const pipeline::Factory& factory() const { return subject_.factory; }
  /// That without any there is nothing to try is a breach.
  const std::vector<TriedConfig>& configs();
  /// What ${env:ADDRESS} says.
  static net::Address backend() { return {net::Address::Kind::kIpv4, "127.0.0.1", 14317}; }

  void Breach(std::string_view what);
  /// A breach unless `kept`.
  void Expect(bool kept, std::string_view what) {
    if (!kept) Breach(what);
  }
  /// Where the next breaches happen: "defaults, traces, seed 2".
  void At(std::string where) { where_ = std::move(where); }
  const std::string& breaches() const { return breaches_; }

 private:
  void LoadConfigs();
  void Try(const std::string& name, conf::Value document, bool must);

  const Subject& subject_;
  std::string where_, breaches_, scratch_;
  int count_ = 0;
  bool loaded_ = false;
  std::vector<TriedConfig> configs_;
};

/// The pairs of signals that the factory serves; one pair for receivers and extensions, which have one instance for
/// all.
std::vector<std::pair<otlp::Signal, otlp::Signal>> SignalPairs(const pipeline::Factory& factory);

/// Where a flow runs.
struct Flow {
  otlp::Signal from{}, to{};
  uint64_t seed = 0;
  const pipeline::AnyConfig* config = nullptr;
};
/// Makes and starts a component for every configuration, pair of signals and seed, each in a world of its own, and runs
/// `fn` on it; `before` (may be null) prepares the world. What is not stopped afterwards is stopped; then the component
/// is destroyed, and it is looked for what it has left behind.
void ForEachFlow(Trial& trial, uint64_t seeds, const std::function<void(Rig&, const Flow&)>& fn,
                 const std::function<void(Rig&)>& before = nullptr);

/// Stops the component of a rig; late or wrong ends are breaches.
void StopInTime(Trial& trial, Rig& rig, Duration allowed);
/// That the books of a stopped component balance and that it holds nothing.
void ExpectBalance(Trial& trial, Rig& rig);
/// That every sender has heard once, of all of its items.
void ExpectHeard(Trial& trial, const std::vector<std::shared_ptr<Heard>>& heard);

using RunRule = void (*)(Trial&);
struct RuleEntry {
  Rule rule;
  std::vector<pipeline::Kind> kinds;
  RunRule run;
};
// Of contract_config.cc, contract_lifecycle.cc, contract_flow.cc and contract_exporter.cc.
void AddConfigRules(std::vector<RuleEntry>& rules);
void AddLifecycleRules(std::vector<RuleEntry>& rules);
void AddFlowRules(std::vector<RuleEntry>& rules);
void AddExporterRules(std::vector<RuleEntry>& rules);

}  // namespace naru::testkit
