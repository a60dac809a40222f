// What a limit leaves for telemetry.
#include "pipeline/config/memory_limits.h"

#include <gtest/gtest.h>

#include <vector>

#include "testkit/test_host.h"

namespace naru::processors::memory_limiter {
namespace {

TEST(MemoryLimits, WhatTheProcessGrewToDoesNotTightenThemAtAReload) {
  testkit::TestHost host;
  pipeline::MemoryLimitsConfig config;
  config.limit_mib = 4000;
  auto first = pipeline::LimitMemory(host, config, Logger());
  int64_t soft = host.gate().budget().soft_limit(), hard = host.gate().budget().hard_limit();
  EXPECT_GT(soft, int64_t{2000} << 20);
  EXPECT_GT(hard, soft);
  std::vector<char> grown(64 << 20, 'x');  // as pages that an allocator keeps after a peak
  auto second = pipeline::LimitMemory(host, config, Logger());
  EXPECT_EQ(host.gate().budget().soft_limit(), soft);
  EXPECT_EQ(host.gate().budget().hard_limit(), hard);
  first.reset();
  EXPECT_EQ(host.gate().budget().soft_limit(), soft);
  second.reset();
  EXPECT_EQ(host.gate().budget().soft_limit(), INT64_MAX);
  EXPECT_EQ(grown.back(), 'x');
}

}  // namespace
}  // namespace naru::processors::memory_limiter
