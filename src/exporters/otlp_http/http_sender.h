// The I/O half of the otlp_http exporter: one HTTP client a loop.
#pragma once

#include <memory>

#include "exporters/otlp_http/config.h"
#include "pipeline/component.h"
#include "pipeline/sender.h"

namespace naru::exporters::otlp_http {

/// Where items of a signal go: their own endpoint, or the common one with the signal's path.
std::string UrlFor(const Config& config, otlp::Signal signal);

std::unique_ptr<pipeline::Sender> NewHttpSender(const Config& config, const pipeline::ExporterContext& context,
                                                net::Loop& loop);

}  // namespace naru::exporters::otlp_http
