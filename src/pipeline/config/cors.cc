#include "pipeline/config/cors.h"

#include <algorithm>

namespace naru::pipeline {
namespace {

// "*" matches any run of characters.
bool Glob(std::string_view pattern, std::string_view text) {
  size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  if (text.substr(0, star) != pattern.substr(0, star)) return false;
  std::string_view rest = pattern.substr(star + 1);
  for (size_t i = star; i <= text.size(); ++i) {
    if (Glob(rest, text.substr(i))) return true;
  }
  return false;
}

std::string Lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return out;
}

}  // namespace

bool Cors::Allows(std::string_view origin) const {
  if (!config_ || origin.empty()) return false;
  return std::any_of(config_->allowed_origins.begin(), config_->allowed_origins.end(),
                     [&](auto& p) { return Glob(Lower(p), Lower(origin)); });
}

bool Cors::Preflight(const net::RequestHead& head, net::ServerCall& call, std::string_view origin) const {
  std::string_view method = head.headers.Get("access-control-request-method");
  if (!config_ || head.method != "OPTIONS" || method.empty()) return false;
  std::vector<net::Header> headers = {
      {"vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}};
  std::string max_age = std::to_string(config_->max_age);
  bool all = std::find(config_->allowed_headers.begin(), config_->allowed_headers.end(), "*") !=
             config_->allowed_headers.end();
  std::string wanted = Lower(head.headers.Get("access-control-request-headers"));
  // Those that the reference grants; a simple request of a page is one of them.
  static constexpr std::string_view kMethods[] = {"GET", "POST", "HEAD", "OPTIONS"};
  bool ok = Allows(origin) && std::find(std::begin(kMethods), std::end(kMethods), method) != std::end(kMethods);
  std::string_view rest = wanted;
  while (ok && !all && !rest.empty()) {
    std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), item.size() + 1));
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    static constexpr std::string_view kSafe[] = {"accept", "content-type", "x-requested-with", "origin"};
    bool known = std::find(std::begin(kSafe), std::end(kSafe), item) != std::end(kSafe) ||
                 std::any_of(config_->allowed_headers.begin(), config_->allowed_headers.end(),
                             [&](auto& h) { return Lower(h) == item; });
    if (!known) ok = false;
  }
  if (ok) {
    headers.push_back({"access-control-allow-origin", origin});
    headers.push_back({"access-control-allow-methods", method});
    headers.push_back({"access-control-allow-credentials", "true"});
    if (!wanted.empty()) headers.push_back({"access-control-allow-headers", wanted});
    if (config_->max_age) headers.push_back({"access-control-max-age", max_age});
  }
  call.Respond(204, headers, Slice());
  return true;
}

void Cors::AddHeaders(std::vector<net::Header>& headers, std::string_view origin) const {
  if (!config_) return;
  headers.push_back({"vary", "Origin"});  // also where no origin is allowed: a cache must not give it to another one
  if (!Allows(origin)) return;
  headers.push_back({"access-control-allow-origin", origin});
  headers.push_back({"access-control-allow-credentials", "true"});
  for (auto& h : config_->exposed_headers) headers.push_back({"access-control-expose-headers", h});
}

}  // namespace naru::pipeline
