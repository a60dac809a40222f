#include "exporters/otlp_http/factory.h"

#include "exporters/otlp_http/config.h"
#include "exporters/otlp_http/http_sender.h"
#include "pipeline/config/client.h"
#include "pipeline/exporter_engine.h"

namespace naru::exporters::otlp_http {

namespace {

// What the reference's receiver takes of a body by default.
constexpr uint64_t kMaxRequest = 20 << 20;

pipeline::Attributes Destination(const Config& c, otlp::Signal signal) {
  auto url = net::Url::Parse(UrlFor(c, signal));
  if (!url) return {};
  return {{"server.address", url->host}, {"server.port", std::to_string(url->port)}, {"url.path", url->path}};
}

}  // namespace

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kExporter;
  f->type = "otlp_http";
  f->old_names = {"otlphttp"};
  f->module = "go.opentelemetry.io/collector/exporter/otlphttpexporter v0.155.0";
  f->summary = "sends OTLP over HTTP";
  f->stability = {.traces = "stable", .metrics = "stable", .logs = "stable", .profiles = "alpha"};
  f->exporter = [](const Config& c, pipeline::ExporterContext ctx) -> Result<std::unique_ptr<pipeline::Exporter>> {
    pipeline::EngineOptions o{
        c.retry, c.queue, kMaxRequest, Destination(c, ctx.signal),
        [client = c.client](pipeline::Host& host) { return pipeline::CheckClient(host, client); }};
    auto context = std::make_shared<const pipeline::ExporterContext>(ctx);
    return std::unique_ptr<pipeline::Exporter>(std::make_unique<pipeline::ExporterEngine>(
        std::move(ctx), std::move(o), [c, context](net::Loop& loop) { return NewHttpSender(c, *context, loop); }));
  };
  return f;
}

}  // namespace naru::exporters::otlp_http
