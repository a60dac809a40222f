#include "exporters/file/factory.h"

#include "exporters/file/config.h"
#include "exporters/file/file_exporter.h"

namespace naru::exporters::file {

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kExporter;
  f->type = "file";
  f->module = "github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter v0.155.0";
  f->summary = "writes telemetry to files";
  f->stability = {.traces = "alpha", .metrics = "alpha", .logs = "alpha", .profiles = "development"};
  f->exporter = [](const Config& c, pipeline::ExporterContext ctx) -> Result<std::unique_ptr<pipeline::Exporter>> {
    return std::unique_ptr<pipeline::Exporter>(std::make_unique<FileExporter>(c, std::move(ctx)));
  };
  return f;
}

}  // namespace naru::exporters::file
