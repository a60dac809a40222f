#include "extensions/health_check/factory.h"

#include "extensions/health_check/health_check.h"
#include "extensions/health_check/health_check_v2.h"

namespace naru::extensions::health_check {

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kExtension;
  f->type = "health_check";
  f->module = "github.com/open-telemetry/opentelemetry-collector-contrib/extension/healthcheckextension v0.155.0";
  f->summary = "answers whether the collector is up, for probes";
  f->stability.extension = "alpha";
  f->extension = [](const Config& c, pipeline::ExtensionContext ctx) -> Result<std::unique_ptr<pipeline::Extension>> {
    if (c.use_v2) return std::unique_ptr<pipeline::Extension>(std::make_unique<HealthCheckV2>(c, std::move(ctx)));
    return std::unique_ptr<pipeline::Extension>(std::make_unique<HealthCheck>(c, std::move(ctx)));
  };
  return f;
}

}  // namespace naru::extensions::health_check
