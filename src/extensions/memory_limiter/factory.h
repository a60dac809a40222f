#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::extensions::memory_limiter {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::extensions::memory_limiter
