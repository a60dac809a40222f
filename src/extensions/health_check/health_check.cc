#include "extensions/health_check/health_check.h"

#include <ctime>

#include "conf/scalar.h"

namespace naru::extensions::health_check {

HealthCheck::HealthCheck(const Config& config, pipeline::ExtensionContext context)
    : config_(config),
      context_(std::move(context)),
      server_(config.server, [this](auto& head, Clock& clock) { return Answer(head, clock); }) {}

Status HealthCheck::Start(pipeline::Host& host) {
  if (auto s = server_.Start(host, context_.log); !s) return s;
  context_.log.Info("Starting health_check extension", {{"endpoint", server_.address()}, {"path", config_.path}});
  return {};
}

void HealthCheck::OnReady() {
  if (!ready_.exchange(true)) up_since_ = context_.host->control_loop().clock().UnixNano();
  context_.log.Info("Health Check state change", {{"status", "ready"}});
}

pipeline::PageAnswer HealthCheck::Answer(const net::RequestHead& head, Clock& clock) const {
  if (head.path != config_.path) return {404, "text/plain; charset=utf-8", "404 page not found\n"};
  bool ready = ready_;
  int status = ready ? 200 : 503;
  if (config_.response_body) {
    return {status, "text/plain; charset=utf-8",
            ready ? config_.response_body->healthy : config_.response_body->unhealthy};
  }
  uint64_t since = up_since_, now = clock.UnixNano();
  auto s = static_cast<time_t>(since / 1'000'000'000);
  tm t{};
  gmtime_r(&s, &t);
  std::string when = since ? fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", t.tm_year + 1900, t.tm_mon + 1,
                                         t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, since % 1'000'000'000)
                           : "0001-01-01T00:00:00Z";
  return {status, "application/json",
          fmt::format("{{\"status\":\"{}\",\"upSince\":\"{}\",\"uptime\":\"{}\"}}",
                      ready ? "Server available" : "Server not available", when,
                      ready && now > since ? conf::FormatDuration(Duration(static_cast<int64_t>(now - since))) : "")};
}

}  // namespace naru::extensions::health_check
