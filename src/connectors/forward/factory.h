#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::connectors::forward {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::connectors::forward
