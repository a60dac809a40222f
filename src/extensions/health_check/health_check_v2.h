// The second form of health_check: states of components over HTTP and gRPC.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "extensions/health_check/config.h"
#include "net/http_server.h"
#include "pipeline/component.h"
#include "pipeline/config/page_server.h"

namespace naru::extensions::health_check {

class HealthCheckV2 final : public pipeline::Extension, public net::Service {
 public:
  HealthCheckV2(const Config& config, pipeline::ExtensionContext context);
  Status Start(pipeline::Host& host) override;
  void Shutdown(MonoTime deadline, std::function<void()> done) override;
  /// gRPC requests.
  std::shared_ptr<net::RequestHandler> OnRequest(const net::RequestHead& head, net::ServerCall& call) override;

 private:
  class Call;
  pipeline::PageAnswer Page(const net::RequestHead& head, Clock& clock) const;
  /// SERVING (1) or NOT_SERVING (2); nothing for a service that is not known.
  std::optional<int> Serving(const std::string& service, Clock& clock) const;
  void AddWatcher(const std::shared_ptr<Call>& call);
  void EndWatchers();

  Config config_;
  pipeline::ExtensionContext context_;
  std::unique_ptr<pipeline::PageServer> pages_;
  std::unique_ptr<net::HttpServer> grpc_;
  std::unique_ptr<net::Listener> grpc_listener_;
  pipeline::ServerAuth* grpc_auth_ = nullptr;
  std::mutex mutex_;                           // guards these
  std::vector<std::weak_ptr<Call>> watchers_;  // bounded by the streams that the server allows
  bool closing_ = false;
};

}  // namespace naru::extensions::health_check
