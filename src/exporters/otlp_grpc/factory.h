#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::exporters::otlp_grpc {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::exporters::otlp_grpc
