// Cookies that one server gave to one client (RFC 6265, for a single origin: no domains).
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace naru::net {

/// Not thread-safe. At most 50 cookies of 4 KiB; further ones are not kept.
class CookieJar {
 public:
  /// The value of a Set-Cookie header. `unix_now`: seconds.
  void Take(std::string_view set_cookie, bool secure, uint64_t unix_now);
  /// The value of the Cookie header for a path; empty when there is none to send.
  std::string For(std::string_view path, bool secure, uint64_t unix_now);
  bool empty() const { return cookies_.empty(); }

 private:
  struct Cookie {
    std::string value, path;
    uint64_t expires = UINT64_MAX;
    bool secure = false;
  };
  std::map<std::string, Cookie> cookies_;
};

}  // namespace naru::net
