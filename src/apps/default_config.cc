// `naru` without arguments: an embedded configuration that shows what arrives.
#include <cstdio>
#include <cstdlib>

#include "apps/cli.h"
#include "apps/distributions/full.h"
#include "apps/flags.h"
#include "base/version.h"
#include "collector/service.h"
#include "conf/resolve.h"

namespace naru::apps {
namespace {

constexpr const char* kEmbedded = R"(
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "{address}:{grpc}"}}
      http: {{endpoint: "{address}:{http}", cors: {{allowed_origins: ["http://localhost:*", "http://127.0.0.1:*"], allowed_headers: ["*"]}}}}
exporters:
  console: {{}}
{extensions}
service:
  {use}
  telemetry:
    logs: {{level: warn}}
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: "{host}", port: {metrics}}}}}}}}}]}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [console]}}
    metrics: {{receivers: [otlp], exporters: [console]}}
    logs: {{receivers: [otlp], exporters: [console]}}
)";

}  // namespace

int DefaultMain(const std::vector<std::string>& args) {
  std::string host = "127.0.0.1";
  int64_t grpc = 4317, http = 4318, health = 13133, metrics = 8888;
  Flags flags;
  flags.Text("host", "ADDRESS", "interface to listen on (default 127.0.0.1)", &host);
  flags.Number("grpc-port", "port of OTLP/gRPC (default 4317)", &grpc, 1, 65535);
  flags.Number("http-port", "port of OTLP/HTTP (default 4318)", &http, 1, 65535);
  flags.Number("health-port", "port of the health check (default 13133)", &health, 1, 65535);
  flags.Number("metrics-port", "port of naru's own metrics (default 8888)", &metrics, 1, 65535);
  std::vector<std::string> rest;
  bool help = false;
  Status parsed = flags.Parse(args, &rest, &help);
  if (help) {
    std::printf(
        "naru %s: an OpenTelemetry Collector\n\nusage:\n  naru [flags]                     receive on this machine and "
        "show what arrives\n"
        "  naru collector --config FILE     run a collector configuration (naru collector --help)\n"
        "  naru send [flags]                send telemetry (naru send --help)\n  naru sink [flags]                "
        "receive, count and discard (naru sink --help)\n\nflags:\n%s",
        NARU_VERSION, flags.Help().c_str());
    return 0;
  }
  if (parsed && !rest.empty())
    parsed = Fail(Code::kInvalidArgument, "unknown command \"{}\" (collector, send, sink; naru --help)", rest[0]);
  if (!parsed) {
    std::fprintf(stderr, "naru: %s\n", parsed.error().message.c_str());
    return 2;
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  auto in_url = [](const std::string& address) {
    return address.find(':') == std::string::npos ? address : "[" + address + "]";
  };
  // Where programs of this machine reach it: all interfaces are no address to send to.
  std::string near = host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host;
  std::string shown = in_url(near);
  collector::Factories factories = FullDistribution();
  bool have_health = false;
  for (auto& f : factories) have_health = have_health || f->type == "health_check";
  std::string yaml = fmt::format(
      fmt::runtime(kEmbedded), fmt::arg("address", in_url(host)), fmt::arg("host", host), fmt::arg("grpc", grpc),
      fmt::arg("http", http), fmt::arg("metrics", metrics),
      fmt::arg("extensions",
               have_health ? fmt::format("extensions: {{health_check: {{endpoint: \"{}:{}\"}}}}", in_url(host), health)
                           : ""),
      fmt::arg("use", have_health ? "extensions: [health_check]" : ""));
  auto doc = conf::Resolve({"yaml:" + yaml}, conf::Sources());
  conf::Issues issues;
  std::shared_ptr<const collector::Plan> plan;
  if (doc) plan = std::make_shared<const collector::Plan>(collector::MakePlan(*doc, factories, issues));
  if (!doc || !issues.empty()) {
    std::fprintf(stderr, "naru: %s\n", doc ? issues.ToString().c_str() : doc.error().message.c_str());
    return 1;
  }
  collector::ServiceOptions options;
  options.factories = &factories;
  options.version = NARU_VERSION;
  std::string to_send = grpc == 4317 && shown == "127.0.0.1" ? "" : fmt::format("{}:{}", shown, grpc);
  options.on_ready = [=] {
    std::printf(
        "naru %s listens: OTLP/gRPC on %s:%lld, OTLP/HTTP on %s:%lld, health on :%lld, own metrics on "
        "http://%s:%lld/metrics\n\n"
        "Any OpenTelemetry SDK sends here with\n"
        "  export OTEL_EXPORTER_OTLP_ENDPOINT=http://%s:%lld OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\n"
        "or, over gRPC,\n"
        "  export OTEL_EXPORTER_OTLP_ENDPOINT=http://%s:%lld OTEL_EXPORTER_OTLP_PROTOCOL=grpc\n\n"
        "See it work now, from another terminal:  naru send%s%s\n\n",
        NARU_VERSION, in_url(host).c_str(), static_cast<long long>(grpc), in_url(host).c_str(),
        static_cast<long long>(http), static_cast<long long>(health), shown.c_str(), static_cast<long long>(metrics),
        shown.c_str(), static_cast<long long>(http), shown.c_str(), static_cast<long long>(grpc),
        to_send.empty() ? "" : " --endpoint ", to_send.c_str());
    std::fflush(stdout);
  };
  collector::Service service(std::move(options), plan);
  Status s = service.Run();
  if (s) return 0;
  std::fprintf(stderr, "naru: %s\n", s.error().message.c_str());
  const std::pair<int64_t, const char*> ports[] = {
      {grpc, "--grpc-port"}, {http, "--http-port"}, {health, "--health-port"}, {metrics, "--metrics-port"}};
  for (auto& [port, flag] : ports) {
    if (s.error().message.find(fmt::format(":{}: bind", port)) != std::string::npos) {
      std::fprintf(stderr, "naru: port %lld is taken by another program; choose another one with %s\n",
                   static_cast<long long>(port), flag);
    }
  }
  return 1;
}

}  // namespace naru::apps
