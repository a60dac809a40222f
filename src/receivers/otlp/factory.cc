#include "receivers/otlp/factory.h"

#include "receivers/otlp/config.h"
#include "receivers/otlp/otlp_receiver.h"

namespace naru::receivers::otlp {

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kReceiver;
  f->type = "otlp";
  f->module = "go.opentelemetry.io/collector/receiver/otlpreceiver v0.155.0";
  f->summary = "takes OTLP over gRPC and HTTP";
  f->stability = {.traces = "stable", .metrics = "stable", .logs = "stable", .profiles = "development"};
  f->receiver = [](const Config& c, pipeline::ReceiverContext ctx) -> Result<std::unique_ptr<pipeline::Receiver>> {
    return std::unique_ptr<pipeline::Receiver>(std::make_unique<OtlpReceiver>(c, std::move(ctx)));
  };
  return f;
}

}  // namespace naru::receivers::otlp
