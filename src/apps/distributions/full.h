// The component list of the full distribution. Two lines here add a component.
#pragma once

#include "collector/plan.h"

namespace naru::apps {

collector::Factories FullDistribution();

}  // namespace naru::apps
