#include "codec/loki/labels.h"

#include <string>

#include <gtest/gtest.h>

namespace naru::codec::loki {
namespace {

TEST(LabelName, IsWhatLokiTakes) {
  const struct {
    std::string_view name, want;
  } kCases[] = {
      {"job", "job"},
      {"service.name", "service_name"},
      {"k8s.pod-name", "k8s_pod_name"},
      {"A_b9", "A_b9"},
      {"", ""},
      {"9lives", "key_9lives"},
      {"_private", "key_private"},
      {"__reserved__", "__reserved__"},
      {".dot", "key_dot"},
      {"..two", "__two"},
      {"_.x", "__x"},
      {"a b/c:d", "a_b_c_d"},
      {"서비스", "___"},
      {"é", "key_"},
      {"größe", "gr__e"},
      {"\xff", "key_"},
      {"a\xff\xfe"
       "b",
       "a__b"},
  };
  for (auto& c : kCases) {
    TextArena arena;
    EXPECT_EQ(LabelName(c.name, arena), c.want) << c.name;
  }
}

std::string Written(Labels& labels) {
  TextArena arena;
  wire::Writer out;
  labels.Write(out, arena);
  return std::string(out.view());
}

TEST(Labels, AreSortedAndQuoted) {
  Labels l;
  EXPECT_EQ(Written(l), "");
  l.Set("zone", "a");
  l.Set("job", "shop/\"cart\"\\\n\x01");
  l.Set("level", "WARN");
  EXPECT_EQ(Written(l), R"({job="shop/\"cart\"\\\n\u0001", level="WARN", zone="a"})");
  EXPECT_TRUE(l.Has("zone"));
  EXPECT_FALSE(l.Has("Zone"));
}

TEST(Labels, LaterOnesOverwrite) {
  Labels l;
  l.Set("job", "first");
  l.Set("a.b", "dot");
  l.Set("a_b", "line");
  EXPECT_EQ(Written(l), R"({a_b="line", job="first"})");
  l.Set("a.b", "dot again");
  l.Set("job", "second");
  EXPECT_EQ(Written(l), R"({a_b="dot again", job="second"})");
  EXPECT_EQ(l.size(), 3u);
}

TEST(Labels, EmptyValuesAreAbsent) {
  Labels l;
  l.Set("a", "");
  TextArena arena;
  wire::Writer out;
  EXPECT_EQ(l.Write(out, arena), 0u);
  EXPECT_EQ(out.view(), "");
  l.Set("b", "x");
  EXPECT_EQ(Written(l), R"({b="x"})");
}

TEST(Labels, BytesThatAreNoTextAreReplaced) {
  Labels l;
  l.Set("a", "x\xffy");
  EXPECT_EQ(Written(l), "{a=\"x\xef\xbf\xbdy\"}");
}

}  // namespace
}  // namespace naru::codec::loki
