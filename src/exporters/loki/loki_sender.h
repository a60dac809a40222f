// The I/O half of the loki exporter: one HTTP client and one translator a loop.
#pragma once

#include <memory>

#include "exporters/loki/config.h"
#include "net/http_client.h"
#include "pipeline/component.h"
#include "pipeline/sender.h"

namespace naru::exporters::loki {

/// Sends a batch as one push request a tenant, one after another, cut into rounds of about 1 MiB
/// (codec::loki::Limits). A failure leaves what was not pushed yet to the next attempt.
std::unique_ptr<pipeline::Sender> NewLokiSender(const Config& config, const pipeline::ExporterContext& context,
                                                net::Loop& loop);

/// What an answer of Loki's means: kOk for 2xx. Permanent are 4xx but for 429, retryable all others, after the delay
/// that Retry-After names with 429 and 503. The message has the status and the first line of the body, cut to 1,024
/// bytes.
Error JudgeAnswer(const net::ClientResponse& answer, uint64_t unix_now);

}  // namespace naru::exporters::loki
