#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::processors::probabilistic_sampler {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::processors::probabilistic_sampler
