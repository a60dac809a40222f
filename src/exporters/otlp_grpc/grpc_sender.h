// The I/O half of the otlp_grpc exporter: one gRPC client a loop.
#pragma once

#include <memory>

#include "exporters/otlp_grpc/config.h"
#include "pipeline/component.h"
#include "pipeline/sender.h"

namespace naru::exporters::otlp_grpc {

std::unique_ptr<pipeline::Sender> NewGrpcSender(const Config& config, const pipeline::ExporterContext& context,
                                                net::Loop& loop);

}  // namespace naru::exporters::otlp_grpc
