#include "exporters/prometheus_remote_write/factory.h"

#include "exporters/prometheus_remote_write/config.h"
#include "exporters/prometheus_remote_write/write_sender.h"
#include "net/http_client.h"
#include "pipeline/config/client.h"
#include "pipeline/exporter_engine.h"

namespace naru::exporters::prometheus_remote_write {
namespace {

pipeline::Attributes Destination(const Config& c) {
  auto url = net::Url::Parse(c.client.endpoint);
  if (!url) return {};
  return {{"server.address", url->host}, {"server.port", std::to_string(url->port)}, {"url.path", url->path}};
}

pipeline::EngineOptions Options(const Config& c) {
  pipeline::EngineOptions o;
  o.retry = c.retry;
  // One consumer: Prometheus refuses samples that are older than the newest of their series.
  pipeline::QueueConfig queue;
  queue.num_consumers = 1;
  queue.queue_size = c.remote_write_queue.queue_size;
  if (c.remote_write_queue.enabled || c.wal) {
    o.queue = conf::Optional<pipeline::QueueConfig>(queue);
  } else {
    o.queue = conf::Optional<pipeline::QueueConfig>();
  }
  if (c.wal) o.folder = c.wal->directory + "/prom_remotewrite";
  o.destination = Destination(c);
  o.check = [client = c.client](pipeline::Host& host) { return pipeline::CheckClient(host, client); };
  return o;
}

}  // namespace

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kExporter;
  f->type = "prometheus_remote_write";
  f->old_names = {"prometheusremotewrite"};
  f->module =
      "github.com/open-telemetry/opentelemetry-collector-contrib/exporter/prometheusremotewriteexporter v0.155.0";
  f->summary = "writes metrics to Prometheus and what speaks its remote write";
  f->stability = {.metrics = "beta"};
  f->exporter = [](const Config& c, pipeline::ExporterContext ctx) -> Result<std::unique_ptr<pipeline::Exporter>> {
    auto context = std::make_shared<const pipeline::ExporterContext>(ctx);
    return std::unique_ptr<pipeline::Exporter>(std::make_unique<pipeline::ExporterEngine>(
        std::move(ctx), Options(c), [c, context](net::Loop& loop) { return NewWriteSender(c, *context, loop); }));
  };
  return f;
}

}  // namespace naru::exporters::prometheus_remote_write
