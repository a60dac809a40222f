#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::processors::memory_limiter {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::processors::memory_limiter
