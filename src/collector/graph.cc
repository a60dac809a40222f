#include "collector/graph.h"

#include <algorithm>
#include <array>
#include <set>

namespace naru::collector {

using pipeline::Batch;
using pipeline::Component;
using pipeline::Consumer;
using pipeline::Counter;
using pipeline::Entry;
using pipeline::FanOut;
using pipeline::Kind;
using pipeline::Ledger;
using pipeline::Owner;
using pipeline::Signal;

namespace {

std::string_view SignalName(Signal s) {
  return otlp::Names(s).name;
}

// Counts what passes between two components; one posting, so that no snapshot sees a half of it.
class Edge final : public Consumer {
 public:
  Edge(pipeline::Host& host, Counter from, Counter to, Consumer* next, pipeline::Histogram* took = nullptr)
      : ledger_(host.ledger()),
        metrics_(host.metrics()),
        clock_(host.control_loop().clock()),
        from_(from),
        to_(to),
        next_(next),
        took_(took) {}
  void Consume(Batch&& batch) override {
    auto n = static_cast<int64_t>(batch.items());
    ledger_.Post({{from_, n}, {to_, n}});
    if (!metrics_.detailed()) return next_->Consume(std::move(batch));
    // The time of a processor is that of its edge without that of the edges which it called.
    Duration outside = std::exchange(below, Duration(0));
    MonoTime begun = clock_.Now();
    next_->Consume(std::move(batch));
    Duration whole = clock_.Now() - begun;
    if (took_) took_->Record(std::chrono::duration<double>(whole - below).count());
    below = outside + whole;
  }

 private:
  static thread_local Duration below;  // what the edges took that the current one called

  Ledger& ledger_;
  pipeline::Metrics& metrics_;
  Clock& clock_;
  Counter from_, to_;
  Consumer* next_;
  pipeline::Histogram* took_;  // of the processor behind it; may be null
};
thread_local Duration Edge::below{0};

pipeline::Histogram* ProcessorTime(pipeline::Metrics& metrics, const std::string& id, const std::string& signal) {
  static const std::vector<double> bounds = {0.000001, 0.00001, 0.0001, 0.001, 0.01, 0.1, 1, 10};
  return metrics.GetHistogram(
      {"otelcol_processor_internal_duration", "Time that a processor took for a batch, without those behind it.", "s",
       pipeline::Metrics::Kind::kHistogram, pipeline::MetricLevel::kDetailed},
      {{"processor", id}, {"otel_signal", signal}}, bounds);
}

}  // namespace

// What a receiver holds as its next consumer, so that it lives on when the pipelines behind it are replaced.
class Graph::Switch final : public Consumer {
 public:
  void Consume(Batch&& batch) override { next_.load(std::memory_order_acquire)->Consume(std::move(batch)); }
  void Set(Consumer* next) { next_.store(next, std::memory_order_release); }

 private:
  std::atomic<Consumer*> next_{nullptr};
};

struct Graph::Running {
  Kind kind{};
  std::string id, signal, pipeline, fingerprint;
  std::unique_ptr<Component> component;
  Consumer* consumer = nullptr;                // exporters, processors, connectors
  pipeline::Extension* extension = nullptr;    // extensions
  std::unique_ptr<std::array<Switch, 4>> out;  // receivers
  std::vector<std::unique_ptr<Consumer>> edges;
  bool started = false;
};

struct Graph::Pipeline {
  PipelinePlan plan;
  std::string fingerprint;
  std::vector<RunningPtr> processors;  // in the order of flow
  std::vector<RunningPtr> exits;       // exporters and connectors
  std::vector<std::unique_ptr<Consumer>> edges;
  Consumer* entry = nullptr;
};

Graph::Graph(pipeline::Host& host, Logger log) : host_(host), log_(std::move(log)) {}
Graph::~Graph() = default;

void Graph::FillContext(pipeline::Context& c, Kind kind, const std::string& id, std::string_view signal,
                        const std::string& pipeline) const {
  c.id = id;
  c.pipeline = pipeline;
  c.host = &host_;
  c.log = signal.empty()
              ? log_.With({{"otelcol.component.id", id}, {"otelcol.component.kind", pipeline::KindName(kind)}})
          : pipeline.empty() ? log_.With({{"otelcol.component.id", id},
                                          {"otelcol.component.kind", pipeline::KindName(kind)},
                                          {"otelcol.signal", signal}})
                             : log_.With({{"otelcol.component.id", id},
                                          {"otelcol.component.kind", pipeline::KindName(kind)},
                                          {"otelcol.pipeline.id", pipeline},
                                          {"otelcol.signal", signal}});
}

// The component's own text and the texts of the extensions that it mentions (authenticators, storage): a changed
// extension is a changed component, because it holds on to the old one. Extensions are matched as substrings; a false
// match only costs a restart.
std::string Graph::Fingerprint(const ComponentPlan& c) const {
  std::string out = std::string(c.factory->type) + "\n" + c.text;
  for (auto& id : plan_->service_extensions) {
    if (c.text.find(id) == std::string::npos) continue;
    auto it = plan_->extensions.find(id);
    if (it != plan_->extensions.end()) out += "\n" + id + "\n" + it->second.text;
  }
  return out;
}

Status Graph::Build(std::shared_ptr<const Plan> plan, const Graph* previous) {
  plan_ = std::move(plan);
  if (auto s = BuildExtensions(previous); !s) return s;
  if (auto s = BuildExporters(previous); !s) return s;
  if (auto s = BuildPipelines(previous); !s) return s;
  return BuildReceivers(previous);
}

Status Graph::BuildExtensions(const Graph* previous) {
  for (auto& id : plan_->service_extensions) {
    const ComponentPlan& c = plan_->extensions.find(id)->second;
    std::string print = std::string(c.factory->type) + "\n" + c.text;
    RunningPtr r;
    if (previous) {
      for (auto& old : previous->extensions_) {
        if (old->id == id && old->fingerprint == print) r = old;
      }
    }
    if (!r) {
      pipeline::ExtensionContext ctx;
      FillContext(ctx, Kind::kExtension, id, "", "");
      auto made = c.factory->MakeExtension(*c.config, std::move(ctx));
      if (!made) return Fail(made.error().code, "extensions::{}: {}", id, made.error().message);
      r = std::make_shared<Running>();
      r->kind = Kind::kExtension;
      r->id = id;
      r->fingerprint = std::move(print);
      r->extension = made->get();
      r->component = std::move(*made);
    }
    extensions_.push_back(std::move(r));
  }
  return {};
}

Status Graph::BuildExporters(const Graph* previous) {
  for (auto& p : plan_->pipelines) {
    for (auto& id : p.exporters) {
      auto plan = plan_->exporters.find(id);
      if (plan == plan_->exporters.end()) continue;  // a connector
      std::string signal(SignalName(p.signal)), key = id + "|" + signal, print = Fingerprint(plan->second);
      if (exporters_.count(key)) continue;
      if (previous) {
        auto old = previous->exporters_.find(key);
        if (old != previous->exporters_.end() && old->second->fingerprint == print) {
          exporters_[key] = old->second;
          continue;
        }
      }
      pipeline::ExporterContext ctx;
      FillContext(ctx, Kind::kExporter, id, signal, "");
      ctx.signal = p.signal;
      auto made = plan->second.factory->MakeExporter(*plan->second.config, std::move(ctx));
      if (!made) return Fail(made.error().code, "exporters::{}: {}", id, made.error().message);
      auto r = std::make_shared<Running>();
      r->kind = Kind::kExporter;
      r->id = id;
      r->signal = signal;
      r->fingerprint = std::move(print);
      r->consumer = made->get();
      r->component = std::move(*made);
      exporters_[key] = std::move(r);
    }
  }
  return {};
}

Status Graph::BuildPipelines(const Graph* previous) {
  // Downstream first: a pipeline can be built when all that its connectors feed are. MakePlan has refused cycles.
  std::set<std::string> built;
  while (built.size() < plan_->pipelines.size()) {
    size_t before = built.size();
    for (auto& p : plan_->pipelines) {
      if (built.count(p.id)) continue;
      bool ready = true;
      for (auto& e : p.exporters) {
        if (!plan_->connectors.count(e)) continue;
        for (auto& q : plan_->pipelines) {
          bool fed = std::find(q.receivers.begin(), q.receivers.end(), e) != q.receivers.end();
          if (fed && !built.count(q.id)) ready = false;
        }
      }
      if (!ready) continue;
      if (auto s = BuildPipeline(p, previous); !s) return s;
      built.insert(p.id);
      pipeline_order_.push_back(p.id);
    }
    if (built.size() == before) return Fail(Code::kInvalidArgument, "service::pipelines: connectors form a cycle");
  }
  return {};
}

Result<Graph::RunningPtr> Graph::MakeConnector(const std::string& id, Signal from, Signal to, const Graph* previous) {
  std::string key = id + "|" + std::string(SignalName(from)) + "|" + std::string(SignalName(to));
  auto it = connectors_.find(key);
  if (it != connectors_.end()) return it->second;
  const ComponentPlan& plan = plan_->connectors.find(id)->second;
  pipeline::ConnectorContext ctx;
  std::string print = Fingerprint(plan);
  bool same_below = previous != nullptr;
  std::vector<Consumer*> entries;
  for (auto& q : plan_->pipelines) {
    if (q.signal != to || std::find(q.receivers.begin(), q.receivers.end(), id) == q.receivers.end()) continue;
    auto& below = pipelines_.at(q.id);
    entries.push_back(below->entry);
    ctx.next_by_pipeline.emplace_back(q.id, below->entry);
    print += "\n>" + q.id;
    if (same_below) {
      auto old = previous->pipelines_.find(q.id);
      same_below = old != previous->pipelines_.end() && old->second == below;
    }
  }
  if (same_below) {
    auto old = previous->connectors_.find(key);
    if (old != previous->connectors_.end() && old->second->fingerprint == print) return connectors_[key] = old->second;
  }
  auto r = std::make_shared<Running>();
  r->edges.push_back(std::make_unique<FanOut>(entries));
  FillContext(ctx, Kind::kConnector, id, SignalName(from), "");
  ctx.from = from;
  ctx.to = to;
  ctx.next = r->edges.back().get();
  auto made = plan.factory->MakeConnector(*plan.config, std::move(ctx));
  if (!made) return Fail(made.error().code, "connectors::{}: {}", id, made.error().message);
  r->kind = Kind::kConnector;
  r->id = id;
  r->signal = std::string(SignalName(from));
  r->fingerprint = std::move(print);
  r->consumer = made->get();
  r->component = std::move(*made);
  return connectors_[key] = std::move(r);
}

Status Graph::BuildPipeline(const PipelinePlan& p, const Graph* previous) {
  auto out = std::make_shared<Pipeline>();
  out->plan = p;
  std::string signal(SignalName(p.signal));
  for (auto& id : p.exporters) {
    if (!plan_->connectors.count(id)) {
      out->exits.push_back(exporters_.at(id + "|" + signal));
      continue;
    }
    // One connector instance for each signal that it feeds.
    std::set<Signal> to;
    for (auto& q : plan_->pipelines) {
      if (std::find(q.receivers.begin(), q.receivers.end(), id) != q.receivers.end()) to.insert(q.signal);
    }
    const auto& pairs = plan_->connectors.find(id)->second.factory->stability.pairs;
    for (Signal t : to) {
      if (std::find(pairs.begin(), pairs.end(), std::make_pair(p.signal, t)) == pairs.end()) continue;
      auto c = MakeConnector(id, p.signal, t, previous);
      if (!c) return Unexpected(c.error());
      out->exits.push_back(*c);
    }
  }
  for (auto& id : p.processors) out->fingerprint += "\n" + id + "\n" + Fingerprint(plan_->processors.find(id)->second);
  if (previous) {
    auto old = previous->pipelines_.find(p.id);
    if (old != previous->pipelines_.end() && old->second->fingerprint == out->fingerprint &&
        old->second->exits == out->exits) {
      pipelines_[p.id] = old->second;
      return {};
    }
  }

  Ledger& ledger = host_.ledger();
  Owner whole{"pipeline", p.id, signal, p.id, ""};
  std::vector<Consumer*> exits;
  for (auto& r : out->exits) {
    Owner owner{std::string(pipeline::KindName(r->kind)), r->id, signal, "", ""};
    out->edges.push_back(std::make_unique<Edge>(host_, Counter(), ledger.Open(owner, Entry::kEntered), r->consumer));
    exits.push_back(out->edges.back().get());
  }
  out->edges.push_back(std::make_unique<FanOut>(exits));
  Consumer* next = out->edges.back().get();
  // What the next edge counts besides: entered of the processor below it, or leaving the pipeline, which is before the
  // fan-out: that makes copies, not items, and leaves out exits that have them already.
  Counter from_below = ledger.Open(whole, Entry::kExited);
  pipeline::Histogram* took = nullptr;  // of the processor that the next edge calls
  for (auto id = p.processors.rbegin(); id != p.processors.rend(); ++id) {
    const ComponentPlan& c = plan_->processors.find(*id)->second;
    Owner owner{"processor", *id, signal, p.id, ""};
    out->edges.push_back(std::make_unique<Edge>(host_, ledger.Open(owner, Entry::kExited), from_below, next, took));
    pipeline::ProcessorContext ctx;
    FillContext(ctx, Kind::kProcessor, *id, signal, p.id);
    ctx.signal = p.signal;
    ctx.next = out->edges.back().get();
    auto made = c.factory->MakeProcessor(*c.config, std::move(ctx));
    if (!made) return Fail(made.error().code, "processors::{}: {}", *id, made.error().message);
    auto r = std::make_shared<Running>();
    r->kind = Kind::kProcessor;
    r->id = *id;
    r->signal = signal;
    r->pipeline = p.id;
    r->consumer = made->get();
    r->component = std::move(*made);
    next = r->consumer;
    from_below = ledger.Open(owner, Entry::kEntered);
    took = ProcessorTime(host_.metrics(), *id, signal);
    out->processors.insert(out->processors.begin(), std::move(r));
  }
  out->edges.push_back(std::make_unique<Edge>(host_, ledger.Open(whole, Entry::kEntered), from_below, next, took));
  out->entry = out->edges.back().get();
  pipelines_[p.id] = std::move(out);
  return {};
}

Status Graph::BuildReceivers(const Graph* previous) {
  for (auto& [id, plan] : plan_->receivers) {
    std::array<bool, 4> used{};
    for (auto& p : plan_->pipelines) {
      if (std::find(p.receivers.begin(), p.receivers.end(), id) != p.receivers.end())
        used[static_cast<size_t>(p.signal)] = true;
    }
    if (std::find(used.begin(), used.end(), true) == used.end())
      continue;  // configured and not used, as in the reference
    std::string print = Fingerprint(plan);
    for (bool u : used) print += u ? "1" : "0";
    if (previous) {
      auto old = previous->receivers_.find(id);
      if (old != previous->receivers_.end() && old->second->fingerprint == print) {
        receivers_[id] = old->second;
        continue;
      }
    }
    auto r = std::make_shared<Running>();
    r->out = std::make_unique<std::array<Switch, 4>>();
    pipeline::ReceiverContext ctx;
    FillContext(ctx, Kind::kReceiver, id, "", "");
    for (size_t i = 0; i < 4; ++i) ctx.next[i] = used[i] ? &(*r->out)[i] : nullptr;
    auto made = plan.factory->MakeReceiver(*plan.config, std::move(ctx));
    if (!made) return Fail(made.error().code, "receivers::{}: {}", id, made.error().message);
    r->kind = Kind::kReceiver;
    r->id = id;
    r->fingerprint = std::move(print);
    r->component = std::move(*made);
    receivers_[id] = std::move(r);
  }
  return {};
}

void Graph::PointReceivers() {
  for (auto& [id, r] : receivers_) {
    for (int s = 0; s < otlp::kSignals; ++s) {
      std::vector<Consumer*> entries;
      for (auto& p : plan_->pipelines) {
        if (static_cast<int>(p.signal) != s) continue;
        if (std::find(p.receivers.begin(), p.receivers.end(), id) != p.receivers.end()) {
          entries.push_back(pipelines_.at(p.id)->entry);
        }
      }
      if (entries.empty()) continue;
      if (entries.size() == 1) {
        (*r->out)[static_cast<size_t>(s)].Set(entries[0]);
      } else {
        fan_outs_.push_back(std::make_unique<FanOut>(entries));
        (*r->out)[static_cast<size_t>(s)].Set(fan_outs_.back().get());
      }
    }
  }
}

std::vector<Graph::RunningPtr> Graph::StopOrder() const {
  std::vector<RunningPtr> out;
  for (auto& [id, r] : receivers_) out.push_back(r);
  for (auto id = pipeline_order_.rbegin(); id != pipeline_order_.rend(); ++id) {
    auto& p = pipelines_.at(*id);
    for (auto& r : p->processors) out.push_back(r);
    for (auto& r : p->exits) {
      if (r->kind == Kind::kConnector && std::find(out.begin(), out.end(), r) == out.end()) out.push_back(r);
    }
  }
  for (auto& [id, r] : exporters_) out.push_back(r);
  for (auto r = extensions_.rbegin(); r != extensions_.rend(); ++r) out.push_back(*r);
  return out;
}

void Graph::StopOneByOne(std::shared_ptr<std::vector<RunningPtr>> order, size_t at, MonoTime deadline,
                         std::function<void()> done) {
  while (at < order->size() && !(*order)[at]->started) ++at;
  if (at == order->size()) return done();
  Running& r = *(*order)[at];
  r.started = false;
  r.component->Shutdown(deadline, [order, at, deadline, done = std::move(done)]() mutable {
    StopOneByOne(std::move(order), at + 1, deadline, std::move(done));
  });
}

Status Graph::StartNew() {
  auto start = [&](const RunningPtr& r) -> Status {
    if (r->started) return {};
    r->started = true;  // also one that fails is shut down: it may have begun
    Status s = r->component->Start(host_);
    if (!s) {
      return Fail(s.error().code, "cannot start {} {}: {}", pipeline::KindName(r->kind), r->id, s.error().message);
    }
    return {};
  };
  for (auto& r : extensions_) {
    if (auto s = start(r); !s) return s;
  }
  for (auto& [id, r] : exporters_) {
    if (auto s = start(r); !s) return s;
  }
  for (auto& id : pipeline_order_) {
    auto& p = pipelines_.at(id);
    for (auto& r : p->exits) {
      if (auto s = start(r); !s) return s;
    }
    for (auto r = p->processors.rbegin(); r != p->processors.rend(); ++r) {
      if (auto s = start(*r); !s) return s;
    }
  }
  PointReceivers();
  for (auto& [id, r] : receivers_) {
    if (closed_) break;
    if (auto s = start(r); !s) return s;
  }
  return {};
}

void Graph::Replace(Graph* previous, Graph* abandoned, MonoTime deadline, std::function<void()> started,
                    std::function<void(Status)> done) {
  if (!previous) return done(StartNew());
  // Receivers and extensions that go or change give up their ports before the new ones start; what is below them stops
  // last, when nothing points to it any more.
  std::vector<RunningPtr> mine = StopOrder();
  auto first = std::make_shared<std::vector<RunningPtr>>(), last = std::make_shared<std::vector<RunningPtr>>();
  for (Graph* g : {abandoned, previous}) {
    for (auto& r : g ? g->StopOrder() : std::vector<RunningPtr>()) {
      if (std::find(mine.begin(), mine.end(), r) != mine.end()) continue;
      bool owns_ports = r->kind == Kind::kReceiver || r->kind == Kind::kExtension;
      (owns_ports ? first : last)->push_back(r);
    }
  }
  auto go_on = [this, last, deadline, started = std::move(started), done = std::move(done)]() mutable {
    Status all = StartNew();
    if (!all) return done(std::move(all));
    if (started) started();
    for (auto& r : *last) {
      auto heir = r->kind == Kind::kExporter ? exporters_.find(r->id + "|" + r->signal) : exporters_.end();
      if (heir != exporters_.end() && r->started)
        static_cast<pipeline::Exporter&>(*r->component)
            .SetSuccessor(static_cast<pipeline::Exporter&>(*heir->second->component));
    }
    // A call that began before the receivers were pointed here may still be inside the old pipelines: one turn of every
    // loop and it is not.
    host_.ForEachLoop([](net::Loop&) {},
                      [last, deadline, done = std::move(done)]() mutable {
                        StopOneByOne(last, 0, deadline, [done = std::move(done)] { done({}); });
                      });
  };
  StopOneByOne(first, 0, deadline, std::move(go_on));
}

void Graph::CloseReceivers(MonoTime deadline, std::function<void()> done) {
  closed_ = true;
  auto receivers = std::make_shared<std::vector<RunningPtr>>();
  for (auto& [id, r] : receivers_) receivers->push_back(r);
  StopOneByOne(std::move(receivers), 0, deadline, std::move(done));
}

void Graph::Shutdown(MonoTime deadline, std::function<void()> done) {
  NotifyReady(false);
  StopOneByOne(std::make_shared<std::vector<RunningPtr>>(StopOrder()), 0, deadline, std::move(done));
}

void Graph::NotifyReady(bool ready) {
  for (auto& r : extensions_) {
    if (!r->started) continue;
    if (ready) {
      r->extension->OnReady();
    } else {
      r->extension->OnNotReady();
    }
  }
}

pipeline::Extension* Graph::FindExtension(std::string_view id) const {
  for (auto& r : extensions_) {
    if (r->id == id) return r->extension;
  }
  return nullptr;
}

}  // namespace naru::collector
