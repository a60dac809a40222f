#include "testkit/contract.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "conf/resolve.h"
#include "testkit/contract_rules.h"

namespace naru::testkit {
namespace {

constexpr int kMostBreaches = 20;

const std::vector<RuleEntry>& Rules() {
  static const auto* rules = [] {
    auto* out = new std::vector<RuleEntry>;
    AddConfigRules(*out);
    AddLifecycleRules(*out);
    AddFlowRules(*out);
    AddExporterRules(*out);
    return out;
  }();
  return *rules;
}

bool Holds(const RuleEntry& r, pipeline::Kind kind) {
  return std::find(r.kinds.begin(), r.kinds.end(), kind) != r.kinds.end();
}

// Components that print do so into nothing.
class SwallowOutput {
 public:
  SwallowOutput() : saved_(dup(1)) {
    std::fflush(stdout);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0) dup2(null, 1);
    if (null >= 0) close(null);
  }
  ~SwallowOutput() {
    std::fflush(stdout);
    if (saved_ >= 0) dup2(saved_, 1);
    if (saved_ >= 0) close(saved_);
  }

 private:
  int saved_;
};

std::string Run(const Subject& subject, const RuleEntry& rule) {
  // What is lost is to be told, not to end the test.
  pipeline::Ack::CountLosses counted;
  SwallowOutput swallow;
  Trial trial(subject);
  rule.run(trial);
  return trial.breaches();
}

}  // namespace

std::vector<Rule> ContractOf(pipeline::Kind kind) {
  std::vector<Rule> out;
  for (auto& r : Rules()) {
    if (Holds(r, kind)) out.push_back(r.rule);
  }
  return out;
}

std::string Breaches(const Subject& subject, std::string_view rule) {
  for (auto& r : Rules()) {
    if (r.rule.name == rule && Holds(r, subject.factory.kind)) return Run(subject, r);
  }
  return fmt::format("there is no rule {} for {}s\n", rule, pipeline::KindName(subject.factory.kind));
}

std::string Breaches(const Subject& subject) {
  std::string out;
  for (auto& r : Rules()) {
    if (!Holds(r, subject.factory.kind)) continue;
    std::istringstream lines(Run(subject, r));
    for (std::string line; std::getline(lines, line);) out += fmt::format("{}: {}\n", r.rule.name, line);
  }
  return out;
}

Trial::~Trial() {
  std::error_code ignored;
  if (!scratch_.empty()) std::filesystem::remove_all(scratch_, ignored);
}

void Trial::Breach(std::string_view what) {
  if (++count_ > kMostBreaches) return;
  while (what.ends_with('\n')) what.remove_suffix(1);
  breaches_ += where_.empty() ? fmt::format("{}\n", what) : fmt::format("{}: {}\n", where_, what);
}

const std::vector<TriedConfig>& Trial::configs() {
  if (!std::exchange(loaded_, true)) LoadConfigs();
  return configs_;
}

void Trial::LoadConfigs() {
  Try("defaults", conf::Value::MakeMap(), false);
  std::string path = subject_.folder + "/testdata/contract.yaml";
  std::ifstream in(path);
  if (!subject_.folder.empty() && in) {
    std::string folder = (std::filesystem::temp_directory_path() / "naru-contract-XXXXXX").string();
    if (mkdtemp(folder.data())) scratch_ = folder;
    std::ostringstream text;
    text << in.rdbuf();
    conf::Sources sources;
    sources.env = [this](const std::string& name) -> std::optional<std::string> {
      if (name == "ADDRESS") return backend().ToString();
      if (name == "FOLDER") return scratch_;
      return std::nullopt;
    };
    auto all = conf::Resolve({"yaml:" + text.str()}, sources);
    if (!all) return Breach(fmt::format("{}: {}", path, all.error().message));
    if (!all->is_map()) return Breach(path + " is no map of names to configurations");
    for (auto& [name, document] : all->map()) Try(name, document, true);
  }
  if (configs_.empty()) {
    Breach(fmt::format("an empty configuration is not valid; give some that are in {}/testdata/contract.yaml",
                       subject_.folder));
  }
}

void Trial::Try(const std::string& name, conf::Value document, bool must) {
  TriedConfig t{name, std::move(document), factory().NewConfig()};
  conf::Issues issues;
  t.config->Decode(t.document, issues);
  if (issues.empty()) {
    configs_.push_back(std::move(t));
  } else if (must) {
    Breach(fmt::format("contract.yaml: {}: {}", name, issues.ToString()));
  }
}

std::vector<std::pair<otlp::Signal, otlp::Signal>> SignalPairs(const pipeline::Factory& factory) {
  using pipeline::Kind;
  if (factory.kind == Kind::kConnector) return factory.stability.pairs;
  if (factory.kind == Kind::kReceiver || factory.kind == Kind::kExtension)
    return {{otlp::Signal::kTraces, otlp::Signal::kTraces}};
  std::vector<std::pair<otlp::Signal, otlp::Signal>> out;
  for (int i = 0; i < otlp::kSignals; ++i) {
    auto s = static_cast<otlp::Signal>(i);
    if (!factory.stability.Of(s).empty()) out.emplace_back(s, s);
  }
  return out;
}

void ForEachFlow(Trial& trial, uint64_t seeds, const std::function<void(Rig&, const Flow&)>& fn,
                 const std::function<void(Rig&)>& before) {
  for (auto& tried : trial.configs()) {
    for (auto& [from, to] : SignalPairs(trial.factory())) {
      for (uint64_t seed = 1; seed <= seeds; ++seed) {
        trial.At(fmt::format("{}, {}, seed {}", tried.name, otlp::Names(from).name, seed));
        uint64_t lost = pipeline::Ack::LostItems();
        auto rig = std::make_unique<Rig>(seed);
        if (before) before(*rig);
        Status s = rig->Make(trial.factory(), *tried.config, from, to);
        if (s) s = rig->Start();
        if (s) {
          fn(*rig, {from, to, seed, tried.config.get()});
        } else {
          trial.Breach("it does not start: " + s.error().message);
        }
        rig->Destroy();
        // Whatever it has left behind (timers, posted functions) comes now.
        rig->world().RunFor(std::chrono::hours(1));
        trial.Expect(rig->world().open_streams() == 0, "connections are open when it is gone");
        trial.Expect(rig->world().listening().empty(), "it listens when it is gone");
        int64_t bytes = 0;
        rig->probe().SettleKept();
        rig->probe().arrivals.clear();
        rig->world().RunReady();
        bytes = rig->host().budget().used();
        trial.Expect(bytes == 0, fmt::format("{} bytes are still charged when it is gone", bytes));
        rig.reset();
        if (uint64_t n = pipeline::Ack::LostItems() - lost)
          trial.Breach(fmt::format("{} items were lost: their tokens were destroyed unresolved", n));
      }
    }
  }
  trial.At("");
}

void StopInTime(Trial& trial, Rig& rig, Duration allowed) {
  trial.Expect(rig.Stop(allowed), "Shutdown was not done by its deadline");
  trial.Expect(rig.stop_faults().empty(), rig.stop_faults());
}

void ExpectBalance(Trial& trial, Rig& rig) {
  Books b = rig.books();
  int64_t in = b.entered + b.returned, out = b.filtered + b.dropped + b.refused;
  switch (trial.factory().kind) {
    case pipeline::Kind::kReceiver:
      in = b.offered;
      out = b.accepted + b.refused;
      break;
    case pipeline::Kind::kProcessor:
      out += b.exited;
      break;
    case pipeline::Kind::kExporter:
    case pipeline::Kind::kConnector:
      out += b.sent;
      break;
    case pipeline::Kind::kExtension:
      break;
  }
  trial.Expect(b.held == 0, fmt::format("the ledger says that it holds {} items when it has stopped", b.held));
  trial.Expect(in == out, "the ledger does not balance: " + b.ToString());
}

void ExpectHeard(Trial& trial, const std::vector<std::shared_ptr<Heard>>& heard) {
  for (auto& h : heard) {
    if (h->items == 0) continue;
    if (h->times != 1 || h->Settled() != h->items) {
      trial.Breach(
          fmt::format("of {} items {} were settled; the sender heard {} times", h->items, h->Settled(), h->times));
    }
    trial.Expect(h->outcome.lost == 0, fmt::format("{} items were lost", h->outcome.lost));
  }
}

}  // namespace naru::testkit
