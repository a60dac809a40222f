// The health_check extension: one page that says 200 while pipelines run and 503 else; in its second form (use_v2) the
// states of all components, over HTTP and as grpc.health.v1.
#pragma once

#include <atomic>
#include <memory>

#include "extensions/health_check/config.h"
#include "pipeline/component.h"
#include "pipeline/config/page_server.h"

namespace naru::extensions::health_check {

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
  std::atomic<bool> ready_{false};
  std::atomic<uint64_t> up_since_{0};  // ns since the epoch
  pipeline::PageServer server_;
};

}  // namespace naru::extensions::health_check
