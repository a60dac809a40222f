#include "pipeline/config/server_config.h"

#include <unistd.h>

#include <gtest/gtest.h>

namespace naru::pipeline {
namespace {

TEST(ListenAddress, TakesNumbersNamesAndPaths) {
  struct Case {
    const char *endpoint, *transport, *want;  // null: refused
  };
  const Case cases[] = {
      {"127.0.0.1:4317", "tcp", "127.0.0.1:4317"},
      {"localhost:4317", "tcp", "127.0.0.1:4317"},
      {"localhost:4317", "tcp6", "[::1]:4317"},
      {":4317", "tcp4", "0.0.0.0:4317"},
      {"[::1]:4317", "tcp", "[::1]:4317"},
      {"/tmp/x.sock", "unix", "unix:///tmp/x.sock"},
      {"x.sock", "unix", "unix://x.sock"},
      {"localhost:70000", "tcp", nullptr},
      {"host", "tcp", nullptr},
      {"bad host:1", "tcp", nullptr},
      {"127.0.0.1:1", "udp", nullptr},
      {"", "unix", nullptr},
  };
  for (auto& c : cases) {
    EXPECT_EQ(bool(CheckListenAddress(c.endpoint, c.transport)), c.want != nullptr) << c.endpoint;
    auto got = ListenAddress(c.endpoint, c.transport);
    EXPECT_EQ(bool(got), c.want != nullptr) << c.endpoint;
    if (got && c.want) {
      EXPECT_EQ(got->ToString(), c.want);
    }
  }
  // Names are looked up when it is listened, not when the configuration is checked.
  EXPECT_TRUE(CheckListenAddress("no-such-name.invalid:4317", "tcp"));
  EXPECT_FALSE(ListenAddress("no-such-name.invalid:4317", "tcp"));
  char name[256] = {};
  ASSERT_EQ(gethostname(name, sizeof name - 1), 0);
  EXPECT_TRUE(CheckListenAddress(std::string(name) + ":4317", "tcp"));
}

}  // namespace
}  // namespace naru::pipeline
