#include "net/cookies.h"

#include <charconv>
#include <ctime>

namespace naru::net {
namespace {

constexpr size_t kMost = 50, kMostBytes = 4096;

std::string_view Trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}
std::string Lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return out;
}

}  // namespace

void CookieJar::Take(std::string_view text, bool secure, uint64_t unix_now) {
  if (text.size() > kMostBytes) return;
  std::string name;
  Cookie c;
  c.path = "/";
  bool first = true, has_age = false;
  while (!text.empty() || first) {
    size_t semicolon = std::min(text.find(';'), text.size());
    std::string_view part = Trim(text.substr(0, semicolon));
    text.remove_prefix(std::min(semicolon + 1, text.size()));
    size_t equals = part.find('=');
    std::string_view key = Trim(part.substr(0, equals));
    std::string_view value = equals == std::string_view::npos ? std::string_view() : Trim(part.substr(equals + 1));
    if (first) {
      if (equals == std::string_view::npos || key.empty()) return;
      name = key;
      c.value = value;
      first = false;
      continue;
    }
    std::string attribute = Lower(key);
    if (attribute == "path" && !value.empty() && value[0] == '/') {
      c.path = value;
    } else if (attribute == "secure") {
      c.secure = true;
    } else if (attribute == "max-age") {
      int64_t seconds = 0;
      auto [end, err] = std::from_chars(value.data(), value.data() + value.size(), seconds);
      if (err != std::errc() || end != value.data() + value.size()) continue;
      has_age = true;
      c.expires = seconds <= 0 ? 0 : unix_now + static_cast<uint64_t>(seconds);
    } else if (attribute == "expires" && !has_age) {
      std::tm t{};
      std::string date(value);
      const char* rest = strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S", &t);
      if (!rest) rest = strptime(date.c_str(), "%a, %d-%b-%Y %H:%M:%S", &t);
      if (rest) c.expires = static_cast<uint64_t>(std::max<time_t>(timegm(&t), 0));
    }
  }
  if (c.secure && !secure) return;
  std::string key = name + "\n" + c.path;
  if (c.expires <= unix_now) {
    cookies_.erase(key);
  } else if (cookies_.size() < kMost || cookies_.count(key)) {
    cookies_[key] = std::move(c);
  }
}

std::string CookieJar::For(std::string_view path, bool secure, uint64_t unix_now) {
  std::string out;
  path = path.substr(0, path.find('?'));
  for (auto it = cookies_.begin(); it != cookies_.end();) {
    const Cookie& c = it->second;
    if (c.expires <= unix_now) {
      it = cookies_.erase(it);
      continue;
    }
    bool below = path.substr(0, c.path.size()) == c.path &&
                 (path.size() == c.path.size() || c.path.back() == '/' || path[c.path.size()] == '/');
    if (below && (secure || !c.secure)) {
      if (!out.empty()) out += "; ";
      out += it->first.substr(0, it->first.find('\n')) + "=" + c.value;
    }
    ++it;
  }
  return out;
}

}  // namespace naru::net
