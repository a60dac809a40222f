#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::exporters::console {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::exporters::console
