#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::extensions::file_storage {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::extensions::file_storage
