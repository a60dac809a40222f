#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::exporters::file {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::exporters::file
