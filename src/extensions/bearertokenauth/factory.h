#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::extensions::bearertokenauth {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::extensions::bearertokenauth
