#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::processors::attributes {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::processors::attributes
