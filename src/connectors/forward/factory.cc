#include "connectors/forward/factory.h"

namespace naru::connectors::forward {
namespace {

struct Config {
  static void Describe(conf::Struct<Config>&) {}
};

class Forward final : public pipeline::Connector {
 public:
  explicit Forward(const pipeline::ConnectorContext& c)
      : next_(c.next),
        sent_(c.host->ledger().Open({"connector", c.id, std::string(otlp::Names(c.from).name), "", ""},
                                    pipeline::Entry::kSent)) {}
  void Consume(pipeline::Batch&& batch) override {
    sent_.Add(static_cast<int64_t>(batch.items()));
    next_->Consume(std::move(batch));
  }

 private:
  pipeline::Consumer* next_;
  pipeline::Counter sent_;
};

}  // namespace

std::unique_ptr<pipeline::Factory> NewFactory() {
  using pipeline::Signal;
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kConnector;
  f->type = "forward";
  f->module = "go.opentelemetry.io/collector/connector/forwardconnector v0.155.0";
  f->summary = "joins pipelines of the same signal";
  f->stability.pairs = {{Signal::kTraces, Signal::kTraces},
                        {Signal::kMetrics, Signal::kMetrics},
                        {Signal::kLogs, Signal::kLogs},
                        {Signal::kProfiles, Signal::kProfiles}};
  f->connector = [](const Config&, pipeline::ConnectorContext c) -> Result<std::unique_ptr<pipeline::Connector>> {
    return std::unique_ptr<pipeline::Connector>(std::make_unique<Forward>(c));
  };
  return f;
}

}  // namespace naru::connectors::forward
