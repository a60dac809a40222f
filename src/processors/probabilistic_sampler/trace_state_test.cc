#include "processors/probabilistic_sampler/trace_state.h"

#include <string>

#include <gtest/gtest.h>

namespace naru::processors::probabilistic_sampler {
namespace {

std::string Repeat(std::string_view text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out.append(text);
  return out;
}

TEST(TraceState, ReadsAndWrites) {
  std::string many = Repeat("a=b,", 30);
  struct {
    std::string in;
    Flaw flaw;
    std::string threshold, randomness;  // in full; "-" for none
    std::string out;
  } const kCases[] = {
      {"", Flaw::kNone, "-", "-", ""},
      {" , ,", Flaw::kNone, "-", "-", ""},
      {"ot=th:c", Flaw::kNone, "c", "-", "ot=th:c"},
      {"ot=th:C0", Flaw::kNone, "c", "-", "ot=th:C0"},
      {"ot=th:0;rv:0123456789ABCD", Flaw::kNone, "0", "0123456789abcd", "ot=rv:0123456789ABCD;th:0"},
      {"a=b,\tot=x:1;th:8;y:\t, v@s=p q ", Flaw::kNone, "8", "-", "ot=th:8;x:1;y:,a=b,v@s=p q"},
      {"a=b,\tot=x:1;th:8;y:,v@s= p q ", Flaw::kNone, "8", "-", "ot=th:8;x:1;y:,a=b,v@s= p q"},
      {"1a@b=c,k*/-_=~", Flaw::kNone, "-", "-", "1a@b=c,k*/-_=~"},
      {"ot=x:1", Flaw::kNone, "-", "-", "ot=x:1"},
      {"ot=th:8,ot=th:c", Flaw::kNone, "c", "-", "ot=th:c"},
      {"ot=th:8;th:4", Flaw::kNone, "4", "-", "ot=th:4"},
      // Wrong values: the rest is read.
      {"ot=th:zz;x:1,a=b", Flaw::kThreshold, "-", "-", "ot=x:1,a=b"},
      {"ot=th:", Flaw::kThreshold, "-", "-", ""},
      {"ot=th:123456789abcdef", Flaw::kThreshold, "-", "-", ""},
      {"ot=rv:12;th:8", Flaw::kRandomness, "8", "-", "ot=th:8"},
      {"ot=th:zz;th:8", Flaw::kThreshold, "8", "-", "ot=th:8"},
      {"ot=th:8;th:zz", Flaw::kThreshold, "-", "-", ""},
      // Wrong `ot`: the others are read, an earlier `ot` is gone.
      {"ot=th:8,ot=;,a=b", Flaw::kSyntax, "-", "-", "a=b"},
      {"ot=th:8;,a=b", Flaw::kSyntax, "-", "-", "a=b"},
      {"ot=th:8;;x:1,a=b", Flaw::kSyntax, "-", "-", "a=b"},
      {"ot=th,a=b", Flaw::kSyntax, "-", "-", "a=b"},
      {"ot=:8,a=b", Flaw::kSyntax, "-", "-", "a=b"},
      {"ot=X:8,a=b", Flaw::kSyntax, "-", "-", "a=b"},
      {"ot=x:*,a=b", Flaw::kSyntax, "-", "-", "a=b"},
      // Wrong as a whole: nothing is read.
      {"ot=,a=b", Flaw::kSyntax, "-", "-", ""},
      {"=", Flaw::kSyntax, "-", "-", ""},
      {"a", Flaw::kSyntax, "-", "-", ""},
      {"a==b", Flaw::kSyntax, "-", "-", ""},
      {"A=b", Flaw::kSyntax, "-", "-", ""},
      {"1a=b", Flaw::kSyntax, "-", "-", ""},
      {"a@1=b", Flaw::kSyntax, "-", "-", ""},
      {"a@b@c=b", Flaw::kSyntax, "-", "-", ""},
      {"@b=b", Flaw::kSyntax, "-", "-", ""},
      {"a@=b", Flaw::kSyntax, "-", "-", ""},
      {"a=\x01", Flaw::kSyntax, "-", "-", ""},
      {"a=\xc3\xa9", Flaw::kSyntax, "-", "-", ""},
      {"a=" + Repeat("v", 257), Flaw::kSyntax, "-", "-", ""},
      {"ot=th:8,a=" + Repeat("v", 1024), Flaw::kSize, "-", "-", ""},
      // Bounds.
      {"a=" + Repeat("v", 256), Flaw::kNone, "-", "-", "a=" + Repeat("v", 256)},
      {"ot=th:8," + Repeat("k", 257) + "=1", Flaw::kSize, "8", "-", "ot=th:8"},
      {"t@" + Repeat("s", 15) + "=1,a=b", Flaw::kSize, "-", "-", "a=b"},
      {Repeat("t", 242) + "@s=1,a=b", Flaw::kSize, "-", "-", "a=b"},
      {Repeat("t", 241) + "@" + Repeat("s", 14) + "=1", Flaw::kNone, "-", "-",
       Repeat("t", 241) + "@" + Repeat("s", 14) + "=1"},
      {many + "ot=th:8", Flaw::kNone, "8", "-", "ot=th:8," + many.substr(0, many.size() - 1)},
      {many + "c=d,ot=th:8", Flaw::kSize, "-", "-", many + "c=d"},
      {"ot=" + Repeat("a:;", 85) + "b", Flaw::kSyntax, "-", "-", ""},
      {"ot=" + Repeat("a:;", 84) + "bbb:", Flaw::kNone, "-", "-", "ot=" + Repeat("a:;", 84) + "bbb:"},
  };
  TraceState state;
  for (const auto& c : kCases) {
    EXPECT_EQ(state.Parse(c.in), c.flaw) << c.in << ": " << FlawText(c.flaw);
    EXPECT_EQ(state.threshold() ? ThresholdText(*state.threshold()).view() : "-", c.threshold) << c.in;
    EXPECT_EQ(state.randomness() ? RandomnessText(*state.randomness()).view() : "-", c.randomness) << c.in;
    EXPECT_EQ(state.Serialize(), c.out) << c.in;
  }
}

TEST(TraceState, IsChanged) {
  TraceState state;
  state.Parse("x=y,ot=a:1;th:4");
  state.SetRandomness(0x123);
  state.SetThreshold(*ParseThreshold("c"));
  EXPECT_EQ(state.Serialize(), "ot=rv:00000000000123;th:c;a:1,x=y");
  state.SetThreshold(std::nullopt);
  EXPECT_EQ(state.Serialize(), "ot=rv:00000000000123;a:1,x=y");
  state.SetThreshold(kNever);  // has no text
  EXPECT_EQ(state.Serialize(), "ot=rv:00000000000123;a:1,x=y");
  state.Parse("");
  EXPECT_EQ(state.Serialize(), "");
  // The longest that there is still has room.
  std::string longest =
      "a=" + Repeat("v", 256) + ",b=" + Repeat("v", 256) + ",c=" + Repeat("v", 256) + ",ot=" + "x:" + Repeat("v", 242);
  EXPECT_EQ(state.Parse(longest), Flaw::kNone);
  state.SetRandomness(kMostRandom);
  state.SetThreshold(kMostRandom);
  EXPECT_EQ(state.Serialize(), "ot=rv:ffffffffffffff;th:ffffffffffffff;x:" + Repeat("v", 242) + "," +
                                   longest.substr(0, longest.find(",ot=")));
}

}  // namespace
}  // namespace naru::processors::probabilistic_sampler
