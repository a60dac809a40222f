#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::exporters::debug {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::exporters::debug
