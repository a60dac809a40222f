// Own metrics under the reference's names: made from the ledger and the registry, served as a Prometheus page.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "collector/log_output.h"
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
  std::shared_ptr<const IncludeExclude> resource_labels;  // on every series; null: none
};

/// Every family of own metrics at this moment: registry, ledger and process. `window`: see Metrics::Collect.
std::vector<pipeline::Metrics::Family> CollectSelf(pipeline::Host& host, uint64_t start_unix_nano,
                                                   pipeline::MetricLevel level, const size_t* window = nullptr);
/// Prometheus text format 0.0.4.
std::string RenderPage(const std::vector<pipeline::Metrics::Family>& families, const PageStyle& style,
                       const pipeline::Attributes& resource);

/// Collects, and serves the page of each pull reader. Control loop only, but for OnRequest and Collect.
class SelfMetrics final : public net::Service {
 public:
  explicit SelfMetrics(pipeline::Host& host);
  ~SelfMetrics() override;
  /// Serves what `config` asks for in the place of what was served. On an error nothing has changed. `lines` is where
  /// own log lines are counted; may be null.
  Status Serve(const MetricsTelemetryConfig& config, pipeline::Attributes resource,
               std::shared_ptr<const LogOutput> lines);
  void Shutdown(MonoTime deadline, std::function<void()> done);
  std::shared_ptr<net::RequestHandler> OnRequest(const net::RequestHead& head, net::ServerCall& call) override;

  /// What the readers see at this moment: at the level, through the views.
  std::vector<pipeline::Metrics::Family> Collect(const size_t* window = nullptr) const;
  /// When the process began to count; ns since the epoch.
  uint64_t start() const { return start_; }

 private:
  struct Settings {
    pipeline::MetricLevel level = pipeline::MetricLevel::kNormal;
    std::vector<ViewConfig> views;
    pipeline::Attributes resource;
    std::shared_ptr<const LogOutput> lines;
    std::vector<std::pair<uint16_t, PageStyle>> styles;  // by port
  };
  std::shared_ptr<const Settings> settings() const;

  pipeline::Host& host_;
  uint64_t start_;
  mutable std::mutex mutex_;  // guards settings_
  std::shared_ptr<const Settings> settings_ = std::make_shared<Settings>();
  struct Page {
    std::string address;
    std::unique_ptr<net::Listener> listener;
  };
  std::vector<Page> pages_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace naru::collector
