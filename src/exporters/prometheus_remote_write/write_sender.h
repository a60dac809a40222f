// The I/O half of the prometheus_remote_write exporter: one HTTP client and one translator a loop.
#pragma once

#include <memory>

#include "exporters/prometheus_remote_write/config.h"
#include "net/http_client.h"
#include "pipeline/component.h"
#include "pipeline/sender.h"

namespace naru::exporters::prometheus_remote_write {

/// Sends a batch as one write request after another, each of about max_batch_size_bytes. What the backend refuses for
/// good is counted as rejected and the rest goes on; a failure that may pass leaves the whole batch to the next
/// attempt, for the backend knows samples that it has.
std::unique_ptr<pipeline::Sender> NewWriteSender(const Config& config, const pipeline::ExporterContext& context,
                                                 net::Loop& loop);

/// What an answer means: kOk for 2xx; 429 and 5xx are retryable, after the delay that Retry-After names; others are
/// permanent. The message has the status and the first line of the body, and for a 404 what Prometheus needs.
Error JudgeAnswer(const net::ClientResponse& answer, uint64_t unix_now);

}  // namespace naru::exporters::prometheus_remote_write
