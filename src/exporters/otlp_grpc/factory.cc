#include "exporters/otlp_grpc/factory.h"

#include "exporters/otlp_grpc/config.h"
#include "exporters/otlp_grpc/grpc_sender.h"
#include "pipeline/config/client.h"
#include "pipeline/exporter_engine.h"

namespace naru::exporters::otlp_grpc {

namespace {

// What gRPC servers take of a message by default, the reference's receiver too.
constexpr uint64_t kMaxRequest = 4 << 20;

}  // namespace

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kExporter;
  f->type = "otlp_grpc";
  f->old_names = {"otlp"};
  f->module = "go.opentelemetry.io/collector/exporter/otlpexporter v0.155.0";
  f->summary = "sends OTLP over gRPC";
  f->stability = {.traces = "stable", .metrics = "stable", .logs = "stable", .profiles = "alpha"};
  f->exporter = [](const Config& c, pipeline::ExporterContext ctx) -> Result<std::unique_ptr<pipeline::Exporter>> {
    pipeline::EngineOptions o{
        c.retry, c.queue, kMaxRequest, pipeline::Destination(*pipeline::GrpcTarget::Parse(c.client.endpoint)),
        [client = c.client](pipeline::Host& host) { return pipeline::CheckClient(host, client); }};
    auto context = std::make_shared<const pipeline::ExporterContext>(ctx);
    return std::unique_ptr<pipeline::Exporter>(std::make_unique<pipeline::ExporterEngine>(
        std::move(ctx), std::move(o), [c, context](net::Loop& loop) { return NewGrpcSender(c, *context, loop); }));
  };
  return f;
}

}  // namespace naru::exporters::otlp_grpc
