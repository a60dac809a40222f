#include "exporters/loki/factory.h"

#include "exporters/loki/config.h"
#include "exporters/loki/loki_sender.h"
#include "net/http_client.h"
#include "pipeline/config/client.h"
#include "pipeline/exporter_engine.h"

namespace naru::exporters::loki {

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
  f->type = "loki";
  f->module = "github.com/open-telemetry/opentelemetry-collector-contrib/exporter/lokiexporter v0.130.1";
  f->summary = "pushes logs to Grafana Loki";
  f->stability = {.logs = "deprecated"};
  f->exporter = [](const Config& c, pipeline::ExporterContext ctx) -> Result<std::unique_ptr<pipeline::Exporter>> {
    // The sender cuts what it translates by itself, whatever the size of the batch.
    pipeline::EngineOptions o{c.retry, c.queue, 0, Destination(c),
                              [client = c.client, log = ctx.log](pipeline::Host& host) {
                                log.Info(
                                    "The reference has removed this exporter. Loki 3 takes OTLP itself: see "
                                    "otlp_http with the endpoint http://LOKI:3100/otlp");
                                return pipeline::CheckClient(host, client);
                              }};
    auto context = std::make_shared<const pipeline::ExporterContext>(ctx);
    return std::unique_ptr<pipeline::Exporter>(std::make_unique<pipeline::ExporterEngine>(
        std::move(ctx), std::move(o), [c, context](net::Loop& loop) { return NewLokiSender(c, *context, loop); }));
  };
  return f;
}

}  // namespace naru::exporters::loki
