#include "receivers/nop/factory.h"

namespace naru::receivers::nop {
namespace {

struct Config {
  static void Describe(conf::Struct<Config>&) {}
};
class NopReceiver final : public pipeline::Receiver {};

}  // namespace

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kReceiver;
  f->type = "nop";
  f->module = "go.opentelemetry.io/collector/receiver/nopreceiver v0.155.0";
  f->summary = "receives nothing";
  f->stability = {.traces = "beta", .metrics = "beta", .logs = "beta", .profiles = "alpha"};
  f->receiver = [](const Config&, pipeline::ReceiverContext) -> Result<std::unique_ptr<pipeline::Receiver>> {
    return std::unique_ptr<pipeline::Receiver>(std::make_unique<NopReceiver>());
  };
  return f;
}

}  // namespace naru::receivers::nop
