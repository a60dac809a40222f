#include "collector/service.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <thread>

#include "base/system_memory.h"
#include "collector/self_metrics.h"
#include "wire/hash.h"

namespace naru::collector {
namespace {

std::string NewInstanceId(Random& random) {
  uint64_t a = random.Next(), b = random.Next();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:x}{:03x}-{:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xfff,
                     8 + ((b >> 62) & 3), (b >> 48) & 0xfff, b & 0xffffffffffff);
}

// The resource of own telemetry: service.* unless the user says otherwise (null removes).
pipeline::Attributes SelfResource(const Plan& plan, const ServiceOptions& o) {
  std::map<std::string, std::string> m = {{"service.name", o.command},
                                          {"service.version", o.version},
                                          {"service.instance.id", NewInstanceId(Random::System())}};
  if (auto& r = plan.telemetry.resource; r && r->is_map()) {
    const conf::Value* list = r->Find("attributes");
    if (list && list->is_list()) {
      for (auto& item : list->list()) {
        const conf::Value *name = item.Find("name"), *value = item.Find("value");
        if (name && name->AsText() && value) m[*name->AsText()] = value->ScalarText().value_or("");
      }
    } else {
      for (auto& [k, v] : r->map()) {
        if (v.is_null())
          m.erase(k);
        else if (auto text = v.ScalarText())
          m[k] = *text;
      }
    }
  }
  return pipeline::Attributes(m.begin(), m.end());
}

}  // namespace

Service::Service(ServiceOptions options, std::shared_ptr<const Plan> plan)
    : options_(std::move(options)),
      plan_(std::move(plan)),
      world_(options_.loops ? options_.loops : net::UsableCores()),
      gate_(Budget::Process()),
      user_agent_(fmt::format("{}/{} (linux/amd64)", options_.command, options_.version)) {}

Service::~Service() = default;

pipeline::Extension* Service::FindExtension(std::string_view id) {
  return lookup_ ? lookup_->FindExtension(id) : nullptr;
}

void Service::SetDefaultLimits() {
  // Without a memory_limiter the cgroup's limit rules, with room for what is not counted.
  uint64_t limit = 0;
  if (CgroupMemoryLimit(limit)) {
    auto hard = static_cast<int64_t>(limit / 10 * 9);
    gate_.budget().SetLimits(hard / 10 * 9, hard);
  } else {
    gate_.budget().SetLimits(INT64_MAX, INT64_MAX);
  }
}

Status Service::Run() {
  pipeline::Attributes resource = SelfResource(*plan_, options_);
  std::vector<LogField> fields;
  for (auto& [k, v] : resource) fields.emplace_back(k, v);
  auto output = LogOutput::Open(plan_->telemetry.logs, std::move(fields), Clock::System());
  if (!output) return Unexpected(output.error());
  log_output_ = std::move(*output);
  log_ = Logger(log_output_);
  SetDefaultLimits();

  // Signals are read by a thread of their own: no handler runs anywhere.
  sigset_t set;
  sigemptyset(&set);
  for (int s : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, s);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
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
            // A second signal does not wait any longer.
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

  self_metrics_ = std::make_unique<SelfMetrics>(*this, resource);
  world_.loops()[0]->Post([this] { Begin(); });
  world_.Run();
  return result_;
}

Status Service::Check() {
  Graph graph(*this, log_);
  return graph.Build(plan_, nullptr);
}

void Service::Begin() {
  for (auto& n : plan_->notices) log_.Warn(n);
  log_.Info(fmt::format("Starting {}...", options_.command),
            {{"Version", options_.version}, {"NumCPU", static_cast<int64_t>(loops().size())}});
  if (auto s = self_metrics_->Start(plan_->telemetry.metrics); !s) {
    result_ = s;
    world_.Stop();
    return;
  }
  auto graph = std::make_unique<Graph>(*this, log_);
  Adopt(std::move(graph), false, [this](Status s) {
    if (!s) {
      result_ = s;
      Stop();
      return;
    }
    graph_->NotifyReady(true);
    ReleaseStartMemory();
    log_.Info("Everything is ready. Begin running and processing data.");
    if (options_.on_ready) options_.on_ready();
  });
}

// Builds `next` for plan_ and puts it in the place of graph_.
void Service::Adopt(std::unique_ptr<Graph> next, bool, std::function<void(Status)> done) {
  lookup_ = next.get();
  if (auto s = next->Build(plan_, graph_.get()); !s) {
    lookup_ = graph_.get();
    return done(std::move(s));
  }
  old_ = std::move(graph_);
  graph_ = std::move(next);
  MonoTime deadline = loops()[0]->Now() + options_.drain;
  graph_->Replace(old_.get(), deadline, [this, done = std::move(done)](Status s) {
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
  auto plan = options_.reload();
  if (!plan) {
    log_.Error("The new configuration is not taken; the running one stays", {{"error", plan.error().message}});
    return;
  }
  for (auto& n : (*plan)->notices) log_.Warn(n);
  busy_ = true;
  auto before = plan_;
  plan_ = *plan;
  Adopt(std::make_unique<Graph>(*this, log_), false, [this, before](Status s) {
    auto settle = [this] {
      busy_ = false;
      graph_->NotifyReady(true);
      if (std::exchange(reload_again_, false)) Reload();
    };
    if (s) {
      log_.Info("The new configuration runs");
      return settle();
    }
    log_.Error("The new configuration does not start; going back to the old one", {{"error", s.error().message}});
    plan_ = before;
    // What of the failed graph was taken over from the old one is taken back in the same way.
    auto failed = std::make_shared<std::unique_ptr<Graph>>(std::move(old_));
    Adopt(std::make_unique<Graph>(*this, log_), true, [this, failed, settle](Status again) {
      if (!again) {
        result_ = again;
        return Stop();
      }
      settle();
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
  MonoTime deadline = loop.Now() + options_.drain;
  // Components bound their own shutdown by the deadline; this bounds their bugs.
  force_ = loop.AddTimer(options_.drain + std::chrono::seconds(5), [this] {
    log_.Error("shutdown did not end in time");
    _exit(1);
  });
  auto rest = [this, deadline] { self_metrics_->Shutdown(deadline, [this] { Finish(); }); };
  if (!graph_) return rest();
  graph_->Shutdown(deadline, rest);
}

void Service::Finish() {
  log_.Info("Shutdown complete.");
  force_.Cancel();
  world_.Stop();
}

void Service::ReportStatus(std::string_view component, const Error& error, bool fatal) {
  log_.Log(fatal ? LogLevel::kError : LogLevel::kWarn, "component status",
           {{"component", component}, {"error", error.message}});
  if (!fatal) return;
  world_.loops()[0]->Post([this, error] {
    if (result_) result_ = Unexpected(error);
    Stop();
  });
}

}  // namespace naru::collector
