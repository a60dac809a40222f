// Every component of the full distribution keeps the contract of its kind (testkit/contract.h). A component that is new
// in the list is covered by being there.
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "apps/distributions/full.h"
#include "testkit/contract.h"

namespace naru::apps {
namespace {

using pipeline::Kind;

struct Case {
  const pipeline::Factory* factory = nullptr;
  testkit::Rule rule;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.factory->type << ", " << c.rule.name;
}

std::vector<Case> CasesOf(Kind kind) {
  static const auto* all = new collector::Factories(FullDistribution());
  std::vector<Case> out;
  for (auto& f : *all) {
    if (f->kind != kind) continue;
    for (auto& rule : testkit::ContractOf(kind)) out.push_back({f.get(), rule});
  }
  return out;
}

std::string CaseName(const testing::TestParamInfo<Case>& info) {
  return std::string(info.param.factory->type) + "_" + std::string(info.param.rule.name);
}

class Contract : public testing::TestWithParam<Case> {
 protected:
  void Judge() {
    const auto& [factory, rule] = GetParam();
    std::string folder = NARU_SOURCE_DIR "/src/";
    folder += pipeline::KindSection(factory->kind);
    folder += "/";
    folder += factory->type;
    EXPECT_EQ(testkit::Breaches({*factory, folder}, rule.name), "") << rule.says;
  }
};

class ReceiverContract : public Contract {};
TEST_P(ReceiverContract, Holds) {
  Judge();
}
INSTANTIATE_TEST_SUITE_P(All, ReceiverContract, testing::ValuesIn(CasesOf(Kind::kReceiver)), CaseName);

class ProcessorContract : public Contract {};
TEST_P(ProcessorContract, Holds) {
  Judge();
}
INSTANTIATE_TEST_SUITE_P(All, ProcessorContract, testing::ValuesIn(CasesOf(Kind::kProcessor)), CaseName);

class ExporterContract : public Contract {};
TEST_P(ExporterContract, Holds) {
  Judge();
}
INSTANTIATE_TEST_SUITE_P(All, ExporterContract, testing::ValuesIn(CasesOf(Kind::kExporter)), CaseName);

class ConnectorContract : public Contract {};
TEST_P(ConnectorContract, Holds) {
  Judge();
}
INSTANTIATE_TEST_SUITE_P(All, ConnectorContract, testing::ValuesIn(CasesOf(Kind::kConnector)), CaseName);

class ExtensionContract : public Contract {};
TEST_P(ExtensionContract, Holds) {
  Judge();
}
INSTANTIATE_TEST_SUITE_P(All, ExtensionContract, testing::ValuesIn(CasesOf(Kind::kExtension)), CaseName);

TEST(Contracts, EveryKindHasRules) {
  for (auto kind : {Kind::kReceiver, Kind::kProcessor, Kind::kExporter, Kind::kConnector, Kind::kExtension})
    EXPECT_GE(testkit::ContractOf(kind).size(), 9u) << pipeline::KindName(kind);
}

}  // namespace
}  // namespace naru::apps
