// The contract battery: what every receiver, processor, exporter, connector and extension has to keep, as rules that
// run on a factory. Components run in the simulated world, with faults below and around them.
//
// A component's own test asks for all rules at once:
//
//   TEST(LokiExporter, KeepsTheContract) {
//     auto factory = NewFactory();
//     EXPECT_EQ(testkit::Breaches({*factory, NARU_SOURCE_DIR "/src/exporters/loki"}), "");
//   }
//
// and apps/component_contract_test.cc runs each rule on each factory of the full distribution.
//
// The rules try the defaults, when an empty configuration is valid, and those of testdata/contract.yaml in the
// component's folder, a map of names to configurations:
//
//   small_queue: {endpoint: "http://${env:ADDRESS}", sending_queue: {queue_size: 2}}
//
// with ${env:ADDRESS} an address ("host:port") of the simulated network, where nobody listens or nobody answers, and
// ${env:FOLDER} an empty folder that is removed afterwards.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/factory.h"

namespace naru::testkit {

struct Subject {
  const pipeline::Factory& factory;
  std::string folder;  // of the component, with its README.md and testdata/; empty: without the rules of the README
};

struct Rule {
  std::string_view name;  // "EveryItemIsSettledOnce"
  std::string_view says;  // one sentence
};

/// The rules for components of a kind.
std::vector<Rule> ContractOf(pipeline::Kind kind);

/// Runs one rule. What was broken, a line a breach (at most 20); empty when it is kept. Seconds at most; writes to
/// standard output are swallowed meanwhile. One at a time in a process.
std::string Breaches(const Subject& subject, std::string_view rule);
/// The same for all rules of the kind; each line begins with the rule.
std::string Breaches(const Subject& subject);

}  // namespace naru::testkit
