#include "conf/feature_gates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace naru::conf {
namespace {

using ::testing::HasSubstr;

FeatureGates Gates() {
  FeatureGates g;
  EXPECT_TRUE(g.Register({"test.alpha", GateStage::kAlpha, "an alpha gate", "v1", ""}));
  EXPECT_TRUE(g.Register({"test.beta", GateStage::kBeta, "a beta gate", "", ""}));
  EXPECT_TRUE(g.Register({"test.stable", GateStage::kStable, "a stable gate", "", "v2"}));
  EXPECT_TRUE(g.Register({"test.old", GateStage::kDeprecated, "a deprecated gate", "", "v2"}));
  return g;
}

TEST(FeatureGates, StartAsTheirStageSays) {
  FeatureGates g = Gates();
  EXPECT_FALSE(g.Enabled("test.alpha"));
  EXPECT_TRUE(g.Enabled("test.beta"));
  EXPECT_TRUE(g.Enabled("test.stable"));
  EXPECT_FALSE(g.Enabled("test.old"));
  EXPECT_FALSE(g.Enabled(kMergeAppendGate));
  EXPECT_FALSE(g.Enabled("nobody.knows"));
}

TEST(FeatureGates, ApplyTheFlag) {
  struct Case {
    const char* flag;
    const char* error;  // nullptr: none
    bool alpha, beta;
    int notices;
  };
  const Case cases[] = {
      {"", nullptr, false, true, 0},
      {"test.alpha", nullptr, true, true, 0},
      {"+test.alpha,-test.beta", nullptr, true, false, 0},
      {"test.alpha,-test.alpha", nullptr, false, true, 0},
      {"test.stable,-test.old", nullptr, false, true, 2},
      {"-test.stable", "\"test.stable\" is stable, can not be disabled", false, true, 0},
      {"test.old", "\"test.old\" is deprecated, can not be enabled", false, true, 0},
      {"test.alhpa", "no such feature gate \"test.alhpa\" (did you mean \"test.alpha\"?)", false, true, 0},
      {"nope,test.alpha", "no such feature gate \"nope\"", true, true, 0},
      {"test.alpha,", "no such feature gate \"\"", true, true, 0},
      {"-", "no such feature gate \"\"", false, true, 0},
      {"--test.beta", "no such feature gate \"-test.beta\"", false, true, 0},
      {" test.alpha", "no such feature gate \" test.alpha\"", false, true, 0},
  };
  for (auto& c : cases) {
    FeatureGates g = Gates();
    int notices = 0;
    Status s = g.Apply(c.flag, [&](const std::string&) { ++notices; });
    EXPECT_EQ(s.has_value(), c.error == nullptr) << c.flag;
    if (!s && c.error) {
      EXPECT_THAT(s.error().message, HasSubstr(c.error)) << c.flag;
    }
    EXPECT_EQ(g.Enabled("test.alpha"), c.alpha) << c.flag;
    EXPECT_EQ(g.Enabled("test.beta"), c.beta) << c.flag;
    EXPECT_EQ(notices, c.notices) << c.flag;
  }
}

TEST(FeatureGates, ApplyNamesEveryError) {
  FeatureGates g = Gates();
  Status s = g.Apply("one,two,-test.stable");
  ASSERT_FALSE(s);
  EXPECT_THAT(s.error().message, HasSubstr("\"one\""));
  EXPECT_THAT(s.error().message, HasSubstr("\"two\""));
  EXPECT_THAT(s.error().message, HasSubstr("\"test.stable\""));
}

TEST(FeatureGates, RegisterRefuses) {
  FeatureGates g = Gates();
  EXPECT_FALSE(g.Register({"", GateStage::kAlpha, "", "", ""}));
  EXPECT_FALSE(g.Register({"a-b", GateStage::kAlpha, "", "", ""}));
  EXPECT_FALSE(g.Register({"test.alpha", GateStage::kAlpha, "", "", ""}));
  EXPECT_FALSE(g.Register({"test.new", GateStage::kStable, "", "", ""}));
}

TEST(FeatureGates, Print) {
  FeatureGates g = Gates();
  EXPECT_THAT(g.Table(), HasSubstr("test.beta                        true     Beta        a beta gate\n"));
  EXPECT_THAT(g.Table(), HasSubstr("ID                               Enabled  Stage       Description\n"));
  EXPECT_EQ(*g.Describe("test.alpha"),
            "Feature: test.alpha\nEnabled: false\nStage: Alpha\nDescription: an alpha gate\nFrom Version: v1\n");
  EXPECT_FALSE(g.Describe("nope"));
}

}  // namespace
}  // namespace naru::conf
