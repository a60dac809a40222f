#include "conf/feature_gates.h"

#include <algorithm>

#include <fmt/core.h>

#include "conf/component_id.h"

namespace naru::conf {

std::string_view StageName(GateStage stage) {
  switch (stage) {
    case GateStage::kAlpha:
      return "Alpha";
    case GateStage::kBeta:
      return "Beta";
    case GateStage::kStable:
      return "Stable";
    case GateStage::kDeprecated:
      return "Deprecated";
  }
  return "";
}

FeatureGates::FeatureGates() {
  gates_[std::string(kMergeAppendGate)].gate = {
      std::string(kMergeAppendGate), GateStage::kAlpha,
      "Lists of extensions, and of receivers and exporters of pipelines, are joined when configurations merge",
      "v0.120.0", ""};
}

Status FeatureGates::Register(FeatureGate gate) {
  bool valid = !gate.id.empty() && std::all_of(gate.id.begin(), gate.id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.';
  });
  if (!valid)
    return Fail(Code::kInvalidArgument, "the id \"{}\" of a feature gate is not letters, digits and dots", gate.id);
  if (Find(gate.id)) return Fail(Code::kAlreadyExists, "feature gate \"{}\" is already registered", gate.id);
  bool ends = gate.stage == GateStage::kStable || gate.stage == GateStage::kDeprecated;
  if (ends && gate.to_version.empty())
    return Fail(Code::kInvalidArgument, "{} feature gate \"{}\" needs the version that removes it",
                StageName(gate.stage), gate.id);
  bool on = gate.stage == GateStage::kBeta || gate.stage == GateStage::kStable;
  std::string id = gate.id;
  gates_[id] = {std::move(gate), on};
  return {};
}

Status FeatureGates::Apply(std::string_view flag, const std::function<void(const std::string&)>& notice) {
  if (flag.empty()) return {};
  std::string errors;
  for (size_t at = 0; at <= flag.size();) {
    size_t comma = std::min(flag.find(',', at), flag.size());
    std::string_view id = flag.substr(at, comma - at);
    at = comma + 1;
    bool on = true;
    if (!id.empty() && (id[0] == '-' || id[0] == '+')) {
      on = id[0] == '+';
      id.remove_prefix(1);
    }
    if (auto status = Set(id, on, notice); !status) errors += (errors.empty() ? "" : "\n") + status.error().message;
  }
  if (!errors.empty()) return Fail(Code::kInvalidArgument, "{}", errors);
  return {};
}

Status FeatureGates::Set(std::string_view id, bool enabled, const std::function<void(const std::string&)>& notice) {
  auto it = gates_.find(id);
  if (it == gates_.end()) return Unknown(id);
  const FeatureGate& gate = it->second.gate;
  if (gate.stage == GateStage::kAlpha || gate.stage == GateStage::kBeta) {
    it->second.enabled = enabled;
    return {};
  }
  bool stable = gate.stage == GateStage::kStable;
  if (enabled != stable)
    return Fail(Code::kInvalidArgument, "feature gate \"{}\" is {}, can not be {}", id,
                stable ? "stable" : "deprecated", stable ? "disabled" : "enabled");
  if (notice)
    notice(fmt::format("feature gate \"{}\" is {} for good and ends with {}: leave it out", id,
                       stable ? "enabled" : "disabled", gate.to_version));
  return {};
}

Unexpected FeatureGates::Unknown(std::string_view id) const {
  std::vector<std::string> ids;
  std::string list;
  for (auto& g : gates_) {
    ids.push_back(g.first);
    list += (list.empty() ? "" : ", ") + g.first;
  }
  return Fail(Code::kInvalidArgument, "no such feature gate \"{}\"{}. valid gates: {}", id, DidYouMean(id, ids), list);
}

bool FeatureGates::Enabled(std::string_view id) const {
  const State* s = Find(id);
  return s && s->enabled;
}

const FeatureGates::State* FeatureGates::Find(std::string_view id) const {
  auto it = gates_.find(id);
  return it == gates_.end() ? nullptr : &it->second;
}

std::string FeatureGates::Table() const {
  size_t id_width = 2, stage_width = 5;
  for (auto& [id, state] : gates_) {
    id_width = std::max(id_width, id.size());
    stage_width = std::max(stage_width, StageName(state.gate.stage).size());
  }
  std::string out =
      fmt::format("{:{}}  {:7}  {:{}}  {}\n", "ID", id_width, "Enabled", "Stage", stage_width, "Description");
  for (auto& [id, state] : gates_) {
    out += fmt::format("{:{}}  {:7}  {:{}}  {}\n", id, id_width, state.enabled ? "true" : "false",
                       StageName(state.gate.stage), stage_width, state.gate.description);
  }
  return out;
}

Result<std::string> FeatureGates::Describe(std::string_view id) const {
  const State* s = Find(id);
  if (!s) return Unknown(id);
  std::string out = fmt::format("Feature: {}\nEnabled: {}\nStage: {}\nDescription: {}\n", id, s->enabled,
                                StageName(s->gate.stage), s->gate.description);
  if (!s->gate.from_version.empty()) out += "From Version: " + s->gate.from_version + "\n";
  if (!s->gate.to_version.empty()) out += "To Version: " + s->gate.to_version + "\n";
  return out;
}

}  // namespace naru::conf
