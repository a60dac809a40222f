// The feature gates that the command line of the collector knows.
#pragma once

#include <string_view>

#include "conf/feature_gates.h"

namespace naru::apps {

/// Alpha of the reference: pipelines of profiles.
inline constexpr std::string_view kProfilesGate = "service.profilesSupport";
/// Alpha of the reference: a service without pipelines.
inline constexpr std::string_view kNoPipelinesGate = "service.AllowNoPipelines";

/// The gates that naru obeys, and all others of the reference 0.155 with its ids and stages, so that a command line
/// that starts the reference starts naru. The description of a gate says if it does nothing here.
conf::FeatureGates KnownGates();

}  // namespace naru::apps
