// Small texts from outside: URLs, queries, cookies, dates, proxies, addresses.
#include <cstdint>
#include <cstdlib>

#include "net/cookies.h"
#include "net/http_server.h"
#include "net/proxy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace naru::net;
  std::string_view all(reinterpret_cast<const char*>(data), size);
  size_t cut = all.find('\n');
  std::string_view first = all.substr(0, cut), second = cut == std::string_view::npos ? "" : all.substr(cut + 1);
  if (auto url = Url::Parse(first)) {
    // What was understood is the same when it is written and read again.
    auto again = Url::Parse(url->scheme + "://" + url->HostPort() + url->path);
    if (!again || again->host != url->host || again->port != url->port || again->path != url->path) std::abort();
  }
  if (PercentDecode(first).size() > first.size()) std::abort();
  (void)QueryValue(first, second.empty() ? "key" : second);
  (void)GrpcMessageEncode(first);
  if (ParseRetryAfter(first, 1'700'000'000) > std::chrono::hours(24)) std::abort();
  CookieJar jar;
  for (int i = 0; i < 60; ++i) jar.Take(std::string(first) + std::to_string(i) + "=x", i % 2, 1'700'000'000);
  jar.Take(first, true, 1'700'000'000);
  jar.Take(second, false, 1'700'000'000);
  if (jar.For("/v1/traces", true, 1'700'000'001).size() > 60 * 4200) std::abort();
  ProxyEnvironment proxies{std::string(first), std::string(first), std::string(second)};
  (void)proxies.For("http", "backend.example", 4318);
  (void)Address::Parse(first);
  return 0;
}
