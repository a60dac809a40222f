#include "extensions/zpages/factory.h"

#include "extensions/zpages/zpages.h"

namespace naru::extensions::zpages {

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kExtension;
  f->type = "zpages";
  f->module = "go.opentelemetry.io/collector/extension/zpagesextension v0.155.0";
  f->summary = "pages about what runs: pipelines, extensions, feature gates, recent spans of its own";
  f->stability.extension = "beta";
  f->extension = [](const Config& c, pipeline::ExtensionContext ctx) -> Result<std::unique_ptr<pipeline::Extension>> {
    return std::unique_ptr<pipeline::Extension>(std::make_unique<ZPages>(c, std::move(ctx)));
  };
  return f;
}

}  // namespace naru::extensions::zpages
