// Field numbers of the OTLP messages (opentelemetry-proto 1.10), one namespace a message. Types stand beside the
// numbers that are not length-delimited: v = varint, z = zigzag varint, f32 and f64 = fixed, p = packed repeated.
#pragma once

#include <cstdint>

namespace naru::otlp::field {

/// Export*ServiceRequest and *Data: the same numbers for every signal.
namespace request {
inline constexpr uint32_t kResources = 1;   // repeated ResourceSpans, ResourceMetrics, ResourceLogs, ResourceProfiles
inline constexpr uint32_t kDictionary = 2;  // profiles only
}  // namespace request

/// ResourceSpans, ResourceMetrics, ResourceLogs, ResourceProfiles.
namespace resource_items {
inline constexpr uint32_t kResource = 1, kScopes = 2, kSchemaUrl = 3;
}
/// ScopeSpans, ScopeMetrics, ScopeLogs, ScopeProfiles.
namespace scope_items {
inline constexpr uint32_t kScope = 1, kRecords = 2, kSchemaUrl = 3;
}

// common and resource
namespace any_value {
inline constexpr uint32_t kString = 1, kBool = 2 /*v*/, kInt = 3 /*v*/, kDouble = 4 /*f64*/, kArray = 5, kKvlist = 6,
                          kBytes = 7;
inline constexpr uint32_t kStringIndex = 8 /*v, profiles only*/;
}  // namespace any_value
namespace array_value {
inline constexpr uint32_t kValues = 1;
}
namespace kvlist {
inline constexpr uint32_t kValues = 1;
}
namespace key_value {
inline constexpr uint32_t kKey = 1, kValue = 2, kKeyIndex = 3 /*v, profiles only*/;
}
namespace scope {
inline constexpr uint32_t kName = 1, kVersion = 2, kAttributes = 3, kDroppedAttributes = 4 /*v*/;
}
namespace resource {
inline constexpr uint32_t kAttributes = 1, kDroppedAttributes = 2 /*v*/, kEntityRefs = 3;
}
namespace entity_ref {
inline constexpr uint32_t kSchemaUrl = 1, kType = 2, kIdKeys = 3, kDescriptionKeys = 4;
}

// trace
namespace span {
inline constexpr uint32_t kTraceId = 1, kSpanId = 2, kTraceState = 3, kParentSpanId = 4, kName = 5, kKind = 6 /*v*/;
inline constexpr uint32_t kStart = 7 /*f64*/, kEnd = 8 /*f64*/, kAttributes = 9, kDroppedAttributes = 10 /*v*/,
                          kEvents = 11;
inline constexpr uint32_t kDroppedEvents = 12 /*v*/, kLinks = 13, kDroppedLinks = 14 /*v*/, kStatus = 15,
                          kFlags = 16 /*f32*/;
}  // namespace span
namespace event {
inline constexpr uint32_t kTime = 1 /*f64*/, kName = 2, kAttributes = 3, kDroppedAttributes = 4 /*v*/;
}
namespace link {
inline constexpr uint32_t kTraceId = 1, kSpanId = 2, kTraceState = 3, kAttributes = 4, kDroppedAttributes = 5 /*v*/,
                          kFlags = 6 /*f32*/;
}
namespace status {
inline constexpr uint32_t kMessage = 2, kCode = 3 /*v*/;
}

// logs
namespace log_record {
inline constexpr uint32_t kTime = 1 /*f64*/, kSeverityNumber = 2 /*v*/, kSeverityText = 3, kBody = 5, kAttributes = 6;
inline constexpr uint32_t kDroppedAttributes = 7 /*v*/, kFlags = 8 /*f32*/, kTraceId = 9, kSpanId = 10,
                          kObservedTime = 11 /*f64*/;
inline constexpr uint32_t kEventName = 12;
}  // namespace log_record

// metrics
namespace metric {
inline constexpr uint32_t kName = 1, kDescription = 2, kUnit = 3, kGauge = 5, kSum = 7, kHistogram = 9,
                          kExpHistogram = 10;
inline constexpr uint32_t kSummary = 11, kMetadata = 12;
/// Whether `number` is a member of the `data` oneof.
inline constexpr bool IsData(uint32_t number) {
  return number == kGauge || number == kSum || number == kHistogram || number == kExpHistogram || number == kSummary;
}
}  // namespace metric
/// Gauge, Sum, Histogram, ExponentialHistogram, Summary.
namespace metric_data {
inline constexpr uint32_t kPoints = 1, kTemporality = 2 /*v*/, kMonotonic = 3 /*v, Sum only*/;
}
/// The first three numbers are the same in all four kinds of data point.
namespace point {
inline constexpr uint32_t kStart = 2 /*f64*/, kTime = 3 /*f64*/;
}
namespace number_point {
inline constexpr uint32_t kDouble = 4 /*f64*/, kExemplars = 5, kInt = 6 /*f64*/, kAttributes = 7, kFlags = 8 /*v*/;
}
namespace histogram_point {
inline constexpr uint32_t kCount = 4 /*f64*/, kSum = 5 /*f64*/, kBucketCounts = 6 /*p f64*/, kBounds = 7 /*p f64*/,
                          kExemplars = 8;
inline constexpr uint32_t kAttributes = 9, kFlags = 10 /*v*/, kMin = 11 /*f64*/, kMax = 12 /*f64*/;
}  // namespace histogram_point
namespace exp_histogram_point {
inline constexpr uint32_t kAttributes = 1, kCount = 4 /*f64*/, kSum = 5 /*f64*/, kScale = 6 /*z*/,
                          kZeroCount = 7 /*f64*/;
inline constexpr uint32_t kPositive = 8, kNegative = 9, kFlags = 10 /*v*/, kExemplars = 11, kMin = 12 /*f64*/,
                          kMax = 13 /*f64*/;
inline constexpr uint32_t kZeroThreshold = 14 /*f64*/;
}  // namespace exp_histogram_point
namespace buckets {
inline constexpr uint32_t kOffset = 1 /*z*/, kCounts = 2 /*p v*/;
}
namespace summary_point {
inline constexpr uint32_t kCount = 4 /*f64*/, kSum = 5 /*f64*/, kQuantiles = 6, kAttributes = 7, kFlags = 8 /*v*/;
}
namespace quantile {
inline constexpr uint32_t kQuantile = 1 /*f64*/, kValue = 2 /*f64*/;
}
namespace exemplar {
inline constexpr uint32_t kTime = 2 /*f64*/, kDouble = 3 /*f64*/, kSpanId = 4, kTraceId = 5, kInt = 6 /*f64*/,
                          kAttributes = 7;
}

// profiles (v1development): as far as counting needs them
namespace profile {
inline constexpr uint32_t kSamples = 2;
}

// responses: Export*ServiceResponse and its partial success, the same numbers for every signal
namespace response {
inline constexpr uint32_t kPartialSuccess = 1;
}
namespace partial_success {
inline constexpr uint32_t kRejected = 1 /*v*/, kErrorMessage = 2;
}

}  // namespace naru::otlp::field
