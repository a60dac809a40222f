#include "exporters/debug/factory.h"

#include "exporters/debug/config.h"
#include "exporters/debug/debug_exporter.h"
#include "pipeline/exporter_engine.h"

namespace naru::exporters::debug {

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kExporter;
  f->type = "debug";
  f->old_names = {"logging"};
  f->module = "go.opentelemetry.io/collector/exporter/debugexporter v0.155.0";
  f->summary = "prints telemetry";
  f->stability = {.traces = "alpha", .metrics = "alpha", .logs = "alpha", .profiles = "alpha"};
  f->exporter = [](const Config& c, pipeline::ExporterContext ctx) -> Result<std::unique_ptr<pipeline::Exporter>> {
    if (!c.queue) return std::unique_ptr<pipeline::Exporter>(std::make_unique<DebugExporter>(c, ctx));
    auto printer = std::make_shared<Printer>(c, ctx.signal, ctx.log);
    pipeline::EngineOptions o{{}, c.queue, 0, {}, [printer](pipeline::Host&) { return printer->Open(); }};
    return std::unique_ptr<pipeline::Exporter>(
        std::make_unique<pipeline::ExporterEngine>(std::move(ctx), std::move(o), [printer](net::Loop&) {
          return std::unique_ptr<pipeline::Sender>(std::make_unique<PrintingSender>(printer));
        }));
  };
  return f;
}

}  // namespace naru::exporters::debug
