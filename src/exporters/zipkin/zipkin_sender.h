// The I/O half of the zipkin exporter: one HTTP client and one translator a loop.
#pragma once

#include <memory>

#include "exporters/zipkin/config.h"
#include "net/http_client.h"
#include "pipeline/component.h"
#include "pipeline/sender.h"

namespace naru::exporters::zipkin {

/// Sends a batch as one request, or as several of at most a few MiB, one after another (codec::zipkin::Limits). A
/// failure leaves what was not sent yet to the next attempt.
std::unique_ptr<pipeline::Sender> NewZipkinSender(const Config& config, const pipeline::ExporterContext& context,
                                                  net::Loop& loop);

/// What an answer means: kOk for 2xx. Permanent are 4xx but for 408 and 429, retryable all others, after the delay that
/// Retry-After names with 429 and 503. The message has the status and the first line of the body, cut to 1,024 bytes.
Error JudgeAnswer(const net::ClientResponse& answer, uint64_t unix_now);

}  // namespace naru::exporters::zipkin
