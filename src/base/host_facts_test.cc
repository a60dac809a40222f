#include "base/host_facts.h"

#include <unistd.h>

#include <gtest/gtest.h>

namespace naru {
namespace {

TEST(HostFacts, FindsTheContainer) {
  const std::string id(64, 'a');
  EXPECT_EQ(ContainerIdIn("12:cpu:/docker/" + id + "\n"), id);
  EXPECT_EQ(ContainerIdIn("0::/system.slice/crio-" + id + ".scope\n"), id);
  EXPECT_EQ(ContainerIdIn("0::/\n"), "");
  EXPECT_EQ(ContainerIdIn("/docker/" + id + "a"), "");  // 65 digits are something else
  EXPECT_EQ(ContainerIdIn(id), "");
  EXPECT_EQ(ContainerIdIn("/" + id), id);
}

TEST(HostFacts, KnowsThisProcess) {
  HostFacts f = ReadHostFacts();
  EXPECT_EQ(f.pid, getpid());
  EXPECT_NE(f.executable_path.find("base_test"), std::string::npos);
  EXPECT_FALSE(f.arguments.empty());
  EXPECT_FALSE(f.host_name.empty());
  EXPECT_EQ(f.os_type, "linux");
}

}  // namespace
}  // namespace naru
