#include "otlp/json_schema.h"

#include <array>

namespace naru::otlp::json {
namespace {

constexpr auto kM = Type::kMessage;

constexpr Field kTraces[] = {{"resourceSpans", 1, kM, kRepeated, Msg::kResourceSpans}};
constexpr Field kMetrics[] = {{"resourceMetrics", 1, kM, kRepeated, Msg::kResourceMetrics}};
constexpr Field kLogs[] = {{"resourceLogs", 1, kM, kRepeated, Msg::kResourceLogs}};
constexpr Field kProfiles[] = {{"resourceProfiles", 1, kM, kRepeated, Msg::kResourceProfiles},
                               {"dictionary", 2, kM, kAlways, Msg::kDictionary}};

constexpr Field kSchemaUrl = {"schemaUrl", 3, Type::kString};
constexpr Field kOfResource = {"resource", 1, kM, kAlways, Msg::kResource};
constexpr Field kResourceSpans[] = {kOfResource, {"scopeSpans", 2, kM, kRepeated, Msg::kScopeSpans}, kSchemaUrl};
constexpr Field kResourceMetrics[] = {kOfResource, {"scopeMetrics", 2, kM, kRepeated, Msg::kScopeMetrics}, kSchemaUrl};
constexpr Field kResourceLogs[] = {kOfResource, {"scopeLogs", 2, kM, kRepeated, Msg::kScopeLogs}, kSchemaUrl};
constexpr Field kResourceProfiles[] = {
    kOfResource, {"scopeProfiles", 2, kM, kRepeated, Msg::kScopeProfiles}, kSchemaUrl};

constexpr Field kOfScope = {"scope", 1, kM, kAlways, Msg::kScope};
constexpr Field kScopeSpans[] = {kOfScope, {"spans", 2, kM, kRepeated | kRecord, Msg::kSpan}, kSchemaUrl};
constexpr Field kScopeMetrics[] = {kOfScope, {"metrics", 2, kM, kRepeated, Msg::kMetric}, kSchemaUrl};
constexpr Field kScopeLogs[] = {kOfScope, {"logRecords", 2, kM, kRepeated | kRecord, Msg::kLogRecord}, kSchemaUrl};
constexpr Field kScopeProfiles[] = {kOfScope, {"profiles", 2, kM, kRepeated, Msg::kProfile}, kSchemaUrl};

constexpr Field Attributes(uint8_t number) {
  return {"attributes", number, kM, kRepeated, Msg::kKeyValue};
}
constexpr Field Dropped(uint8_t number) {
  return {"droppedAttributesCount", number, Type::kUint32};
}
constexpr Field kResource[] = {Attributes(1), Dropped(2), {"entityRefs", 3, kM, kRepeated, Msg::kEntityRef}};
constexpr Field kScope[] = {{"name", 1, Type::kString}, {"version", 2, Type::kString}, Attributes(3), Dropped(4)};
constexpr Field kEntityRef[] = {{"schemaUrl", 1, Type::kString},
                                {"type", 2, Type::kString},
                                {"idKeys", 3, Type::kString, kRepeated},
                                {"descriptionKeys", 4, Type::kString, kRepeated}};

constexpr Field kKeyValue[] = {
    {"key", 1, Type::kString}, {"value", 2, kM, kAlways | kRequired, Msg::kAnyValue}, {"keyStrindex", 3, Type::kInt32}};
constexpr uint8_t kOneOf = kExplicit | kChoice | kRequired;
constexpr Field kAnyValue[] = {
    {"stringValue", 1, Type::kString, kOneOf},       {"boolValue", 2, Type::kBool, kOneOf},
    {"intValue", 3, Type::kInt64, kOneOf},           {"doubleValue", 4, Type::kDouble, kOneOf},
    {"arrayValue", 5, kM, kOneOf, Msg::kArrayValue}, {"kvlistValue", 6, kM, kOneOf, Msg::kKvlist},
    {"bytesValue", 7, Type::kBytes, kOneOf},         {"stringValueStrindex", 8, Type::kInt32, kOneOf}};
constexpr Field kArrayValue[] = {{"values", 1, kM, kRepeated, Msg::kAnyValue}};
constexpr Field kKvlist[] = {{"values", 1, kM, kRepeated, Msg::kKeyValue}};

constexpr Field kSpan[] = {{"traceId", 1, Type::kTraceId, kRequired},
                           {"spanId", 2, Type::kSpanId, kRequired},
                           {"traceState", 3, Type::kString},
                           {"parentSpanId", 4, Type::kSpanId},
                           {"flags", 16, Type::kFixed32},
                           {"name", 5, Type::kString},
                           {"kind", 6, Type::kSpanKind},
                           {"startTimeUnixNano", 7, Type::kFixed64},
                           {"endTimeUnixNano", 8, Type::kFixed64},
                           Attributes(9),
                           Dropped(10),
                           {"events", 11, kM, kRepeated, Msg::kEvent},
                           {"droppedEventsCount", 12, Type::kUint32},
                           {"links", 13, kM, kRepeated, Msg::kLink},
                           {"droppedLinksCount", 14, Type::kUint32},
                           {"status", 15, kM, kAlways, Msg::kStatus}};
constexpr Field kEvent[] = {{"timeUnixNano", 1, Type::kFixed64}, {"name", 2, Type::kString}, Attributes(3), Dropped(4)};
constexpr Field kLink[] = {{"traceId", 1, Type::kTraceId, kRequired},
                           {"spanId", 2, Type::kSpanId, kRequired},
                           {"traceState", 3, Type::kString},
                           Attributes(4),
                           Dropped(5),
                           {"flags", 6, Type::kFixed32}};
constexpr Field kStatus[] = {{"message", 2, Type::kString}, {"code", 3, Type::kStatusCode}};

constexpr Field kLogRecord[] = {{"timeUnixNano", 1, Type::kFixed64},
                                {"observedTimeUnixNano", 11, Type::kFixed64},
                                {"severityNumber", 2, Type::kSeverity},
                                {"severityText", 3, Type::kString},
                                {"body", 5, kM, kAlways, Msg::kAnyValue},
                                Attributes(6),
                                Dropped(7),
                                {"flags", 8, Type::kFixed32},
                                {"traceId", 9, Type::kTraceId},
                                {"spanId", 10, Type::kSpanId},
                                {"eventName", 12, Type::kString}};

constexpr Field kMetric[] = {{"name", 1, Type::kString},
                             {"description", 2, Type::kString},
                             {"unit", 3, Type::kString},
                             {"gauge", 5, kM, kExplicit | kChoice, Msg::kGauge},
                             {"sum", 7, kM, kExplicit | kChoice, Msg::kSum},
                             {"histogram", 9, kM, kExplicit | kChoice, Msg::kHistogram},
                             {"exponentialHistogram", 10, kM, kExplicit | kChoice, Msg::kExpHistogram},
                             {"summary", 11, kM, kExplicit | kChoice, Msg::kSummary},
                             {"metadata", 12, kM, kRepeated, Msg::kKeyValue}};
constexpr Field Points(Msg point) {
  return {"dataPoints", 1, kM, kRepeated | kRecord, point};
}
constexpr Field kOfTemporality = {"aggregationTemporality", 2, Type::kTemporality};
constexpr Field kGauge[] = {Points(Msg::kNumberPoint)};
constexpr Field kSum[] = {Points(Msg::kNumberPoint), kOfTemporality, {"isMonotonic", 3, Type::kBool}};
constexpr Field kHistogram[] = {Points(Msg::kHistogramPoint), kOfTemporality};
constexpr Field kExpHistogram[] = {Points(Msg::kExpHistogramPoint), kOfTemporality};
constexpr Field kSummary[] = {Points(Msg::kSummaryPoint)};

constexpr Field kStart = {"startTimeUnixNano", 2, Type::kFixed64};
constexpr Field kTime = {"timeUnixNano", 3, Type::kFixed64};
constexpr Field Exemplars(uint8_t number) {
  return {"exemplars", number, kM, kRepeated, Msg::kExemplar};
}
constexpr Field kNumberPoint[] = {Attributes(7),
                                  kStart,
                                  kTime,
                                  {"asDouble", 4, Type::kDouble, kOneOf},
                                  {"asInt", 6, Type::kSfixed64, kOneOf},
                                  Exemplars(5),
                                  {"flags", 8, Type::kUint32}};
constexpr Field kHistogramPoint[] = {Attributes(9),
                                     kStart,
                                     kTime,
                                     {"count", 4, Type::kFixed64, kRequired},
                                     {"sum", 5, Type::kDouble, kExplicit},
                                     {"bucketCounts", 6, Type::kFixed64, kRepeated | kRequired},
                                     {"explicitBounds", 7, Type::kDouble, kRepeated | kRequired},
                                     Exemplars(8),
                                     {"flags", 10, Type::kUint32},
                                     {"min", 11, Type::kDouble, kExplicit},
                                     {"max", 12, Type::kDouble, kExplicit}};
constexpr Field kExpHistogramPoint[] = {Attributes(1),
                                        kStart,
                                        kTime,
                                        {"count", 4, Type::kFixed64, kRequired},
                                        {"sum", 5, Type::kDouble, kExplicit},
                                        {"scale", 6, Type::kSint32, kRequired},
                                        {"zeroCount", 7, Type::kFixed64, kRequired},
                                        {"positive", 8, kM, kAlways | kRequired, Msg::kBuckets},
                                        {"negative", 9, kM, kAlways | kRequired, Msg::kBuckets},
                                        {"flags", 10, Type::kUint32},
                                        Exemplars(11),
                                        {"min", 12, Type::kDouble, kExplicit},
                                        {"max", 13, Type::kDouble, kExplicit},
                                        {"zeroThreshold", 14, Type::kDouble}};
constexpr Field kBuckets[] = {{"offset", 1, Type::kSint32, kRequired},
                              {"bucketCounts", 2, Type::kUint64, kRepeated | kRequired}};
constexpr Field kSummaryPoint[] = {Attributes(7),
                                   kStart,
                                   kTime,
                                   {"count", 4, Type::kFixed64, kRequired},
                                   {"sum", 5, Type::kDouble, kRequired},
                                   {"quantileValues", 6, kM, kRepeated, Msg::kQuantile},
                                   {"flags", 8, Type::kUint32}};
constexpr Field kQuantile[] = {{"quantile", 1, Type::kDouble, kRequired}, {"value", 2, Type::kDouble, kRequired}};
constexpr Field kExemplar[] = {{"filteredAttributes", 7, kM, kRepeated, Msg::kKeyValue},
                               {"timeUnixNano", 2, Type::kFixed64},
                               {"asDouble", 3, Type::kDouble, kOneOf},
                               {"asInt", 6, Type::kSfixed64, kOneOf},
                               {"traceId", 5, Type::kTraceId},
                               {"spanId", 4, Type::kSpanId}};

constexpr Field AttributeIndices(uint8_t number) {
  return {"attributeIndices", number, Type::kInt32, kRepeated};
}
constexpr Field kProfile[] = {{"sampleType", 1, kM, kAlways, Msg::kValueType},
                              {"samples", 2, kM, kRepeated | kRecord, Msg::kSample},
                              {"timeUnixNano", 3, Type::kFixed64},
                              {"durationNano", 4, Type::kUint64},
                              {"periodType", 5, kM, kAlways, Msg::kValueType},
                              {"period", 6, Type::kInt64},
                              {"profileId", 7, Type::kTraceId},
                              Dropped(8),
                              {"originalPayloadFormat", 9, Type::kString},
                              {"originalPayload", 10, Type::kBytes},
                              AttributeIndices(11)};
constexpr Field kSample[] = {{"stackIndex", 1, Type::kInt32, kRequired},
                             AttributeIndices(2),
                             {"linkIndex", 3, Type::kInt32},
                             {"values", 4, Type::kInt64, kRepeated | kRequired},
                             {"timestampsUnixNano", 5, Type::kFixed64, kRepeated | kRequired}};
constexpr Field kValueType[] = {{"typeStrindex", 1, Type::kInt32}, {"unitStrindex", 2, Type::kInt32}};
constexpr Field kDictionary[] = {
    {"mappingTable", 1, kM, kRepeated, Msg::kMapping},   {"locationTable", 2, kM, kRepeated, Msg::kLocation},
    {"functionTable", 3, kM, kRepeated, Msg::kFunction}, {"linkTable", 4, kM, kRepeated, Msg::kProfileLink},
    {"stringTable", 5, Type::kString, kRepeated},        {"attributeTable", 6, kM, kRepeated, Msg::kKeyValueAndUnit},
    {"stackTable", 7, kM, kRepeated, Msg::kStack}};
constexpr Field kMapping[] = {{"memoryStart", 1, Type::kUint64},
                              {"memoryLimit", 2, Type::kUint64},
                              {"fileOffset", 3, Type::kUint64},
                              {"filenameStrindex", 4, Type::kInt32},
                              AttributeIndices(5)};
constexpr Field kLocation[] = {{"mappingIndex", 1, Type::kInt32},
                               {"address", 2, Type::kUint64},
                               {"lines", 3, kM, kRepeated, Msg::kLine},
                               AttributeIndices(4)};
constexpr Field kLine[] = {{"functionIndex", 1, Type::kInt32}, {"line", 2, Type::kInt64}, {"column", 3, Type::kInt64}};
constexpr Field kFunction[] = {{"nameStrindex", 1, Type::kInt32},
                               {"systemNameStrindex", 2, Type::kInt32},
                               {"filenameStrindex", 3, Type::kInt32},
                               {"startLine", 4, Type::kInt64}};
constexpr Field kProfileLink[] = {{"traceId", 1, Type::kTraceId}, {"spanId", 2, Type::kSpanId}};
constexpr Field kKeyValueAndUnit[] = {
    {"keyStrindex", 1, Type::kInt32}, {"value", 2, kM, kAlways, Msg::kAnyValue}, {"unitStrindex", 3, Type::kInt32}};
constexpr Field kStack[] = {{"locationIndices", 1, Type::kInt32, kRepeated}};

// In the order of Msg.
constexpr std::span<const Field> kMessages[] = {
    kTraces,
    kMetrics,
    kLogs,
    kProfiles,
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
    kArrayValue,
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
    kSample,
    kValueType,
    kDictionary,
    kMapping,
    kLocation,
    kLine,
    kFunction,
    kProfileLink,
    kKeyValueAndUnit,
    kStack,
};
static_assert(std::size(kMessages) == static_cast<size_t>(Msg::kCount));

struct NumberIndex {
  int8_t at[static_cast<size_t>(Msg::kCount)][kMaxNumber + 1];
};
constexpr NumberIndex BuildIndex() {
  NumberIndex index{};
  for (size_t m = 0; m < static_cast<size_t>(Msg::kCount); ++m) {
    for (auto& i : index.at[m]) i = -1;
    for (size_t i = 0; i < kMessages[m].size(); ++i) index.at[m][kMessages[m][i].number] = static_cast<int8_t>(i);
  }
  return index;
}
constexpr NumberIndex kIndex = BuildIndex();

constexpr bool Bounded() {
  for (auto fields : kMessages) {
    if (fields.size() > kMaxFields) return false;
  }
  return true;
}
static_assert(Bounded());

constexpr std::string_view kSpanKinds[] = {"UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"};
constexpr std::string_view kStatusCodes[] = {"UNSET", "OK", "ERROR"};
constexpr std::string_view kTemporalities[] = {"UNSPECIFIED", "DELTA", "CUMULATIVE"};
constexpr std::string_view kSeverities[] = {"UNSPECIFIED", "TRACE",  "TRACE2", "TRACE3", "TRACE4", "DEBUG",  "DEBUG2",
                                            "DEBUG3",      "DEBUG4", "INFO",   "INFO2",  "INFO3",  "INFO4",  "WARN",
                                            "WARN2",       "WARN3",  "WARN4",  "ERROR",  "ERROR2", "ERROR3", "ERROR4",
                                            "FATAL",       "FATAL2", "FATAL3", "FATAL4"};

struct EnumNames {
  std::string_view prefix;
  std::span<const std::string_view> names;
};

}  // namespace

std::span<const Field> FieldsOf(Msg message) {
  return kMessages[static_cast<size_t>(message)];
}

int IndexOf(Msg message, uint32_t number) {
  return number > kMaxNumber ? -1 : kIndex.at[static_cast<size_t>(message)][number];
}

wire::WireType WireTypeOf(Type type) {
  switch (type) {
    case Type::kString:
    case Type::kBytes:
    case Type::kTraceId:
    case Type::kSpanId:
    case Type::kMessage:
      return wire::kLength;
    case Type::kFixed32:
      return wire::kFixed32;
    case Type::kFixed64:
    case Type::kSfixed64:
    case Type::kDouble:
      return wire::kFixed64;
    default:
      return wire::kVarint;
  }
}

int32_t EnumByName(Type type, std::string_view name) {
  EnumNames e;
  switch (type) {
    case Type::kSpanKind:
      e = {"SPAN_KIND_", kSpanKinds};
      break;
    case Type::kStatusCode:
      e = {"STATUS_CODE_", kStatusCodes};
      break;
    case Type::kSeverity:
      e = {"SEVERITY_NUMBER_", kSeverities};
      break;
    case Type::kTemporality:
      e = {"AGGREGATION_TEMPORALITY_", kTemporalities};
      break;
    default:
      return -1;
  }
  if (!name.starts_with(e.prefix)) return -1;
  name.remove_prefix(e.prefix.size());
  for (size_t i = 0; i < e.names.size(); ++i) {
    if (e.names[i] == name) return static_cast<int32_t>(i);
  }
  return -1;
}

}  // namespace naru::otlp::json
