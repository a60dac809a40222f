#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::extensions::basicauth {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::extensions::basicauth
