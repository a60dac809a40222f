#include "extensions/health_check/health_check.h"

#include <ctime>

#include "conf/scalar.h"
#include "pipeline/config/listener.h"

namespace naru::extensions::health_check {

Status HealthCheck::Start(pipeline::Host& host) {
  host_ = &host;
  server_ = std::make_unique<net::HttpServer>(host.loops(), config_.server.Options(), *this, host.gate().budget());
  auto listener = pipeline::Listen(
      host, pipeline::ListenerSettings::Of(config_.server), {"http/1.1"},
      [this](net::Loop& loop, std::unique_ptr<net::Stream> s) { server_->Accept(loop, std::move(s)); });
  if (!listener) return tl::unexpected(listener.error());
  listener_ = std::move(*listener);
  context_.log.Info("Starting health_check extension",
                    {{"endpoint", listener_->local().ToString()}, {"path", config_.path}});
  return {};
}

void HealthCheck::Shutdown(MonoTime deadline, std::function<void()> done) {
  listener_.reset();
  if (!server_) return done();
  server_->Shutdown(deadline, std::move(done));
}

void HealthCheck::OnReady() {
  if (!ready_.exchange(true)) up_since_ = host_->control_loop().clock().UnixNano();
  context_.log.Info("Health Check state change", {{"status", "ready"}});
}

std::shared_ptr<net::RequestHandler> HealthCheck::OnRequest(const net::RequestHead& head, net::ServerCall& call) {
  if (head.path != config_.path) {
    call.Respond(404, {{"content-type", "text/plain; charset=utf-8"}}, Slice::Static("404 page not found\n"));
    return nullptr;
  }
  bool ready = ready_;
  std::vector<net::Header> headers;
  std::string body;
  if (config_.response_body) {
    headers.push_back({"content-type", "text/plain; charset=utf-8"});
    body = ready ? config_.response_body->healthy : config_.response_body->unhealthy;
  } else {
    headers.push_back({"content-type", "application/json"});
    uint64_t since = up_since_, now = host_->control_loop().clock().UnixNano();
    auto s = static_cast<time_t>(since / 1'000'000'000);
    tm t{};
    gmtime_r(&s, &t);
    std::string when = since ? fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", t.tm_year + 1900, t.tm_mon + 1,
                                           t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, since % 1'000'000'000)
                             : "0001-01-01T00:00:00Z";
    body = fmt::format("{{\"status\":\"{}\",\"upSince\":\"{}\",\"uptime\":\"{}\"}}",
                       ready ? "Server available" : "Server not available", when,
                       ready && now > since ? conf::FormatDuration(Duration(static_cast<int64_t>(now - since))) : "");
  }
  for (auto& [k, v] : config_.server.response_headers.entries) headers.push_back({k, v.value()});
  call.Respond(ready ? 200 : 503, headers, Slice::CopyOf(body));
  return nullptr;
}

}  // namespace naru::extensions::health_check
