#include "collector/own_telemetry.h"

#include <algorithm>

#include "collector/log_output.h"
#include "collector/metric_push.h"
#include "collector/own_traces.h"

namespace naru::collector {

using otlp::Signal;

// What one configuration asks for.
struct OwnTelemetry::Set {
  TelemetryConfig config;
  pipeline::Attributes resource;
  std::shared_ptr<LogOutput> lines;
  std::vector<std::shared_ptr<RecordExporter>> logs, spans;
  std::vector<std::unique_ptr<MetricPush>> pushes;
  pipeline::Tracer::Sampler sampler;
  std::shared_ptr<void> listening;  // to spans
};

OwnTelemetry::OwnTelemetry(pipeline::Host& host, const Factories& factories, Identity identity)
    : host_(host),
      factories_(factories),
      identity_(std::move(identity)),
      logs_(std::make_shared<OwnLogs>(host.control_loop().clock())),
      metrics_(host) {}
OwnTelemetry::~OwnTelemetry() = default;

Result<std::shared_ptr<OwnTelemetry::Set>> OwnTelemetry::Make(const TelemetryConfig& c) {
  auto set = std::make_shared<Set>();
  set->config = c;
  set->resource = OwnResource(c.resource, identity_);
  std::vector<LogField> fields;
  for (auto& [k, v] : set->resource) fields.emplace_back(k, v);
  auto lines = LogOutput::Open(c.logs, std::move(fields), host_.control_loop().clock());
  if (!lines) return Unexpected(lines.error());
  set->lines = std::move(*lines);
  // What tells of exporting own telemetry is written, and not exported in turn.
  Logger log(set->lines);
  for (size_t i = 0; i < c.logs.processors.size(); ++i) {
    auto made = RecordExporter::Make(factories_, host_, log, c.logs.processors[i], Signal::kLogs, set->resource,
                                     fmt::format("logs/{}", i));
    if (!made) return Unexpected(made.error());
    set->logs.push_back(std::move(*made));
  }
  if (c.traces.sampler) {
    auto sampler = MakeSampler(*c.traces.sampler);
    if (!sampler) return Unexpected(sampler.error());
    set->sampler = std::move(*sampler);
  }
  for (size_t i = 0; c.traces.level != "none" && i < c.traces.processors.size(); ++i) {
    auto made = RecordExporter::Make(factories_, host_, log, c.traces.processors[i], Signal::kTraces, set->resource,
                                     fmt::format("traces/{}", i));
    if (!made) return Unexpected(made.error());
    set->spans.push_back(std::move(*made));
  }
  for (size_t i = 0; c.metrics.level != "none" && i < c.metrics.readers.size(); ++i) {
    auto& reader = c.metrics.readers[i];
    if (!reader.periodic) continue;
    auto made = MetricPush::Make(
        factories_, host_, log, *reader.periodic, set->resource, metrics_.start(),
        [this](const size_t* window) { return metrics_.Collect(window); }, fmt::format("metrics/{}", i));
    if (!made) return Unexpected(made.error());
    set->pushes.push_back(std::move(*made));
  }
  return set;
}

Status OwnTelemetry::Open(const TelemetryConfig& config) {
  auto set = Make(config);
  if (!set) return Unexpected(set.error());
  set_ = std::move(*set);
  logs_->SetLines(set_->lines);
  return {};
}

Status OwnTelemetry::Check(const TelemetryConfig& config) {
  auto set = Make(config);
  return set ? Status() : Unexpected(set.error());
}

Status OwnTelemetry::Begin(const std::shared_ptr<Set>& set) {
  for (auto* list : {&set->logs, &set->spans}) {
    for (auto& e : *list) {
      if (auto s = e->Start(); !s) return s;
    }
  }
  for (auto& p : set->pushes) {
    if (auto s = p->Start(); !s) return s;
  }
  if (auto s = metrics_.Serve(set->config.metrics, set->resource, set->lines); !s) return s;
  auto& t = set->config.traces;
  auto has = [&](std::string_view p) {
    return std::find(t.propagators.begin(), t.propagators.end(), p) != t.propagators.end();
  };
  pipeline::Tracer& tracer = host_.tracer();
  tracer.SetPropagators(has("tracecontext"), has("b3"));
  // Level none records nothing, not for zpages either.
  tracer.SetSampler(t.level == "none" ? [](auto&, auto*) { return false; } : set->sampler);
  if (!set->spans.empty()) set->listening = tracer.AddSink(std::make_shared<SpanExport>(set->spans));
  logs_->SetLines(set->lines);
  logs_->SetExporters(set->logs);
  return {};
}

Status OwnTelemetry::Start() {
  return Begin(set_);
}

Status OwnTelemetry::Replace(const TelemetryConfig& config) {
  auto set = Make(config);
  if (!set) return Unexpected(set.error());
  if (auto s = Begin(*set); !s) {
    Forget(*set);
    return s;
  }
  auto old = std::exchange(set_, std::move(*set));
  Forget(old);
  return {};
}

// Ends a set that is not wanted any more; it lives until it has.
void OwnTelemetry::Forget(const std::shared_ptr<Set>& set) {
  net::Loop& loop = host_.control_loop();
  End(set, loop.Now() + std::chrono::seconds(5), [set, &loop] { loop.Post([set] {}); });
}

void OwnTelemetry::End(const std::shared_ptr<Set>& set, MonoTime deadline, std::function<void()> done) {
  set->listening.reset();
  // Exporters keep their callbacks: `done`, which may hold them, must not be in one.
  struct Open {
    size_t left;
    std::function<void()> done;
  };
  auto open =
      std::make_shared<Open>(Open{1 + set->logs.size() + set->spans.size() + set->pushes.size(), std::move(done)});
  auto one = [open] {
    if (--open->left == 0) std::exchange(open->done, nullptr)();
  };
  for (auto* list : {&set->logs, &set->spans}) {
    for (auto& e : *list) e->Shutdown(deadline, one);
  }
  for (auto& p : set->pushes) p->Shutdown(deadline, one);
  one();
}

void OwnTelemetry::Shutdown(MonoTime deadline, std::function<void()> done) {
  logs_->SetExporters({});
  End(set_, deadline, [this, deadline, done = std::move(done)] { metrics_.Shutdown(deadline, done); });
}

}  // namespace naru::collector
