#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::extensions::pprof {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::extensions::pprof
