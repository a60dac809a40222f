#include "processors/probabilistic_sampler/threshold.h"

#include <string>

#include <gtest/gtest.h>

namespace naru::processors::probabilistic_sampler {
namespace {

TEST(Threshold, OfAProbability) {
  // Texts are those of the reference.
  struct {
    double probability;
    int64_t precision;
    const char* want;
  } const kCases[] = {
      {0.5, 4, "8"},
      {0.25, 4, "c"},
      {1.0 / 3, 4, "aaab"},
      {1.0 / 3, 2, "ab"},
      {1.0 / 3, 14, "aaaaaaaaaaaaac"},
      {0.1, 1, "e"},
      {0.01, 3, "fd71"},
      {0.999, 2, "0042"},
      {0.99999, 4, "0000a7c6"},
      {1e-10, 4, "ffffffff920d"},
      {kLeastProbability, 4, "ffffffffffffff"},
      {1, 4, "0"},
      {0.7, 0, "4cccccccccccd"},
      {0.1, -1, "0"},
      {0.01, -3, "0"},
      {0.5, INT64_MIN, "0"},
      {0.5, INT64_MAX, "8"},
      {0, 4, "none"},
      {-1, 4, "none"},
      {kLeastProbability / 2, 4, "none"},
      {1.0000001, 4, "none"},
      {std::numeric_limits<double>::quiet_NaN(), 4, "none"},
  };
  for (const auto& c : kCases) {
    auto threshold = ThresholdOf(c.probability, c.precision);
    EXPECT_EQ(threshold ? ThresholdText(*threshold).view() : "none", c.want) << c.probability << " " << c.precision;
  }
  EXPECT_EQ(ProbabilityOf(kAlways), 1);
  EXPECT_EQ(ProbabilityOf(kNever), 0);
  EXPECT_EQ(ProbabilityOf(*ParseThreshold("c")), 0.25);
}

TEST(Threshold, TextsAreReadAndWritten) {
  struct {
    const char* text;
    const char* threshold;
    const char* randomness;
  } const kCases[] = {
      {"", "bad", "bad"},
      {"0", "0", "bad"},
      {"00000000000000", "0", "00000000000000"},
      {"c", "c", "bad"},
      {"C0", "c", "bad"},
      {"0123456789abcd", "0123456789abcd", "0123456789abcd"},
      {"0ABCDEFabcdef0", "0abcdefabcdef", "0abcdefabcdef0"},
      {"ffffffffffffff", "ffffffffffffff", "ffffffffffffff"},
      {"fffffffffffffff", "bad", "bad"},
      {"0x", "bad", "bad"},
      {"+1234567890abc", "bad", "bad"},
      {"1234567890abc ", "bad", "bad"},
      {"@`Gg", "bad", "bad"},
  };
  for (const auto& c : kCases) {
    auto threshold = ParseThreshold(c.text);
    auto randomness = ParseRandomness(c.text);
    EXPECT_EQ(threshold ? ThresholdText(*threshold).view() : "bad", c.threshold) << c.text;
    EXPECT_EQ(randomness ? RandomnessText(*randomness).view() : "bad", c.randomness) << c.text;
  }
  EXPECT_EQ(ThresholdText(kNever).view(), "");
}

TEST(Threshold, OfAHashedPercentage) {
  // Where single precision rounds is what the reference does too.
  struct {
    float percentage;
    const char* want;
  } const kCases[] = {
      {0, ""},   {0.003f, ""},         {0.00610352f, "fffc"}, {0.01f, "fffc"},   {1, "fd74"}, {15, "d99c"},
      {50, "8"}, {33.333333f, "aaac"}, {99.9f, "0044"},       {99.999f, "0004"}, {100, "0"},
  };
  for (const auto& c : kCases) EXPECT_EQ(ThresholdText(HashThreshold(c.percentage)).view(), c.want) << c.percentage;
}

TEST(Threshold, RandomnessOfTraceIds) {
  std::string up, down;
  for (int i = 0; i < 16; ++i) {
    up.push_back(static_cast<char>(i + 1));
    down.push_back(static_cast<char>(0xff - i));
  }
  struct {
    uint32_t seed;
    const char* up;
    const char* down;
  } const kCases[] = {
      {0, "976837c4f25a25", "14a80f46d17ad5"},
      {22, "2ef03615863443", "32300d9f673373"},
      {0xdeadbeef, "f9501af4bc81ab", "e3101baaeb073b"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(RandomnessText(SeededHash(c.seed)(up)).view(), c.up);
    EXPECT_EQ(RandomnessText(SeededHash(c.seed)(down)).view(), c.down);
  }
  EXPECT_EQ(RandomnessText(RandomnessOfTraceId(up)).view(), "0a0b0c0d0e0f10");
  EXPECT_EQ(RandomnessText(RandomnessOfTraceId("\x01\x02")).view(), "00000000000102");
}

}  // namespace
}  // namespace naru::processors::probabilistic_sampler
