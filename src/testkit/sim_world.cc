#include "testkit/sim_world.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <unordered_map>

#include "testkit/sim_network.h"

namespace naru::testkit {
namespace {

constexpr uint64_t kMaxTurnsAtOnce = 1'000'000;  // without time passing: somebody spins

}  // namespace

uint64_t SimRandom::Next() {
  // splitmix64
  uint64_t z = state_.fetch_add(0x9e3779b97f4a7c15u, std::memory_order_relaxed) + 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

class SimLoop final : public net::Loop {
 public:
  /// `index` within its process, `number` in the world.
  SimLoop(int index, size_t number, SimClock& clock, SimRandom& random, SimNet& net)
      : index_(index), number_(static_cast<int>(number)), clock_(clock), random_(random), net_(net) {}

  int index() const override { return index_; }
  Clock& clock() override { return clock_; }
  Random& random() override { return random_; }
  bool InLoop() const override { return Current() == this; }

  net::Timer AddTimer(Duration delay, std::function<void()> fn) override {
    uint64_t id = ++last_timer_;
    MonoTime at = clock_.Now() + std::max(delay, Duration(0));
    timers_.emplace(std::make_pair(at, id), std::move(fn));
    timer_times_.emplace(id, at);
    return net::Timer(this, id);
  }
  void Post(std::function<void()> fn) override {
    std::lock_guard lock(mutex_);
    if (!stopped_) posted_.push_back(std::move(fn));
  }
  Result<std::unique_ptr<net::Listener>> Listen(
      const net::Address& address, const net::ListenOptions& options,
      std::function<void(net::Loop&, std::unique_ptr<net::Stream>)> on_accept) override {
    return net_.Listen(number_, address, options, std::move(on_accept));
  }
  std::unique_ptr<net::Connecting> Connect(const net::Address& address, Duration timeout,
                                           std::function<void(Result<std::unique_ptr<net::Stream>>)> done) override {
    return net_.Connect(*this, number_, address, timeout, std::move(done));
  }

  bool ready() {
    if (!timers_.empty() && timers_.begin()->first.first <= clock_.Now()) return true;
    if (net_.Ready(number_)) return true;
    std::lock_guard lock(mutex_);
    return !posted_.empty();
  }
  MonoTime next_timer() const { return timers_.empty() ? MonoTime::max() : timers_.begin()->first.first; }

  void Turn() {
    On([this] {
      net_.Dispatch(number_);
      std::vector<std::function<void()>> run;
      {
        std::lock_guard lock(mutex_);
        run.swap(posted_);
      }
      for (auto& fn : run) {
        fn();
        fn = nullptr;
      }
      uint64_t newest = last_timer_;  // timers made by timers wait for the next turn
      while (!timers_.empty() && timers_.begin()->first.first <= clock_.Now()) {
        if (timers_.begin()->first.second > newest) break;
        auto node = timers_.extract(timers_.begin());
        timer_times_.erase(node.key().second);
        node.mapped()();
      }
    });
  }
  void On(const std::function<void()>& fn) {
    Loop* before = Current();
    SetCurrent(this);
    fn();
    SetCurrent(before);
  }
  /// As on a thread that is no loop's.
  static void OffLoops(const std::function<void()>& fn) {
    Loop* before = Current();
    SetCurrent(nullptr);
    fn();
    SetCurrent(before);
  }
  void Stop() {
    On([this] {
      {
        std::lock_guard lock(mutex_);
        stopped_ = true;
      }
      timer_times_.clear();
      auto timers = std::move(timers_);
      timers_.clear();
      timers.clear();
      std::vector<std::function<void()>> rest;
      {
        std::lock_guard lock(mutex_);
        rest.swap(posted_);
      }
    });
  }

 protected:
  void CancelTimer(uint64_t id) override {
    auto it = timer_times_.find(id);
    if (it == timer_times_.end()) return;
    auto node = timers_.extract(std::make_pair(it->second, id));
    timer_times_.erase(it);
  }
  bool TimerPending(uint64_t id) const override { return timer_times_.count(id) != 0; }

 private:
  const int index_, number_;
  SimClock& clock_;
  SimRandom& random_;
  SimNet& net_;
  std::mutex mutex_;  // guards posted_ and stopped_
  std::vector<std::function<void()>> posted_;
  bool stopped_ = false;
  std::map<std::pair<MonoTime, uint64_t>, std::function<void()>> timers_;
  std::unordered_map<uint64_t, MonoTime> timer_times_;
  uint64_t last_timer_ = 0;
};

// Tasks by the time at which they run.
class SimWorkers final : public Workers {
 public:
  SimWorkers(SimClock& clock, SimRandom& random) : Workers(0), clock_(clock), random_(random) {}
  bool Submit(std::function<void()> task) override {
    auto range = static_cast<uint64_t>((most_ - least_).count());
    MonoTime at = clock_.Now() + least_ + Duration(static_cast<int64_t>(random_.Below(range + 1)));
    tasks_.emplace(at, std::move(task));
    return true;
  }
  MonoTime next() const { return tasks_.empty() ? MonoTime::max() : tasks_.begin()->first; }
  void RunOne() {
    auto task = tasks_.extract(tasks_.begin());
    SimLoop::OffLoops(task.mapped());
  }
  void SetTime(Duration least, Duration most) {
    least_ = least;
    most_ = std::max(least, most);
  }
  void Stop() { tasks_.clear(); }

 private:
  SimClock& clock_;
  SimRandom& random_;
  Duration least_{0}, most_{0};
  std::multimap<MonoTime, std::function<void()>> tasks_;
};

struct SimWorld::Impl {
  Impl(SimClock& clock, SimRandom& random, SimNetwork& network) : net(clock, random, network), workers(clock, random) {}
  SimNet net;
  SimWorkers workers;
  std::vector<std::unique_ptr<SimLoop>> loops;
  uint64_t turns_at_once = 0;
};

SimWorld::SimWorld(uint64_t seed, int loops) : random_(seed), impl_(std::make_unique<Impl>(clock_, random_, network_)) {
  for (int i = 0; i < std::max(loops, 1); ++i) {
    impl_->loops.push_back(std::make_unique<SimLoop>(i, impl_->loops.size(), clock_, random_, impl_->net));
    views_.push_back(impl_->loops.back().get());
  }
  impl_->net.AddLoops(views_);
}

SimWorld::~SimWorld() {
  impl_->workers.Stop();
  for (auto& l : impl_->loops) {
    if (l) l->Stop();
  }
}

std::unique_ptr<SimProcess> SimWorld::AddProcess(int loops) {
  std::vector<size_t> numbers;
  std::vector<net::Loop*> added;
  for (int i = 0; i < std::max(loops, 1); ++i) {
    numbers.push_back(impl_->loops.size());
    impl_->loops.push_back(std::make_unique<SimLoop>(i, numbers.back(), clock_, random_, impl_->net));
    added.push_back(impl_->loops.back().get());
  }
  impl_->net.AddLoops(std::move(added));
  return std::make_unique<SimProcess>(*this, std::move(numbers));
}

void SimWorld::SetWorkTime(Duration least, Duration most) {
  impl_->workers.SetTime(least, most);
}

Workers& SimWorld::workers() {
  return impl_->workers;
}

SimProcess::SimProcess(SimWorld& world, std::vector<size_t> loops) : world_(world), loops_(std::move(loops)) {
  for (size_t i : loops_) views_.push_back(world_.impl_->loops[i].get());
}

SimProcess::~SimProcess() {
  for (size_t i : loops_) world_.impl_->loops[i]->Stop();
  for (size_t i : loops_) world_.impl_->loops[i].reset();
}

void SimProcess::On(size_t i, const std::function<void()>& fn) {
  world_.impl_->loops[loops_[i]]->On(fn);
}

void SimProcess::SetDeaf(bool on) {
  world_.impl_->net.SetDeaf(static_cast<int>(loops_[0]), on);
}

void SimProcess::Cut(bool silent) {
  world_.impl_->net.Cut(static_cast<int>(loops_[0]), silent);
}

void SimWorld::On(size_t loop, const std::function<void()>& fn) {
  impl_->loops[loop]->On(fn);
}

bool SimWorld::Turn() {
  std::vector<SimLoop*> ready;  // null: the workers
  for (auto& l : impl_->loops) {
    if (l && l->ready()) ready.push_back(l.get());
  }
  if (impl_->workers.next() <= clock_.Now()) ready.push_back(nullptr);
  if (ready.empty()) return false;
  if (++impl_->turns_at_once > kMaxTurnsAtOnce) {
    std::fprintf(stderr, "a loop of the simulated world spins: %llu turns without time passing; %s\n",
                 static_cast<unsigned long long>(kMaxTurnsAtOnce), impl_->net.Describe().c_str());
    std::abort();
  }
  SimLoop* next = ready[random_.Below(ready.size())];
  next ? next->Turn() : impl_->workers.RunOne();
  return true;
}

// One turn, or a jump of time. False when nothing is left to happen until `deadline`.
bool SimWorld::Step(MonoTime deadline) {
  if (Turn()) return true;
  MonoTime next = std::min(impl_->net.NextArrival(), impl_->workers.next());
  for (auto& l : impl_->loops) {
    if (l) next = std::min(next, l->next_timer());
  }
  impl_->turns_at_once = 0;
  if (next > deadline) {
    clock_.Set(std::max(deadline, clock_.Now()));
    return false;
  }
  clock_.Set(next);
  return true;
}

void SimWorld::RunFor(Duration d) {
  MonoTime deadline = clock_.Now() + d;
  while (Step(deadline)) {
  }
}

bool SimWorld::RunUntil(const std::function<bool()>& done, Duration limit) {
  MonoTime deadline = clock_.Now() + limit;
  while (!done()) {
    if (!Step(deadline)) return done();
  }
  return true;
}

void SimWorld::RunReady() {
  while (Turn()) {
  }
  impl_->turns_at_once = 0;
}

std::pair<std::unique_ptr<net::Stream>, std::unique_ptr<net::Stream>> SimWorld::Pair(size_t a, size_t b) {
  return impl_->net.MakePair(static_cast<int>(a), static_cast<int>(b));
}

void SimWorld::ResetConnections() {
  impl_->net.ResetAll();
}

size_t SimWorld::open_streams() const {
  return impl_->net.open_streams();
}

std::vector<net::Address> SimWorld::listening() const {
  return impl_->net.listening();
}

}  // namespace naru::testkit
