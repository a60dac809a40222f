#include "net/cookies.h"

#include <gtest/gtest.h>

namespace naru::net {
namespace {

constexpr uint64_t kNow = 1'700'000'000;

TEST(CookieJar, KeepsAndSends) {
  struct Case {
    const char* set;
    const char* path;
    const char* want;
  };
  const Case cases[] = {
      {"a=1", "/v1/traces", "a=1"},
      {"a=1; Path=/v1", "/v1/traces", "a=1"},
      {"a=1; Path=/v1", "/v11", ""},
      {"a=1; Path=/v1/", "/v1/traces?x=/other", "a=1"},
      {"a=1; path=/other", "/v1/traces", ""},
      {" a = 1 ; HttpOnly; SameSite=Lax", "/", "a=1"},
      {"a=1; Max-Age=10", "/", "a=1"},
      {"a=1; Max-Age=0", "/", ""},
      {"a=1; Max-Age=-5", "/", ""},
      {"a=1; Max-Age=x", "/", "a=1"},
      {"a=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT", "/", ""},
      {"a=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT; Max-Age=5", "/", "a=1"},
      {"a=1; Expires=Thu, 21-Oct-2055 07:28:00 GMT", "/", "a=1"},
      {"a=1; Secure", "/", ""},
      {"no-value", "/", ""},
      {"=x", "/", ""},
      {"", "/", ""},
  };
  for (auto& c : cases) {
    CookieJar jar;
    jar.Take(c.set, false, kNow);
    EXPECT_EQ(jar.For(c.path, false, kNow), c.want) << c.set;
  }
}

TEST(CookieJar, ReplacesAndRemovesAndExpires) {
  CookieJar jar;
  jar.Take("a=1", true, kNow);
  jar.Take("b=2; Secure; Max-Age=60", true, kNow);
  EXPECT_EQ(jar.For("/", true, kNow), "a=1; b=2");
  EXPECT_EQ(jar.For("/", false, kNow), "a=1");
  jar.Take("a=3", true, kNow);
  EXPECT_EQ(jar.For("/", true, kNow + 61), "a=3");
  jar.Take("a=; Max-Age=0", true, kNow);
  EXPECT_TRUE(jar.empty());
}

TEST(CookieJar, IsBounded) {
  CookieJar jar;
  jar.Take("long=" + std::string(5000, 'x'), false, kNow);
  EXPECT_TRUE(jar.empty());
  for (int i = 0; i < 1000; ++i) jar.Take("c" + std::to_string(i) + "=" + std::string(4000, 'x'), false, kNow);
  EXPECT_LT(jar.For("/", false, kNow).size(), 51u * 4096);
  jar.Take("c0=short", false, kNow);
  EXPECT_NE(jar.For("/", false, kNow).find("c0=short"), std::string::npos);
}

}  // namespace
}  // namespace naru::net
