#include "collector/service.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "base/system_memory.h"

namespace naru::collector {
Service::Service(ServiceOptions options, std::shared_ptr<const Plan> plan)
    : options_(std::move(options)),
      plan_(std::move(plan)),
      world_(options_.loops ? options_.loops : net::UsableCores()),
      gate_(Budget::Process()),
      user_agent_(fmt::format("{}/{} (linux/amd64)", options_.command, options_.version)),
      start_(Clock::System().UnixNano()) {
  own_ = std::make_unique<OwnTelemetry>(*this, *options_.factories, MakeIdentity(options_.command, options_.version));
  log_ = Logger(own_->logs());
  status().OnFatal([this](const pipeline::StatusKey& key, const std::string& error) {
    log_.Error("A component failed for good; the collector stops",
               {{"otelcol.component.id", key.id}, {"otelcol.component.kind", key.kind}, {"error", error}});
    world_.loops()[0]->Post([this, error] {
      if (result_) result_ = Unexpected(Error{Code::kInternal, false, Duration{0}, error});
      Stop();
    });
  });
  UpdateView();
}

Service::~Service() = default;

pipeline::Extension* Service::FindExtension(std::string_view id) {
  return lookup_ ? lookup_->FindExtension(id) : nullptr;
}

void Service::SetDefaultLimits() {
  // Under every memory_limiter the cgroup's limit rules, with room for what is not counted.
  uint64_t limit = 0;
  if (!CgroupMemoryLimit(limit)) return;
  auto hard = static_cast<int64_t>(limit / 10 * 9);
  cgroup_limit_ = gate_.Limit(hard / 10 * 9, hard);
}

Status Service::Run() {
  if (auto s = own_->Open(plan_->telemetry); !s) return s;
  SetDefaultLimits();

  // Signals are read by a thread of their own: no handler runs for them.
  sigset_t set;
  sigemptyset(&set);
  for (int s : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, s);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a file that may not grow further is an error of its writer
  std::thread signals([this, set] {
    for (;;) {
      int s = 0;
      if (sigwait(&set, &s) != 0) return;
      if (stopping_ && s == SIGUSR2) return;
      net::Loop& loop = *world_.loops()[0];
      if (s == SIGHUP) {
        loop.Post([this] { Reload(); });
      } else {
        loop.Post([this, s] {
          if (stopping_) {
            // Supervisors and wrappers signal more than once; the drain has its deadline. A second Ctrl-C means it.
            if (s == SIGTERM) return;
            log_.Warn("stopping at once: what is still held is lost", {{"signal", s}});
            _exit(1);
          }
          log_.Info("Received signal from OS", {{"signal", s == SIGTERM ? "terminated" : "interrupt"}});
          Stop();
        });
      }
    }
  });
  signals.detach();

  world_.loops()[0]->Post([this] { Begin(); });
  world_.Run();
  // A configuration that is still being read holds on to what would now be destroyed.
  if (loading_) {
    std::fflush(nullptr);
    _exit(result_ ? 0 : 1);
  }
  return result_;
}

Status Service::Check() {
  if (auto s = own_->Check(plan_->telemetry); !s) return s;
  Graph graph(*this, log_);
  return graph.Build(plan_, nullptr);
}

void Service::Begin() {
  for (auto& n : plan_->notices) log_.Warn(n);
  log_.Info(fmt::format("Starting {}...", options_.command),
            {{"Version", options_.version}, {"NumCPU", static_cast<int64_t>(loops().size())}});
  if (auto s = own_->Start(); !s) {
    result_ = s;
    world_.Stop();
    return;
  }
  auto graph = std::make_unique<Graph>(*this, log_);
  Adopt(std::move(graph), nullptr, [this](Status s) {
    if (!s) {
      result_ = s;
      Stop();
      return;
    }
    status().SetBase(pipeline::ComponentStatus::kOk);
    graph_->NotifyReady(true);
    ReleaseStartMemory();
    log_.Info("Everything is ready. Begin running and processing data.");
    if (options_.on_ready) options_.on_ready();
  });
}

// Builds `next` for plan_ and puts it in the place of graph_. What `abandoned` (may be null) still runs is stopped with
// it.
void Service::Adopt(std::unique_ptr<Graph> next, Graph* abandoned, std::function<void(Status)> done) {
  lookup_ = next.get();
  if (auto s = next->Build(plan_, graph_.get()); !s) {
    lookup_ = graph_.get();
    return done(std::move(s));
  }
  old_ = std::move(graph_);
  graph_ = std::move(next);
  UpdateView();
  MonoTime deadline = loops()[0]->Now() + options_.drain;
  // Sockets that nobody took over are closed at once, not when the old graph has ended.
  auto started = [this] { world_.KeepListeners(false); };
  graph_->Replace(old_.get(), abandoned, deadline, started, [this, done = std::move(done)](Status s) {
    if (s) old_.reset();
    done(std::move(s));
  });
}

void Service::Reload() {
  if (stopping_) return;
  if (busy_) {
    reload_again_ = true;
    return;
  }
  if (!options_.reload) return;
  log_.Info("Config updated, restart service");
  // Reading it may take as long as a server takes to give it: not on a loop. Stop() does not wait for it.
  busy_ = loading_ = true;
  std::thread([this] {
    auto plan = std::make_shared<Result<std::shared_ptr<const Plan>>>(options_.reload());
    world_.loops()[0]->Post([this, plan] {
      busy_ = loading_ = false;
      Loaded(std::move(*plan));
      if (!busy_ && std::exchange(reload_again_, false)) Reload();
    });
  }).detach();
}

void Service::Loaded(Result<std::shared_ptr<const Plan>> plan) {
  if (stopping_) return;
  if (!plan) {
    log_.Error("The new configuration is not taken; the running one stays", {{"error", plan.error().message}});
    return;
  }
  bool telemetry = (*plan)->telemetry_text != plan_->telemetry_text;
  if (auto s = telemetry ? own_->Check((*plan)->telemetry) : Status(); !s) {
    log_.Error("The new configuration is not taken; the running one stays", {{"error", s.error().message}});
    return;
  }
  for (auto& n : (*plan)->notices) log_.Warn(n);
  busy_ = true;
  // A port whose receiver is replaced is not closed in between: who connects meanwhile waits for the new one.
  world_.KeepListeners(true);
  auto before = plan_;
  plan_ = *plan;
  Adopt(std::make_unique<Graph>(*this, log_), nullptr, [this, before, telemetry](Status s) {
    auto settle = [this] {
      world_.KeepListeners(false);
      busy_ = false;
      if (stopping_) return Drain();
      graph_->NotifyReady(true);
      if (std::exchange(reload_again_, false)) Reload();
    };
    if (s) {
      world_.KeepListeners(true);
      if (auto t = telemetry ? own_->Replace(plan_->telemetry) : Status(); !t) {
        log_.Error("The new service::telemetry does not start; the old one stays", {{"error", t.error().message}});
        auto mixed = std::make_shared<Plan>(*plan_);
        mixed->telemetry = before->telemetry;
        mixed->telemetry_text = before->telemetry_text;
        plan_ = std::move(mixed);
      }
      log_.Info("The new configuration runs");
      return settle();
    }
    log_.Error("The new configuration does not start; going back to the old one", {{"error", s.error().message}});
    plan_ = before;
    // What of the failed graph was taken over from the old one is taken back in the same way; what was to go with the
    // old one runs still, and hands on what it holds.
    std::shared_ptr<Graph> abandoned = std::move(old_);
    Adopt(std::make_unique<Graph>(*this, log_), abandoned.get(), [this, abandoned, settle](Status again) {
      if (again) return settle();
      result_ = again;
      world_.KeepListeners(false);
      busy_ = false;
      stopping_ ? Drain() : Stop();
    });
  });
}

void Service::Stop() {
  net::Loop& loop = *world_.loops()[0];
  if (!loop.InLoop()) {
    loop.Post([this] { Stop(); });
    return;
  }
  if (std::exchange(stopping_, true)) return;
  log_.Info("Starting shutdown...");
  status().SetBase(pipeline::ComponentStatus::kStopping);
  stop_deadline_ = loop.Now() + options_.drain;
  // Components bound their own shutdown by the deadline; this bounds their bugs.
  force_ = loop.AddTimer(options_.drain + std::chrono::seconds(5), [this] {
    log_.Error("shutdown did not end in time");
    _exit(1);
  });
  if (!busy_ || loading_) return Drain();
  // A reload is under way: what goes with it is still handing on what it holds, and does so before the rest ends.
  closing_ = true;
  graph_->CloseReceivers(stop_deadline_, [this] {
    closing_ = false;
    Drain();
  });
}

void Service::Drain() {
  if ((busy_ && !loading_) || closing_) return;
  MonoTime deadline = std::max(stop_deadline_, loops()[0]->Now() + std::chrono::seconds(1));
  auto rest = [this, deadline] { own_->Shutdown(deadline, [this] { Finish(); }); };
  if (!graph_) return rest();
  graph_->Shutdown(deadline, rest);
}

void Service::UpdateView() {
  auto view = std::make_shared<pipeline::ServiceView>();
  view->command = options_.command;
  view->version = options_.version;
  view->arguments = options_.arguments;
  view->start_unix_nano = start_;
  view->extensions = plan_->service_extensions;
  view->config = [plan = plan_] { return conf::ToJson(DumpPlan(*plan, false)); };
  for (auto& p : plan_->pipelines) {
    view->pipelines.push_back({p.id, std::string(otlp::Names(p.signal).name), p.receivers, p.processors, p.exporters});
  }
  if (options_.gates) {
    for (auto& [id, g] : options_.gates->all()) {
      view->gates.push_back({id, std::string(conf::StageName(g.gate.stage)), g.gate.description, g.gate.from_version,
                             g.gate.to_version, g.enabled});
    }
  }
  view_.store(std::move(view));
}

void Service::Finish() {
  log_.Info("Shutdown complete.");
  force_.Cancel();
  world_.Stop();
}

}  // namespace naru::collector
