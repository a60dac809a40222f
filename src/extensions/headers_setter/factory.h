#pragma once

#include <memory>

#include "pipeline/factory.h"

namespace naru::extensions::headers_setter {

std::unique_ptr<pipeline::Factory> NewFactory();

}  // namespace naru::extensions::headers_setter
