#include "simulation/scenario.h"

#include <fmt/core.h>

#include <algorithm>

namespace naru::simulation {
namespace {

using testkit::SimRandom;
using namespace std::chrono_literals;

constexpr const char* kFolder = "/var/queue";

template <class T>
T OneOf(SimRandom& r, std::initializer_list<T> list) {
  return *(list.begin() + r.Below(list.size()));
}

std::string Join(const std::vector<std::string>& list) {
  std::string out;
  for (auto& s : list) out += (out.empty() ? "" : ", ") + s;
  return out;
}

std::string RetryOf(SimRandom& r, Branch& b) {
  b.retries = !r.Chance(0.1);
  if (!b.retries) return "{enabled: false}";
  b.gives_up = r.Chance(0.2);
  return fmt::format("{{initial_interval: {{interval}}ms, max_interval: {}s, max_elapsed_time: {}s}}", 1 + r.Below(5),
                     b.gives_up ? 6 + r.Below(30) : 0);
}

std::string QueueOf(SimRandom& r, Branch& b) {
  if (b.queue == Queue::kNone) return "{enabled: false}";
  std::string out =
      fmt::format("{{num_consumers: {}, queue_size: {}", 1 + r.Below(6), OneOf<uint64_t>(r, {1, 3, 10, 50, 1000}));
  if (b.queue == Queue::kWaits) out += ", wait_for_result: true";
  if (b.queue == Queue::kStored) out += ", storage: file_storage";
  if (r.Chance(0.2)) out += ", block_on_overflow: true";
  if (r.Chance(0.4)) {
    uint64_t least = 1 + r.Below(60);
    out += fmt::format(", batch: {{min_size: {}, max_size: {}, flush_timeout: {}ms}}", least,
                       r.Chance(0.5) ? 0 : least + r.Below(20), 20 + r.Below(1000));
  }
  return out + "}";
}

Branch DrawBranch(SimRandom& r, std::string_view name, uint16_t port) {
  Branch b;
  b.http = r.Chance(0.5);
  b.exporter = fmt::format("otlp_{}/{}", b.http ? "http" : "grpc", name);
  b.port = port;
  b.queue = OneOf(r, {Queue::kMemory, Queue::kStored, Queue::kStored, Queue::kStored, Queue::kWaits, Queue::kNone});
  std::string queue = QueueOf(r, b), retry = RetryOf(r, b);
  b.yaml = fmt::format(
      "{{endpoint: \"{}127.0.0.1:{}\", tls: {{insecure: true}}, compression: {}, timeout: {}s, "
      "sending_queue: {}, retry_on_failure: {}}}",
      b.http ? "http://" : "", port, OneOf(r, {"none", "gzip", "zstd"}), 1 + r.Below(4), queue, retry);
  return b;
}

// Some processors; what they mean for the branches behind them is noted there.
std::vector<std::string> DrawProcessors(SimRandom& r, Scenario& s, const std::string& suffix,
                                        const std::vector<Branch*>& behind) {
  std::vector<std::string> out;
  if (suffix.empty() && s.limited) out.push_back("memory_limiter");
  if (r.Chance(0.3)) out.push_back("resource");
  if (r.Chance(0.3)) out.push_back("attributes");
  auto mark = [&](bool Branch::*what) {
    for (Branch* b : behind) b->*what = true;
  };
  if (r.Chance(0.2)) {
    out.push_back("filter");
    mark(&Branch::filtered);
  }
  if (s.signal == otlp::Signal::kTraces && r.Chance(0.15)) {
    out.push_back("probabilistic_sampler");
    mark(&Branch::sampled);
  }
  if (r.Chance(0.35)) {
    out.push_back("batch" + suffix);
    mark(&Branch::batched);
  }
  return out;
}

}  // namespace

Scenario Draw(uint64_t seed) {
  // Apart from the world's own numbers, so that a change here does not change what they are used for.
  SimRandom r(seed ^ 0x5ce7a410u);
  Scenario s;
  s.seed = seed;
  s.signal = OneOf(r, {otlp::Signal::kTraces, otlp::Signal::kLogs, otlp::Signal::kMetrics});
  s.loops = 1 + static_cast<int>(r.Below(2));
  s.limited = r.Chance(0.3);
  s.fsync = r.Chance(0.5);
  s.segment_bytes = OneOf<uint64_t>(r, {4096, 16384, 65536});
  s.clients = 1 + r.Below(4);
  s.padding = r.Chance(0.15) ? 64 << 10 : 0;
  s.length = std::chrono::seconds(10 + r.Below(25));
  s.drain = std::chrono::seconds(1 + r.Below(10));

  s.forward = r.Chance(0.25);
  size_t exits = r.Chance(0.3) ? 2 : 1;
  for (size_t i = 0; i < exits; ++i)
    s.branches.push_back(DrawBranch(r, i ? "b" : "a", static_cast<uint16_t>(14317 + i)));
  // With forward, the last exporter stands behind it, and the first before it if there are two.
  std::string name(otlp::Names(s.signal).name), in = s.forward ? name + "/in" : name;
  std::vector<Branch*> all;
  for (auto& b : s.branches) {
    all.push_back(&b);
    b.pipelines = {in};
  }
  s.head = DrawProcessors(r, s, "", all);
  if (s.forward) {
    s.branches.back().pipelines.push_back(name + "/out");
    s.tail = DrawProcessors(r, s, "/out", {&s.branches.back()});
  }

  s.network = r.Chance(0.5);
  s.backends = r.Chance(0.7);
  s.kills = r.Chance(0.4);
  s.power_cuts = r.Chance(0.3);
  s.restarts = r.Chance(0.25);
  s.reloads = r.Chance(0.3);
  s.disk_full = s.stores() && r.Chance(0.2);
  s.disk_read_only = s.stores() && r.Chance(0.1);
  s.disk_errors = s.stores() && r.Chance(0.2);
  s.disk_slow = s.stores() && r.Chance(0.4);
  s.damage = s.stores() && r.Chance(0.15);
  return s;
}

bool Scenario::stores() const {
  return std::any_of(branches.begin(), branches.end(), [](auto& b) { return b.queue == Queue::kStored; });
}

bool Scenario::Durable(const Branch& b, bool power_cut) const {
  if (b.batched || b.queue == Queue::kMemory) return false;
  return b.queue != Queue::kStored || fsync || !power_cut;
}

std::string Scenario::Config(uint64_t variant) const {
  std::string out = fmt::format(
      "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: \"127.0.0.1:4317\", max_recv_msg_size_mib: {}}}, "
      "http: {{endpoint: \"127.0.0.1:4318\"}}}}}}}}\n",
      8 + variant / 4 % 2);
  out += fmt::format("extensions: {{file_storage: {{directory: {}, create_directory: true, fsync: {}}}}}\n", kFolder,
                     fsync);
  out += "processors:\n  memory_limiter: {check_interval: 1s, limit_mib: 5}\n";
  out += fmt::format("  attributes: {{actions: [{{key: variant, value: {}, action: upsert}}]}}\n", variant / 2 % 2);
  out += "  resource: {attributes: [{key: deployment.environment.name, value: test, action: upsert}]}\n";
  out += "  probabilistic_sampler: {sampling_percentage: 50}\n";
  out +=
      "  filter:\n    spans: {exclude: {match_type: regexp, span_names: [\"record[0-9]*7$\"]}}\n"
      "    metrics: {exclude: {match_type: regexp, metric_names: [\"record[0-9]*7$\"]}}\n"
      "    logs: {exclude: {match_type: regexp, bodies: [\"record[0-9]*7$\"]}}\n";
  out += "  batch: {send_batch_size: 40, send_batch_max_size: 50, timeout: 300ms}\n";
  out += "  batch/out: {send_batch_size: 25, timeout: 100ms}\n";
  out += "connectors: {forward: }\nexporters:\n";
  for (auto& b : branches) {
    std::string yaml = b.yaml;
    if (auto at = yaml.find("{interval}"); at != std::string::npos)
      yaml.replace(at, 10, std::to_string(100 + 50 * (variant % 2)));
    out += fmt::format("  {}: {}\n", b.exporter, yaml);
  }
  std::string name(otlp::Names(signal).name);
  out += fmt::format("service:\n  extensions: [file_storage]\n  pipelines:\n");
  if (!forward) {
    std::vector<std::string> exits;
    for (auto& b : branches) exits.push_back(b.exporter);
    return out + fmt::format("    {}: {{receivers: [otlp], processors: [{}], exporters: [{}]}}\n", name, Join(head),
                             Join(exits));
  }
  std::vector<std::string> exits = {"forward"};
  if (branches.size() > 1) exits.push_back(branches[0].exporter);
  out += fmt::format("    {}/in: {{receivers: [otlp], processors: [{}], exporters: [{}]}}\n", name, Join(head),
                     Join(exits));
  return out + fmt::format("    {}/out: {{receivers: [forward], processors: [{}], exporters: [{}]}}\n", name,
                           Join(tail), branches.back().exporter);
}

std::string Scenario::ToString() const {
  constexpr std::string_view kQueues[] = {"memory", "stored", "waits", "none"};
  std::string out = fmt::format("{}: {}", otlp::Names(signal).name, Join(head));
  if (forward) out += " | forward: " + Join(tail);
  for (auto& b : branches) out += fmt::format(" | {} {}", b.exporter, kQueues[static_cast<size_t>(b.queue)]);
  if (fsync && stores()) out += " fsync";
  out += " | faults:";
  for (auto& [on, what] : std::initializer_list<std::pair<bool, std::string_view>>{{network, "network"},
                                                                                   {backends, "backends"},
                                                                                   {kills, "kills"},
                                                                                   {power_cuts, "power cuts"},
                                                                                   {restarts, "restarts"},
                                                                                   {reloads, "reloads"},
                                                                                   {disk_full, "full disk"},
                                                                                   {disk_read_only, "read-only disk"},
                                                                                   {disk_errors, "disk errors"},
                                                                                   {disk_slow, "slow disk"},
                                                                                   {damage, "damage"}}) {
    if (on) out += fmt::format(" {},", what);
  }
  if (out.back() == ',') out.pop_back();
  return out;
}

}  // namespace naru::simulation
