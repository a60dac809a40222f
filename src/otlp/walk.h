// The table of OTLP messages and the walk that checks bytes against it. Only validate.cc and sanitize.cc use it.
#pragma once

#include <cstdint>
#include <string_view>

#include "otlp/validate.h"

namespace naru::otlp {

/// Message types, as far as their fields are checked.
enum class Shape : uint8_t {
  kTracesRequest,
  kMetricsRequest,
  kLogsRequest,
  kProfilesRequest,
  kResourceSpans,
  kResourceMetrics,
  kResourceLogs,
  kResourceProfiles,
  kScopeSpans,
  kScopeMetrics,
  kScopeLogs,
  kScopeProfiles,
  kResource,
  kScope,
  kEntityRef,
  kKeyValue,
  kAnyValue,
  kArray,
  kKvlist,
  kSpan,
  kEvent,
  kLink,
  kStatus,
  kLogRecord,
  kMetric,
  kGauge,
  kSum,
  kHistogram,
  kExpHistogram,
  kSummary,
  kNumberPoint,
  kHistogramPoint,
  kExpHistogramPoint,
  kBuckets,
  kSummaryPoint,
  kQuantile,
  kExemplar,
  kProfile,
  kCount,
};

/// The shape of the message in field `number` of a message of that shape, or kCount when it is not a known message.
Shape ShapeOf(Shape message, uint32_t number);

/// Checks the bytes of one message of that shape, `depth` messages below the request. On a flaw, `at` is where it was
/// met.
Flaw CheckMessage(Shape shape, std::string_view bytes, int depth, const ValidateOptions& options, const char** at);

}  // namespace naru::otlp
