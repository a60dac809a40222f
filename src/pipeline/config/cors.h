// Which web pages may send to a server block (Fetch standard, CORS).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/http_server.h"
#include "pipeline/config/server_config.h"

namespace naru::pipeline {

/// Immutable; thread-safe.
class Cors {
 public:
  Cors() = default;
  explicit Cors(const conf::Optional<CorsConfig>& config) : config_(config) {}
  bool on() const { return static_cast<bool>(config_); }
  bool Allows(std::string_view origin) const;
  /// Answers a browser's question whether a page of `origin` may send; false when the request is none.
  bool Preflight(const net::RequestHead& head, net::ServerCall& call, std::string_view origin) const;
  /// Headers of an answer to a page of `origin`. They borrow from `origin` and this.
  void AddHeaders(std::vector<net::Header>& headers, std::string_view origin) const;

 private:
  conf::Optional<CorsConfig> config_;
};

}  // namespace naru::pipeline
