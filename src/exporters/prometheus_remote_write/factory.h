#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::exporters::prometheus_remote_write {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::exporters::prometheus_remote_write
