#include "collector/log_output.h"

#include <cstdio>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace naru::collector {
namespace {

std::string TextOf(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

TEST(LogOutput, TellsOfLinesThatCouldNotBeWritten) {
  std::string errors = testing::TempDir() + "log_output_errors";
  std::remove(errors.c_str());
  LogsTelemetryConfig c;
  c.output_paths = {"/dev/full"};
  c.error_output_paths = {errors};
  auto out = LogOutput::Open(c, {}, Clock::System());
  ASSERT_TRUE(out) << out.error().message;
  for (int i = 0; i < 5; ++i) (*out)->Write(LogLevel::kInfo, "lost", {}, nullptr, 0);
  EXPECT_EQ((*out)->unwritten(), 5u);
  EXPECT_EQ(TextOf(errors), "write error: No space left on device\n");
}

TEST(LogOutput, SamplesEachMessageByItself) {
  std::string path = testing::TempDir() + "log_output_lines";
  std::remove(path.c_str());
  LogsTelemetryConfig c;
  c.output_paths = {path};
  c.sampling.Enable();
  c.sampling->initial = 2;
  c.sampling->thereafter = 5;
  auto out = LogOutput::Open(c, {}, Clock::System());
  ASSERT_TRUE(out);
  for (int i = 0; i < 12; ++i) (*out)->Write(LogLevel::kInfo, "often", {}, nullptr, 0);
  (*out)->Write(LogLevel::kInfo, "once", {}, nullptr, 0);
  (*out)->Write(LogLevel::kDebug, "below", {}, nullptr, 0);
  std::string text = TextOf(path);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2 + 2 + 1 + 1);  // two first, the 7th and 12th, the others
  EXPECT_EQ((*out)->sampled_out(), 8u);
  c.output_paths = {"/nowhere/at/all"};
  auto bad = LogOutput::Open(c, {}, Clock::System());
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("output_paths: open /nowhere/at/all: No such file"), std::string::npos);
}

}  // namespace
}  // namespace naru::collector
