#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::exporters::loki {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::exporters::loki
