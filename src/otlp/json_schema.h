// The table of OTLP messages as their JSON form sees them: one row a field, in the order in which the reference writes
// them. json_out.cc and json_in.cc are two walks over it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "wire/proto.h"

namespace naru::otlp::json {

enum class Msg : uint8_t {
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
  kCount,
};

enum class Type : uint8_t {
  kString,
  kBytes,    // base64
  kTraceId,  // 16 bytes, hex
  kSpanId,   // 8 bytes, hex
  kBool,
  kInt32,    // varint
  kUint32,   // varint
  kSint32,   // zigzag varint
  kFixed32,  // unsigned
  kInt64,    // varint; 64 bits are strings in JSON
  kUint64,   // varint
  kFixed64,  // unsigned
  kSfixed64,
  kDouble,
  kSpanKind,  // enums: varint, numbers in JSON
  kStatusCode,
  kSeverity,
  kTemporality,
  kMessage,
};

enum Flags : uint8_t {
  kRepeated = 1,
  kExplicit = 2,   // present or absent: its default is written too
  kAlways = 4,     // a message that the reference writes even when it is absent
  kChoice = 8,     // a member of the message's oneof
  kRequired = 16,  // without understanding it the message means nothing
  kRecord = 32,    // its elements are what is counted
};

struct Field {
  std::string_view name;
  uint8_t number;
  Type type;
  uint8_t flags = 0;
  Msg message = Msg::kCount;
  bool is(Flags f) const { return flags & f; }
};

inline constexpr size_t kMaxFields = 16;
inline constexpr uint32_t kMaxNumber = 16;

/// The fields of a message, at most kMaxFields, numbered at most kMaxNumber.
std::span<const Field> FieldsOf(Msg message);
/// The index in FieldsOf of the field with that number, or -1.
int IndexOf(Msg message, uint32_t number);
/// The wire type of one element.
wire::WireType WireTypeOf(Type type);

/// The number of an enum's name ("SPAN_KIND_SERVER"), or -1. `type` is one of the enum types.
int32_t EnumByName(Type type, std::string_view name);

}  // namespace naru::otlp::json
