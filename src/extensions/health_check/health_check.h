// The health_check extension: one page that says 200 while pipelines run and 503 else.
#pragma once

#include <atomic>
#include <memory>

#include "pipeline/component.h"
#include "pipeline/config/page_server.h"

namespace naru::extensions::health_check {

struct ResponseBody {
  std::string healthy, unhealthy;
  static void Describe(conf::Struct<ResponseBody>& s) {
    s.Field("healthy", &ResponseBody::healthy, "body of the 200 answer");
    s.Field("unhealthy", &ResponseBody::unhealthy, "body of the 503 answer");
  }
};

struct Config {
  pipeline::HttpServerConfig server;
  std::string path = "/";
  conf::Optional<ResponseBody> response_body;
  Config() { server.endpoint = "localhost:13133"; }
  static void Describe(conf::Struct<Config>& s) {
    s.Squash(&Config::server);
    s.Field("path", &Config::path, "path of the page");
    s.Field("response_body", &Config::response_body, "fixed bodies instead of the JSON status");
    s.Ignored("check_collector_pipeline", "documented as broken in the reference; accepted, does nothing");
  }
  void Validate(conf::Issues& issues) const {
    if (path.empty() || path[0] != '/') issues.Add("path", "path must start with /");
  }
};

class HealthCheck final : public pipeline::Extension {
 public:
  HealthCheck(const Config& config, pipeline::ExtensionContext context);
  Status Start(pipeline::Host& host) override;
  void Shutdown(MonoTime deadline, std::function<void()> done) override { server_.Shutdown(deadline, std::move(done)); }
  void OnReady() override;
  void OnNotReady() override { ready_ = false; }

 private:
  pipeline::PageAnswer Answer(const net::RequestHead& head, Clock& clock) const;

  Config config_;
  pipeline::ExtensionContext context_;
  pipeline::Host* host_ = nullptr;
  std::atomic<bool> ready_{false};
  std::atomic<uint64_t> up_since_{0};  // ns since the epoch
  pipeline::PageServer server_;
};

}  // namespace naru::extensions::health_check
