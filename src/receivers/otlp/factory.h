#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::receivers::otlp {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::receivers::otlp
