#include "net/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <charconv>
#include <cstddef>
#include <cstring>

#include <fmt/core.h>

namespace naru::net {

std::string Address::ToString() const {
  switch (kind) {
    case Kind::kIpv4:
      return fmt::format("{}:{}", host, port);
    case Kind::kIpv6:
      return fmt::format("[{}]:{}", host, port);
    case Kind::kUnix:
      return "unix://" + host;
  }
  return host;
}

bool Address::IsLoopback() const {
  if (kind == Kind::kUnix) return true;
  return kind == Kind::kIpv4 ? host.rfind("127.", 0) == 0 : host == "::1";
}

bool Address::IsUnspecified() const {
  return kind != Kind::kUnix && (host == "0.0.0.0" || host == "::");
}

Result<Address> Address::Parse(std::string_view text) {
  Address a;
  if (text.rfind("unix:", 0) == 0) {
    text.remove_prefix(5);
    if (text.rfind("//", 0) == 0) text.remove_prefix(2);
    if (text.empty() || text.size() >= sizeof(sockaddr_un::sun_path))
      return Fail(Code::kInvalidArgument, "the path of a unix socket has 1 to 107 bytes");
    a.kind = Kind::kUnix;
    a.host = text;
    return a;
  }
  size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Fail(Code::kInvalidArgument, "address {}: missing port in address", text);
  std::string_view host = text.substr(0, colon), port = text.substr(colon + 1);
  unsigned value = 0;
  auto [end, err] = std::from_chars(port.data(), port.data() + port.size(), value);
  if (err != std::errc() || end != port.data() + port.size() || value > 65535) {
    return Fail(Code::kInvalidArgument, "address {}: invalid port \"{}\"", text, port);
  }
  a.port = static_cast<uint16_t>(value);
  if (host.empty()) {
    a.kind = Kind::kIpv6;
    a.host = "::";
    return a;
  }
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  std::string h(host);
  in6_addr v6{};
  in_addr v4{};
  if (inet_pton(AF_INET, h.c_str(), &v4) == 1) {
    a.kind = Kind::kIpv4;
  } else if (inet_pton(AF_INET6, h.substr(0, h.find('%')).c_str(), &v6) == 1) {
    a.kind = Kind::kIpv6;
  } else {
    return Fail(Code::kInvalidArgument, "\"{}\" is no numeric address", h);
  }
  a.host = std::move(h);
  return a;
}

int ToSockaddr(const Address& address, sockaddr_storage& out, socklen_t& size) {
  std::memset(&out, 0, sizeof out);
  switch (address.kind) {
    case Address::Kind::kIpv4: {
      auto* s = reinterpret_cast<sockaddr_in*>(&out);
      s->sin_family = AF_INET;
      s->sin_port = htons(address.port);
      size = sizeof *s;
      return inet_pton(AF_INET, address.host.c_str(), &s->sin_addr) == 1 ? AF_INET : -1;
    }
    case Address::Kind::kIpv6: {
      auto* s = reinterpret_cast<sockaddr_in6*>(&out);
      s->sin6_family = AF_INET6;
      s->sin6_port = htons(address.port);
      size = sizeof *s;
      return inet_pton(AF_INET6, address.host.c_str(), &s->sin6_addr) == 1 ? AF_INET6 : -1;
    }
    case Address::Kind::kUnix: {
      auto* s = reinterpret_cast<sockaddr_un*>(&out);
      if (address.host.empty() || address.host.size() >= sizeof s->sun_path) return -1;
      s->sun_family = AF_UNIX;
      std::memcpy(s->sun_path, address.host.data(), address.host.size());
      size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.host.size() + 1);
      if (address.host[0] == '@') {
        s->sun_path[0] = '\0';
        --size;
      }
      return AF_UNIX;
    }
  }
  return -1;
}

Address FromSockaddr(const sockaddr_storage& s, socklen_t size) {
  Address a;
  char text[INET6_ADDRSTRLEN] = {};
  if (s.ss_family == AF_INET) {
    auto* v4 = reinterpret_cast<const sockaddr_in*>(&s);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    a.kind = Address::Kind::kIpv4;
    a.host = text;
    a.port = ntohs(v4->sin_port);
  } else if (s.ss_family == AF_INET6) {
    auto* v6 = reinterpret_cast<const sockaddr_in6*>(&s);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
      inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, sizeof text);
      a.kind = Address::Kind::kIpv4;
    } else {
      inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
      a.kind = Address::Kind::kIpv6;
    }
    a.host = text;
    a.port = ntohs(v6->sin6_port);
  } else {
    auto* u = reinterpret_cast<const sockaddr_un*>(&s);
    a.kind = Address::Kind::kUnix;
    if (size > offsetof(sockaddr_un, sun_path)) {
      a.host.assign(u->sun_path, size - offsetof(sockaddr_un, sun_path));
      if (!a.host.empty() && a.host[0] == '\0') {
        a.host[0] = '@';
      } else {
        a.host = a.host.c_str();
      }
    }
  }
  return a;
}

}  // namespace naru::net
