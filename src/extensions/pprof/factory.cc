#include "extensions/pprof/factory.h"

#include "extensions/pprof/pprof.h"

namespace naru::extensions::pprof {

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kExtension;
  f->type = "pprof";
  f->module = "github.com/open-telemetry/opentelemetry-collector-contrib/extension/pprofextension v0.155.0";
  f->summary = "shows where naru spends CPU time and memory, to Go's pprof";
  f->stability.extension = "beta";
  f->extension = [](const Config& c, pipeline::ExtensionContext ctx) -> Result<std::unique_ptr<pipeline::Extension>> {
    return std::unique_ptr<pipeline::Extension>(std::make_unique<Pprof>(c, std::move(ctx)));
  };
  return f;
}

}  // namespace naru::extensions::pprof
