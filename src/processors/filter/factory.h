#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::processors::filter {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::processors::filter
