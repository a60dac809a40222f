// Own metrics under the reference's names: made from the ledger and the registry, served as a Prometheus page.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "collector/telemetry_config.h"
#include "net/http_server.h"
#include "pipeline/component.h"
#include "pipeline/metrics.h"

namespace naru::collector {

/// How names are written on the page.
struct PageStyle {
  bool without_type_suffix = true;
  bool without_units = true;
  bool without_scope_info = true;
};

/// Every family of own metrics at this moment: registry, ledger and process.
std::vector<pipeline::Metrics::Family> CollectSelf(pipeline::Host& host, uint64_t start_unix_nano,
                                                   pipeline::MetricLevel level);
/// Prometheus text format 0.0.4.
std::string RenderPage(const std::vector<pipeline::Metrics::Family>& families, const PageStyle& style,
                       const pipeline::Attributes& resource);

/// Serves the page of each pull reader. Control loop only.
class SelfMetrics final : public net::Service {
 public:
  SelfMetrics(pipeline::Host& host, pipeline::Attributes resource);
  ~SelfMetrics() override;
  Status Start(const MetricsTelemetryConfig& config);
  void Shutdown(MonoTime deadline, std::function<void()> done);
  std::shared_ptr<net::RequestHandler> OnRequest(const net::RequestHead& head, net::ServerCall& call) override;

 private:
  pipeline::Host& host_;
  pipeline::Attributes resource_;
  uint64_t start_;
  pipeline::MetricLevel level_ = pipeline::MetricLevel::kNormal;
  struct Page {
    uint16_t port = 0;
    PageStyle style;
    std::unique_ptr<net::Listener> listener;
  };
  std::vector<Page> pages_;
  PageStyle style_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace naru::collector
