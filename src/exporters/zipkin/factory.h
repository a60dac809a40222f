#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::exporters::zipkin {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::exporters::zipkin
