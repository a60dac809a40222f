#include "extensions/health_check/component_states.h"

#include <ctime>

#include <fmt/core.h>

#include "conf/value.h"

namespace naru::extensions::health_check {

using pipeline::ComponentStatus;

namespace {

// How much a state of a part says about the whole.
int Weight(ComponentStatus s) {
  switch (s) {
    case ComponentStatus::kOk:
      return 0;
    case ComponentStatus::kStopped:
      return 1;
    case ComponentStatus::kStopping:
      return 2;
    case ComponentStatus::kStarting:
      return 3;
    case ComponentStatus::kRecoverableError:
      return 4;
    case ComponentStatus::kPermanentError:
      return 5;
    case ComponentStatus::kFatalError:
      return 6;
  }
  return 0;
}

std::string Rfc3339(uint64_t unix_nano) {
  auto s = static_cast<time_t>(unix_nano / 1'000'000'000);
  tm t{};
  gmtime_r(&s, &t);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour,
                     t.tm_min, t.tm_sec, unix_nano % 1'000'000'000);
}

conf::Value Tree(const State& s, bool verbose) {
  conf::Value out = conf::Value::MakeMap();
  out.Set("healthy", conf::Value::Bool(s.healthy));
  out.Set("status", conf::Value::String(StatusName(s.event.status)));
  if (!s.event.error.empty()) out.Set("error", conf::Value::String(s.event.error));
  out.Set("status_time", conf::Value::String(Rfc3339(s.event.time)));
  out.Set("attributes", conf::Value::MakeMap());
  if (verbose && !s.parts.empty()) {
    conf::Value parts = conf::Value::MakeMap();
    for (auto& p : s.parts) parts.Set(p.name, Tree(p, true));
    out.Set("components", std::move(parts));
  }
  return out;
}

}  // namespace

States::States(const pipeline::StatusBoard::Snapshot& board, const pipeline::ServiceView& view,
               const conf::Optional<ComponentHealth>& health, uint64_t now)
    : board_(board), health_(health), now_(now) {
  State extensions;
  extensions.name = "extensions";
  for (auto& id : view.extensions) extensions.parts.push_back(Component("extension", id, ""));
  Judge(extensions);
  whole_.parts.push_back(std::move(extensions));
  for (auto& p : view.pipelines) {
    State s;
    s.name = "pipeline:" + p.id;
    for (auto& id : p.receivers) s.parts.push_back(Component("receiver", id, p.signal));
    for (auto& id : p.processors) s.parts.push_back(Component("processor", id, p.signal));
    for (auto& id : p.exporters) s.parts.push_back(Component("exporter", id, p.signal));
    Judge(s);
    whole_.parts.push_back(std::move(s));
  }
  Judge(whole_);
}

State States::Component(const std::string& kind, const std::string& id, const std::string& signal) const {
  State s;
  s.name = kind + ":" + id;
  s.event = board_.base;
  for (auto& key : {pipeline::StatusKey{kind, id, signal}, pipeline::StatusKey{kind, id, ""}}) {
    auto it = board_.events.find(key);
    if (it != board_.events.end()) s.event = it->second;
  }
  uint64_t lasted = now_ > s.event.time ? now_ - s.event.time : 0;
  switch (s.event.status) {
    case ComponentStatus::kOk:
      break;
    case ComponentStatus::kRecoverableError:
      s.healthy = !health_ || !health_->include_recoverable_errors ||
                  lasted < static_cast<uint64_t>(health_->recovery_duration.count());
      break;
    case ComponentStatus::kPermanentError:
      s.healthy = !health_ || !health_->include_permanent_errors;
      break;
    default:
      s.healthy = false;
  }
  return s;
}

// The worst part speaks for the whole; of equals the first.
void States::Judge(State& state) const {
  state.event = board_.base;
  state.healthy = board_.base.status == ComponentStatus::kOk;
  for (auto& p : state.parts) {
    if (Weight(p.event.status) > Weight(state.event.status)) state.event = p.event;
    state.healthy = state.healthy && p.healthy;
  }
}

const State* States::Pipeline(const std::string& id) const {
  for (auto& p : whole_.parts) {
    if (p.name == "pipeline:" + id) return &p;
  }
  return nullptr;
}

int HttpStatusOf(const State& s) {
  if (s.healthy) return 200;
  switch (s.event.status) {
    case ComponentStatus::kStarting:
    case ComponentStatus::kStopping:
    case ComponentStatus::kStopped:
      return 503;
    default:
      return 500;
  }
}

std::string ToJson(const State& state, uint64_t start_unix_nano, bool verbose) {
  conf::Value out = Tree(state, verbose);
  out.Set("start_time", conf::Value::String(Rfc3339(start_unix_nano)));
  return conf::ToJson(out);
}

}  // namespace naru::extensions::health_check
