#include "extensions/memory_limiter/factory.h"

#include "pipeline/config/memory_limits.h"

namespace naru::extensions::memory_limiter {
namespace {

using Config = pipeline::MemoryLimitsConfig;

// The gate of the process refuses requests before they are read; this gives it its limits.
class MemoryLimiter final : public pipeline::Extension {
 public:
  MemoryLimiter(const Config& config, pipeline::ExtensionContext context)
      : config_(config), context_(std::move(context)) {}
  Status Start(pipeline::Host& host) override {
    limits_ = pipeline::LimitMemory(host, config_, context_.log);
    return {};
  }
  bool limits_servers() const override { return true; }

 private:
  Config config_;
  pipeline::ExtensionContext context_;
  std::shared_ptr<void> limits_;
};

}  // namespace

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kExtension;
  f->type = "memory_limiter";
  f->module = "go.opentelemetry.io/collector/extension/memorylimiterextension v0.155.0";
  f->summary = "refuses requests when memory is short, before they are read";
  f->stability.extension = "development";
  f->extension = [](const Config& c, pipeline::ExtensionContext ctx) -> Result<std::unique_ptr<pipeline::Extension>> {
    return std::unique_ptr<pipeline::Extension>(std::make_unique<MemoryLimiter>(c, std::move(ctx)));
  };
  return f;
}

}  // namespace naru::extensions::memory_limiter
