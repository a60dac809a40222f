// Feature gates: names under which behaviour is switched on or off from the command line while it matures.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace naru::conf {

/// How mature a gate is, and what the command line may do with it.
enum class GateStage : uint8_t {
  kAlpha,       // off, may be switched on
  kBeta,        // on, may be switched off
  kStable,      // on for good: switching it off is an error, switching it on only a notice
  kDeprecated,  // off for good: switching it on is an error, switching it off only a notice
};
/// "Alpha", "Beta", "Stable", "Deprecated".
std::string_view StageName(GateStage stage);

struct FeatureGate {
  std::string id;  // letters, digits and dots
  GateStage stage = GateStage::kAlpha;
  std::string description;
  std::string from_version;  // "v0.120.0", may be empty
  std::string to_version;    // for stable and deprecated gates: where the name ends
};

/// Appending instead of replacing some lists when configurations merge (MergeOptions::append_lists).
inline constexpr std::string_view kMergeAppendGate = "confmap.enableMergeAppendOption";

/// The gates of one process. Filled and set before anything runs, then only read: not thread-safe while it is changed.
class FeatureGates {
 public:
  /// With the gates that conf itself obeys.
  FeatureGates();

  /// Adds a gate in the state of its stage. Fails on a wrong or known id, and on a stable or deprecated gate without a
  /// to_version.
  Status Register(FeatureGate gate);

  /// Applies the value of --feature-gates: ids with commas between; `-` before an id switches it off, `+` or nothing
  /// on. Every part that can be applied is; the error names all others, one a line. `notice` is told of gates that have
  /// no choice left.
  Status Apply(std::string_view flag, const std::function<void(const std::string&)>& notice = {});

  /// False for ids that nobody registered.
  bool Enabled(std::string_view id) const;

  struct State {
    FeatureGate gate;
    bool enabled = false;
  };
  /// The gate, or null.
  const State* Find(std::string_view id) const;
  /// All gates, in order of their ids.
  const std::map<std::string, State, std::less<>>& all() const { return gates_; }

  /// The table that `naru featuregate` prints: ID, Enabled, Stage, Description.
  std::string Table() const;
  /// The details of one gate, a line each; an error for an unknown id.
  Result<std::string> Describe(std::string_view id) const;

 private:
  Status Set(std::string_view id, bool enabled, const std::function<void(const std::string&)>& notice);
  Unexpected Unknown(std::string_view id) const;

  std::map<std::string, State, std::less<>> gates_;
};

}  // namespace naru::conf
