#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::receivers::nop {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::receivers::nop
