#include "simulation/simulation.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "simulation/checks.h"
#include "simulation/client.h"
#include "simulation/faults.h"

namespace naru::simulation {
namespace {

using namespace std::chrono_literals;

// Of memory_limiter in Scenario::Config, and what requests may take that were let in just below it.
constexpr int64_t kMemoryLimit = 5 << 20, kMemorySlack = 3 << 20;

class Simulation {
 public:
  Simulation(uint64_t seed, const Options& options)
      : run_(seed, options.verbose),
        scenario_(Draw(seed)),
        disk_(run_.world),
        charged_before_(Budget::Process().used()) {
    disk_.faults.forgets_synced = options.forgets_synced;
    report_.scenario = scenario_.ToString();
    run_.trace.Add("{}", report_.scenario);
    if (options.verbose) std::printf("%s", scenario_.Config(0).c_str());
  }

  Report Go() {
    Begin();
    MonoTime end = run_.world.clock().Now() + scenario_.length;
    while (run_.world.clock().Now() < end && run_.fault_count == 0) {
      auto step = std::chrono::microseconds(500 + Random().Below(Random().Chance(0.2) ? 2'000'000 : 200'000));
      run_.world.RunUntil([this] { return collector_->dead(); }, step);
      Look();
      Renew();
      Disturb();
    }
    Calm();
    End();
    return Done();
  }

 private:
  testkit::SimRandom& Random() { return run_.world.random(); }

  void Begin() {
    for (size_t i = 0; i < scenario_.branches.size(); ++i)
      backends_.push_back(std::make_unique<Backend>(run_, scenario_.signal, i, scenario_.branches[i].port));
    run_.world.network().min_delay = 50us;
    run_.world.network().max_delay = 2ms;
    DrawDisk(run_, scenario_, disk_);
    Live();
    run_.world.On(0, [&] {
      for (size_t i = 0; i < scenario_.clients; ++i) {
        ClientOptions o;
        o.signal = scenario_.signal;
        o.grpc = Random().Chance(0.5);
        o.gzip = Random().Chance(0.2);
        o.padding = scenario_.padding;
        // All of them together send at about the same rate, however many there are.
        auto pause = scenario_.padding ? 100 : 300 + Random().Below(1000);
        o.pause = std::chrono::milliseconds(pause * scenario_.clients);
        // Where every request needs room in two queues at once, a crowd at the door hardly ever finds both; it would
        // get through, but not in the time that a run may take.
        uint64_t crowd = scenario_.branches.size() > 1 ? 8 : 60;
        o.most_in_flight = scenario_.padding ? crowd : 1 + Random().Below(8);
        clients_.push_back(std::make_unique<Client>(run_, run_.world.loop(), o));
      }
    });
  }

  void Live() {
    lives_.push_back(std::make_unique<Collector>(run_, disk_, scenario_, variant_));
    collector_ = lives_.back().get();
    if (run_.fault_count) return;
    // Also within recovery.
    if (scenario_.kills && scenario_.stores() && calm_ == false && Random().Chance(0.2))
      collector_->CrashAt(1 + Random().Below(12));
    collector_->Start();
  }

  void Look() {
    Books books = collector_->Books();
    CheckBalance(run_, books, false);
    if (scenario_.limited) {
      most_charged_ = std::max(most_charged_, collector_->budget().used());
      if (collector_->budget().used() > kMemoryLimit + kMemorySlack)
        run_.Fault(fmt::format("{} bytes are charged, of {}", collector_->budget().used(), kMemoryLimit));
    }
    for (auto& life : lives_) {
      if (life->late()) run_.Fault("a shutdown is over its deadline");
    }
  }

  // Another life in the place of one that has ended.
  void Renew() {
    if (collector_->dead()) {
      bool power = power_cut_;
      if (!power && scenario_.power_cuts && Random().Chance(0.3)) {
        run_.trace.Add("the power goes with it");
        power = true;
      }
      power_cut_ = false;
      if (power) disk_.CutPower();
      if (power && !scenario_.fsync) given_.damage = true;  // the power tears what was answered before it was synced
      ++(power ? report_.power_cuts : report_.kills);
      Exempt(run_, scenario_, power);
      if (scenario_.damage && Random().Chance(0.5)) Damage();
    } else if (!collector_->ended()) {
      return;
    } else if (!stopped_) {
      ++report_.failed_starts;
    }
    losses_.Add(scenario_, collector_->Books());
    stopped_ = false;
    run_.world.RunFor(std::chrono::milliseconds(Random().Below(1500)));
    Live();
  }

  void Damage() {
    if (!DamageSegment(run_, scenario_, disk_)) return;
    given_.damage = true;
    ++report_.damaged_files;
  }

  void Disturb() {
    testkit::SimRandom& r = Random();
    if (scenario_.network && r.Chance(0.1)) DrawNetwork(run_);
    if (scenario_.backends) {
      for (auto& b : backends_) {
        if (r.Chance(0.15)) DrawBackend(run_, *b);
        if (b->mood.never > 0 || b->mood.partial > 0) given_.rejections = true;
        b->Reap();
      }
    }
    if (scenario_.stores() && r.Chance(0.1)) DrawDisk(run_, scenario_, disk_);
    if (scenario_.damage && r.Chance(0.02)) Damage();
    if (scenario_.reloads && r.Chance(0.05) && collector_->ready()) {
      ++report_.reloads;
      given_.stops = true;  // of what goes with it
      collector_->Reload(++variant_ + r.Below(8));
    }
    if (scenario_.restarts && r.Chance(0.03) && collector_->ready()) {
      ++report_.restarts;
      given_.stops = stopped_ = true;
      run_.trace.Add("the collector is stopped");
      collector_->Stop(scenario_.drain);
    }
    if (scenario_.kills && r.Chance(0.04)) {
      if (scenario_.stores() && r.Chance(0.7)) {
        collector_->CrashAt(1 + r.Below(20));
      } else {
        collector_->Kill(false);
      }
    }
    if (scenario_.power_cuts && r.Chance(0.04) && !collector_->dead()) {
      power_cut_ = true;
      collector_->Kill(true);
    }
  }

  // Faults are over: everything has to get through.
  void Calm() {
    calm_ = true;
    run_.trace.Add("faults are over");
    run_.world.network() = {};
    run_.world.network().max_delay = 1ms;
    bool forgets = disk_.faults.forgets_synced;
    disk_.faults = {};
    disk_.faults.forgets_synced = forgets;
    run_.world.SetWorkTime(10us, 200us);
    for (auto& b : backends_) {
      b->Start();
      b->mood = {};
      b->SetDeaf(false);
    }
    for (auto& c : clients_) c->Finish();
    auto settled = [&] {
      return collector_->ready() && Held(collector_->Books()) == 0 &&
             std::all_of(clients_.begin(), clients_.end(), [](auto& c) { return c->idle(); });
    };
    int last_progress = 0;
    int64_t before = 0;
    for (int i = 0; i < 3600 && !settled() && run_.fault_count == 0; ++i) {
      run_.world.RunUntil([this] { return collector_->dead(); }, 1s);
      Look();
      Renew();
      // Senders that are refused come again within seconds, and wait half a minute at most: progress is somebody who
      // hears OK, not what moves back and forth.
      auto acknowledged =
          std::count_if(run_.records.begin(), run_.records.end(), [](auto& r) { return r.acknowledged; });
      bool idle = std::all_of(clients_.begin(), clients_.end(), [](auto& c) { return c->idle(); });
      if (std::exchange(before, acknowledged) != acknowledged || idle) last_progress = i;
      if (i - last_progress < 600) continue;
      run_.Fault("for ten minutes clients have sent, and nobody has heard OK");
      break;
    }
    if (settled() || run_.fault_count) return;
    size_t waiting = 0;
    for (auto& c : clients_) waiting += !c->idle();
    run_.Fault(fmt::format("an hour after the last fault {} clients wait and {} items are held{}", waiting,
                           Held(collector_->Books()), collector_->ready() ? "" : "; the collector does not run"));
  }

  void End() {
    run_.world.On(0, [&] { clients_.clear(); });
    given_.stops = given_.stops || run_.fault_count > 0;
    collector_->Stop(30s);
    run_.world.RunUntil(
        [&] { return std::all_of(lives_.begin(), lives_.end(), [](auto& life) { return life->ended(); }); }, 5min);
    for (auto& life : lives_) {
      if (!life->ended()) run_.Fault("a shutdown does not end");
    }
    run_.world.RunFor(1min);
    CheckBalance(run_, collector_->Books(), true);
    losses_.Add(scenario_, collector_->Books());
    if (run_.fault_count == 0) CheckRecords(run_, scenario_, losses_, given_);
    for (auto& life : lives_) {
      Collector* c = life.get();
      if (c->ended() && c->budget().used())
        run_.Fault(fmt::format("{} bytes are still charged when the collector has ended", c->budget().used()));
    }
    lives_.clear();
    backends_.clear();
    run_.world.RunFor(1min);
    if (int64_t n = Budget::Process().used() - charged_before_)
      run_.Fault(fmt::format("{} bytes are still charged when all has ended", n));
  }

  Report Done() {
    for (auto& [reason, n] : losses_.reasons) run_.trace.Add("dropped {}: {}", reason, n);
    report_.records = run_.records.size();
    for (auto& r : run_.records) {
      report_.acknowledged += r.acknowledged;
      for (uint32_t n : r.arrived) report_.duplicates += n > 1 ? n - 1 : 0;
    }
    report_.faults = run_.faults;
    report_.hash = run_.trace.hash();
    return report_;
  }

  Run run_;
  const Scenario scenario_;
  testkit::SimDisk disk_;
  const int64_t charged_before_;
  std::vector<std::unique_ptr<Backend>> backends_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Collector>> lives_;  // kept to the end: the code of dead ones runs on, unheard
  Collector* collector_ = nullptr;                 // the last of them
  uint64_t variant_ = 0;
  int64_t most_charged_ = 0;
  bool power_cut_ = false, stopped_ = false, calm_ = false;
  Losses losses_;
  Given given_;
  Report report_;
};

}  // namespace

Report Simulate(uint64_t seed, const Options& options) {
  return Simulation(seed, options).Go();
}

}  // namespace naru::simulation
