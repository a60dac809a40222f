#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::extensions::health_check {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::extensions::health_check
