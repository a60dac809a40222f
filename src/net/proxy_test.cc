#include "net/proxy.h"

#include <gtest/gtest.h>

namespace naru::net {
namespace {

TEST(ProxyEnvironment, ChoosesAsGoDoes) {
  struct Case {
    const char* no_proxy;
    const char* scheme;
    const char* host;
    uint16_t port;
    const char* want;  // the proxy's host, or null
  };
  const Case cases[] = {
      {"", "http", "backend.example", 80, "plain.example"},
      {"", "https", "backend.example", 443, "secure.example"},
      {"", "http", "localhost", 80, nullptr},
      {"", "http", "127.0.0.1", 80, nullptr},
      {"", "http", "127.9.9.9", 80, nullptr},
      {"", "http", "::1", 80, nullptr},
      {"", "http", "128.0.0.1", 80, "plain.example"},
      {"*", "http", "backend.example", 80, nullptr},
      {"backend.example", "http", "BACKEND.example.", 80, nullptr},
      {"example", "http", "backend.example", 80, nullptr},
      {".example", "http", "backend.example", 80, nullptr},
      {".backend.example", "http", "backend.example", 80, "plain.example"},
      {"*.example", "http", "backend.example", 80, nullptr},
      {"ackend.example", "http", "backend.example", 80, "plain.example"},
      {"backend.example:80", "http", "backend.example", 80, nullptr},
      {"backend.example:81", "http", "backend.example", 80, "plain.example"},
      {"a, b ,backend.example", "http", "backend.example", 80, nullptr},
      {"10.0.0.0/8", "http", "10.1.2.3", 80, nullptr},
      {"10.0.0.0/8", "http", "11.1.2.3", 80, "plain.example"},
      {"10.0.0.0/33", "http", "10.1.2.3", 80, "plain.example"},
      {"10.0.0.0/", "http", "10.1.2.3", 80, "plain.example"},
      {"10.1.2.3", "http", "10.1.2.3", 80, nullptr},
      {"10.1.2.3:80", "http", "10.1.2.3", 80, nullptr},
      {"2001:db8::/32", "http", "2001:db8::7", 80, nullptr},
      {"2001:db8::7", "http", "2001:db8:0::7", 80, nullptr},
      {"[2001:db8::7]:80", "http", "2001:db8::7", 80, nullptr},
      {"[2001:db8::7]:81", "http", "2001:db8::7", 80, "plain.example"},
      {",,", "http", "backend.example", 80, "plain.example"},
  };
  for (auto& c : cases) {
    ProxyEnvironment e{"http://plain.example:3128", "secure.example:3129", c.no_proxy};
    auto got = e.For(c.scheme, c.host, c.port);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(*got ? (*got)->host : "", c.want ? c.want : "") << c.no_proxy << " " << c.host;
  }
}

TEST(ProxyEnvironment, PrefersUpperCaseNames) {
  auto e = ProxyEnvironment::From([](const char* name) {
    std::string n = name;
    return n == "HTTP_PROXY" ? "a" : n == "http_proxy" ? "b" : n == "https_proxy" ? "c" : "";
  });
  EXPECT_EQ(e.http, "a");
  EXPECT_EQ(e.https, "c");
  EXPECT_FALSE(ProxyEnvironment().For("http", "x.example", 80)->has_value());
}

TEST(ParseProxy, TakesSchemesAndLogins) {
  auto p = ParseProxy("ada:s%40cret@proxy.example:8080");
  ASSERT_TRUE(p);
  EXPECT_EQ(p->scheme, "http");
  EXPECT_EQ(p->port, 8080);
  EXPECT_EQ(ProxyAuthorization(*p), "Basic YWRhOnNAY3JldA==");
  EXPECT_EQ(ParseProxy("socks5://proxy.example")->port, 1080);
  EXPECT_EQ(ParseProxy("socks5h://proxy.example:80")->port, 80);
  EXPECT_EQ(ProxyAuthorization(*ParseProxy("proxy.example")), "");
  for (auto* bad : {"ftp://proxy.example", "http://", "http://x:port"}) EXPECT_FALSE(ParseProxy(bad)) << bad;
}

}  // namespace
}  // namespace naru::net
