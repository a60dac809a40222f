#include "exporters/nop/factory.h"

namespace naru::exporters::nop {
namespace {

struct Config {
  static void Describe(conf::Struct<Config>&) {}
};

class NopExporter final : public pipeline::Exporter {
 public:
  explicit NopExporter(const pipeline::ExporterContext& c)
      : sent_(c.host->ledger().Open({"exporter", c.id, std::string(otlp::Names(c.signal).name), "", ""},
                                    pipeline::Entry::kSent)) {}
  void Consume(pipeline::Batch&& batch) override {
    sent_.Add(static_cast<int64_t>(batch.items()));
    batch.Delivered();
  }

 private:
  pipeline::Counter sent_;
};

}  // namespace

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kExporter;
  f->type = "nop";
  f->module = "go.opentelemetry.io/collector/exporter/nopexporter v0.155.0";
  f->summary = "takes everything and does nothing with it";
  f->stability = {.traces = "beta", .metrics = "beta", .logs = "beta", .profiles = "alpha"};
  f->exporter = [](const Config&, pipeline::ExporterContext c) -> Result<std::unique_ptr<pipeline::Exporter>> {
    return std::unique_ptr<pipeline::Exporter>(std::make_unique<NopExporter>(c));
  };
  return f;
}

}  // namespace naru::exporters::nop
