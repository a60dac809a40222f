#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::processors::resource {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::processors::resource
