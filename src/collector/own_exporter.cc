#include "collector/own_exporter.h"

namespace naru::collector {
namespace {

using conf::Value;

Value MapOf(std::initializer_list<std::pair<std::string_view, Value>> entries) {
  Value m = Value::MakeMap();
  for (auto& [k, v] : entries) m.Set(k, v);
  return m;
}

// headers, and headers_list (`a=b,c=d`), which gives way.
Value Headers(const SelfOtlpConfig& c) {
  Value m = Value::MakeMap();
  std::string_view rest = c.headers_list;
  while (!rest.empty()) {
    std::string_view one = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    size_t eq = one.find('=');
    if (eq == std::string_view::npos) continue;
    auto trim = [](std::string_view s) {
      while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
      while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
      return s;
    };
    m.Set(trim(one.substr(0, eq)), Value::String(trim(one.substr(eq + 1))));
  }
  for (auto& [k, v] : c.headers.entries) m.Set(k, Value::String(v.value()));
  return m;
}

struct Section {
  std::string_view type;  // of the exporter
  Value config;
};

// What a pipeline's exporter would be configured with.
Section Translate(const SelfExporterConfig& c, otlp::Signal signal) {
  if (!c.otlp) {
    // The console of otelconf: here one line of OTLP JSON an export.
    return {"file", MapOf({{"path", Value::String("/dev/stdout")}, {"append", Value::Bool(true)}})};
  }
  auto& o = *c.otlp;
  bool grpc = o.protocol == "grpc";
  std::string endpoint = o.endpoint;
  bool has_scheme = endpoint.find("://") != std::string::npos, plain = endpoint.rfind("http://", 0) == 0;
  Value tls = MapOf({{"ca_file", Value::String(o.certificate)},
                     {"cert_file", Value::String(o.client_certificate)},
                     {"key_file", Value::String(o.client_key)}});
  if (o.insecure || plain) tls.Set("insecure", Value::Bool(true));
  Value config = MapOf({{"tls", tls},
                        {"headers", Headers(o)},
                        {"compression", Value::String(o.compression.empty() ? "none" : o.compression)},
                        {"timeout", Value::String(std::to_string(o.timeout_ms > 0 ? o.timeout_ms : 10000) + "ms")},
                        {"sending_queue", MapOf({{"enabled", Value::Bool(false)}})},
                        {"retry_on_failure", MapOf({{"max_elapsed_time", Value::String("60s")}})}});
  if (grpc) {
    config.Set("endpoint", Value::String(endpoint.empty() ? "localhost:4317" : endpoint));
    return {"otlp_grpc", config};
  }
  if (endpoint.empty()) endpoint = "http://localhost:4318";
  if (!has_scheme && !o.endpoint.empty()) endpoint = (o.insecure ? "http://" : "https://") + endpoint;
  // Without a path the signal's own is meant.
  size_t host = endpoint.find("://") + 3, slash = endpoint.find('/', host);
  if (slash == std::string::npos || slash + 1 == endpoint.size())
    endpoint = endpoint.substr(0, slash) + std::string(otlp::Names(signal).http_path);
  config.Set(std::string(otlp::Names(signal).name) + "_endpoint", Value::String(endpoint));
  config.Set("encoding", Value::String(o.protocol == "http/json" ? "json" : "proto"));
  return {"otlp_http", config};
}

// Tells on the control loop how a push ended.
class Pushed final : public pipeline::Ack {
 public:
  Pushed(net::Loop& loop, std::function<void(bool)> done) : loop_(loop), done_(std::move(done)) {}
  void OnResolved(const pipeline::Outcome& outcome) override {
    loop_.Post([done = std::move(done_), ok = outcome.ok()] { done(ok); });
  }

 private:
  net::Loop& loop_;
  std::function<void(bool)> done_;
};

}  // namespace

Result<std::unique_ptr<OwnExporter>> OwnExporter::Make(const Factories& factories, pipeline::Host& host,
                                                       const Logger& log, const SelfExporterConfig& c,
                                                       otlp::Signal signal, const std::string& path) {
  std::string id = std::string(kOwnPrefix) + path;
  if (!c.otlp && !c.console) return Fail(Code::kInvalidArgument, "{}: an exporter must be given: otlp or console", id);
  Section section = Translate(c, signal);
  const pipeline::Factory* factory = nullptr;
  for (auto& f : factories) {
    if (f->kind == pipeline::Kind::kExporter && f->type == section.type) factory = f.get();
  }
  if (!factory) return Fail(Code::kInvalidArgument, "{}: this distribution has no {} exporter", id, section.type);
  auto config = factory->NewConfig();
  conf::Issues issues;
  config->Decode(section.config, issues);
  if (!issues.empty()) {
    std::string all = issues.ToString();
    while (!all.empty() && all.back() == '\n') all.pop_back();
    return Fail(Code::kInvalidArgument, "{}: {}", id, all);
  }
  std::unique_ptr<OwnExporter> out(new OwnExporter(host, signal));
  pipeline::ExporterContext context;
  context.id = id;
  context.own = true;
  context.host = &host;
  context.signal = signal;
  context.log = log.With({{"otelcol.component.id", id}, {"otelcol.component.kind", "exporter"}});
  auto made = factory->MakeExporter(*config, std::move(context));
  if (!made) return Fail(made.error().code, "{}: {}", id, made.error().message);
  out->exporter_ = std::move(*made);
  out->entered_ =
      host.ledger().Open({"exporter", id, std::string(otlp::Names(signal).name), "", ""}, pipeline::Entry::kEntered);
  return out;
}

void OwnExporter::Push(Slice request, uint64_t items, std::function<void(bool)> done) {
  entered_.Add(static_cast<int64_t>(items));
  pipeline::Token token(new Pushed(host_.control_loop(), std::move(done)), items);
  exporter_->Consume(pipeline::Batch(signal_, std::move(request), std::move(token)));
}

}  // namespace naru::collector
