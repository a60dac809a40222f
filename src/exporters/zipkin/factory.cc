#include "exporters/zipkin/factory.h"

#include "exporters/zipkin/config.h"
#include "exporters/zipkin/zipkin_sender.h"
#include "net/http_client.h"
#include "pipeline/config/client.h"
#include "pipeline/exporter_engine.h"

namespace naru::exporters::zipkin {

namespace {

pipeline::Attributes Destination(const Config& c) {
  auto url = net::Url::Parse(c.client.endpoint);
  if (!url) return {};
  return {{"server.address", url->host}, {"server.port", std::to_string(url->port)}, {"url.path", url->path}};
}

}  // namespace

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kExporter;
  f->type = "zipkin";
  f->module = "github.com/open-telemetry/opentelemetry-collector-contrib/exporter/zipkinexporter v0.155.0";
  f->summary = "sends spans to Zipkin";
  f->stability = {.traces = "beta"};
  f->exporter = [](const Config& c, pipeline::ExporterContext ctx) -> Result<std::unique_ptr<pipeline::Exporter>> {
    // The sender cuts what it translates by itself, whatever the size of the batch.
    pipeline::EngineOptions o{c.retry, c.queue, 0, Destination(c), [client = c.client](pipeline::Host& host) {
                                return pipeline::CheckClient(host, client);
                              }};
    auto context = std::make_shared<const pipeline::ExporterContext>(ctx);
    return std::unique_ptr<pipeline::Exporter>(std::make_unique<pipeline::ExporterEngine>(
        std::move(ctx), std::move(o), [c, context](net::Loop& loop) { return NewZipkinSender(c, *context, loop); }));
  };
  return f;
}

}  // namespace naru::exporters::zipkin
