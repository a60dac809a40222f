#include "otlp/validate.h"

#include <array>

#include "otlp/fields.h"
#include "otlp/utf8.h"
#include "otlp/walk.h"
#include "wire/proto.h"

namespace naru::otlp {
namespace {

enum class Kind : uint8_t {
  kUnknown,
  kVarint,
  kFixed32,
  kFixed64,
  kString,
  kBytes,
  kMessage,
  kPackedVarint,
  kPackedFixed64,
  kId16,
  kId8
};

struct FieldRule {
  Kind kind = Kind::kUnknown;
  Shape message = Shape::kCount;
};

constexpr uint32_t kMaxField = 16;
using Rules = std::array<FieldRule, kMaxField + 1>;
using Table = std::array<Rules, static_cast<size_t>(Shape::kCount)>;

constexpr Table MakeTable() {
  Table t{};
  auto at = [&t](Shape s, uint32_t field) -> FieldRule& { return t[static_cast<size_t>(s)][field]; };
  auto scalar = [&](Shape s, Kind kind, auto... fields) { ((at(s, fields).kind = kind), ...); };
  auto message = [&](Shape s, uint32_t field, Shape sub) { at(s, field) = {Kind::kMessage, sub}; };
  struct Chain {
    Shape request, resource, scope, record;
  };
  constexpr Chain kChains[] = {
      {Shape::kTracesRequest, Shape::kResourceSpans, Shape::kScopeSpans, Shape::kSpan},
      {Shape::kMetricsRequest, Shape::kResourceMetrics, Shape::kScopeMetrics, Shape::kMetric},
      {Shape::kLogsRequest, Shape::kResourceLogs, Shape::kScopeLogs, Shape::kLogRecord},
      {Shape::kProfilesRequest, Shape::kResourceProfiles, Shape::kScopeProfiles, Shape::kProfile},
  };
  for (const Chain& c : kChains) {
    message(c.request, field::request::kResources, c.resource);
    message(c.resource, field::resource_items::kResource, Shape::kResource);
    message(c.resource, field::resource_items::kScopes, c.scope);
    scalar(c.resource, Kind::kString, field::resource_items::kSchemaUrl);
    message(c.scope, field::scope_items::kScope, Shape::kScope);
    message(c.scope, field::scope_items::kRecords, c.record);
    scalar(c.scope, Kind::kString, field::scope_items::kSchemaUrl);
  }
  scalar(Shape::kProfilesRequest, Kind::kBytes, field::request::kDictionary);
  scalar(Shape::kProfile, Kind::kBytes, field::profile::kSamples);

  message(Shape::kResource, field::resource::kAttributes, Shape::kKeyValue);
  scalar(Shape::kResource, Kind::kVarint, field::resource::kDroppedAttributes);
  message(Shape::kResource, field::resource::kEntityRefs, Shape::kEntityRef);
  {
    namespace f = field::scope;
    scalar(Shape::kScope, Kind::kString, f::kName, f::kVersion);
    message(Shape::kScope, f::kAttributes, Shape::kKeyValue);
    scalar(Shape::kScope, Kind::kVarint, f::kDroppedAttributes);
  }
  {
    namespace f = field::entity_ref;
    scalar(Shape::kEntityRef, Kind::kString, f::kSchemaUrl, f::kType, f::kIdKeys, f::kDescriptionKeys);
  }
  scalar(Shape::kKeyValue, Kind::kString, field::key_value::kKey);
  message(Shape::kKeyValue, field::key_value::kValue, Shape::kAnyValue);
  scalar(Shape::kKeyValue, Kind::kVarint, field::key_value::kKeyIndex);
  {
    namespace f = field::any_value;
    scalar(Shape::kAnyValue, Kind::kString, f::kString);
    scalar(Shape::kAnyValue, Kind::kVarint, f::kBool, f::kInt, f::kStringIndex);
    scalar(Shape::kAnyValue, Kind::kFixed64, f::kDouble);
    message(Shape::kAnyValue, f::kArray, Shape::kArray);
    message(Shape::kAnyValue, f::kKvlist, Shape::kKvlist);
    scalar(Shape::kAnyValue, Kind::kBytes, f::kBytes);
  }
  message(Shape::kArray, field::array_value::kValues, Shape::kAnyValue);
  message(Shape::kKvlist, field::kvlist::kValues, Shape::kKeyValue);
  {
    namespace f = field::span;
    scalar(Shape::kSpan, Kind::kId16, f::kTraceId);
    scalar(Shape::kSpan, Kind::kId8, f::kSpanId, f::kParentSpanId);
    scalar(Shape::kSpan, Kind::kString, f::kTraceState, f::kName);
    scalar(Shape::kSpan, Kind::kVarint, f::kKind, f::kDroppedAttributes, f::kDroppedEvents, f::kDroppedLinks);
    scalar(Shape::kSpan, Kind::kFixed64, f::kStart, f::kEnd);
    scalar(Shape::kSpan, Kind::kFixed32, f::kFlags);
    message(Shape::kSpan, f::kAttributes, Shape::kKeyValue);
    message(Shape::kSpan, f::kEvents, Shape::kEvent);
    message(Shape::kSpan, f::kLinks, Shape::kLink);
    message(Shape::kSpan, f::kStatus, Shape::kStatus);
  }
  {
    namespace f = field::event;
    scalar(Shape::kEvent, Kind::kFixed64, f::kTime);
    scalar(Shape::kEvent, Kind::kString, f::kName);
    message(Shape::kEvent, f::kAttributes, Shape::kKeyValue);
    scalar(Shape::kEvent, Kind::kVarint, f::kDroppedAttributes);
  }
  {
    namespace f = field::link;
    scalar(Shape::kLink, Kind::kId16, f::kTraceId);
    scalar(Shape::kLink, Kind::kId8, f::kSpanId);
    scalar(Shape::kLink, Kind::kString, f::kTraceState);
    message(Shape::kLink, f::kAttributes, Shape::kKeyValue);
    scalar(Shape::kLink, Kind::kVarint, f::kDroppedAttributes);
    scalar(Shape::kLink, Kind::kFixed32, f::kFlags);
  }
  scalar(Shape::kStatus, Kind::kString, field::status::kMessage);
  scalar(Shape::kStatus, Kind::kVarint, field::status::kCode);
  {
    namespace f = field::log_record;
    scalar(Shape::kLogRecord, Kind::kFixed64, f::kTime, f::kObservedTime);
    scalar(Shape::kLogRecord, Kind::kVarint, f::kSeverityNumber, f::kDroppedAttributes);
    scalar(Shape::kLogRecord, Kind::kString, f::kSeverityText, f::kEventName);
    scalar(Shape::kLogRecord, Kind::kFixed32, f::kFlags);
    scalar(Shape::kLogRecord, Kind::kId16, f::kTraceId);
    scalar(Shape::kLogRecord, Kind::kId8, f::kSpanId);
    message(Shape::kLogRecord, f::kBody, Shape::kAnyValue);
    message(Shape::kLogRecord, f::kAttributes, Shape::kKeyValue);
  }
  {
    namespace f = field::metric;
    scalar(Shape::kMetric, Kind::kString, f::kName, f::kDescription, f::kUnit);
    message(Shape::kMetric, f::kGauge, Shape::kGauge);
    message(Shape::kMetric, f::kSum, Shape::kSum);
    message(Shape::kMetric, f::kHistogram, Shape::kHistogram);
    message(Shape::kMetric, f::kExpHistogram, Shape::kExpHistogram);
    message(Shape::kMetric, f::kSummary, Shape::kSummary);
    message(Shape::kMetric, f::kMetadata, Shape::kKeyValue);
  }
  {
    namespace f = field::metric_data;
    message(Shape::kGauge, f::kPoints, Shape::kNumberPoint);
    message(Shape::kSum, f::kPoints, Shape::kNumberPoint);
    message(Shape::kHistogram, f::kPoints, Shape::kHistogramPoint);
    message(Shape::kExpHistogram, f::kPoints, Shape::kExpHistogramPoint);
    message(Shape::kSummary, f::kPoints, Shape::kSummaryPoint);
    for (Shape s : {Shape::kSum, Shape::kHistogram, Shape::kExpHistogram}) scalar(s, Kind::kVarint, f::kTemporality);
    scalar(Shape::kSum, Kind::kVarint, f::kMonotonic);
  }
  for (Shape s : {Shape::kNumberPoint, Shape::kHistogramPoint, Shape::kExpHistogramPoint, Shape::kSummaryPoint}) {
    scalar(s, Kind::kFixed64, field::point::kStart, field::point::kTime);
  }
  {
    namespace f = field::number_point;
    scalar(Shape::kNumberPoint, Kind::kFixed64, f::kDouble, f::kInt);
    message(Shape::kNumberPoint, f::kExemplars, Shape::kExemplar);
    message(Shape::kNumberPoint, f::kAttributes, Shape::kKeyValue);
    scalar(Shape::kNumberPoint, Kind::kVarint, f::kFlags);
  }
  {
    namespace f = field::histogram_point;
    scalar(Shape::kHistogramPoint, Kind::kFixed64, f::kCount, f::kSum, f::kMin, f::kMax);
    scalar(Shape::kHistogramPoint, Kind::kPackedFixed64, f::kBucketCounts, f::kBounds);
    message(Shape::kHistogramPoint, f::kExemplars, Shape::kExemplar);
    message(Shape::kHistogramPoint, f::kAttributes, Shape::kKeyValue);
    scalar(Shape::kHistogramPoint, Kind::kVarint, f::kFlags);
  }
  {
    namespace f = field::exp_histogram_point;
    constexpr Shape s = Shape::kExpHistogramPoint;
    message(s, f::kAttributes, Shape::kKeyValue);
    scalar(s, Kind::kFixed64, f::kCount, f::kSum, f::kZeroCount, f::kMin, f::kMax, f::kZeroThreshold);
    scalar(s, Kind::kVarint, f::kScale, f::kFlags);
    message(s, f::kPositive, Shape::kBuckets);
    message(s, f::kNegative, Shape::kBuckets);
    message(s, f::kExemplars, Shape::kExemplar);
  }
  scalar(Shape::kBuckets, Kind::kVarint, field::buckets::kOffset);
  scalar(Shape::kBuckets, Kind::kPackedVarint, field::buckets::kCounts);
  {
    namespace f = field::summary_point;
    scalar(Shape::kSummaryPoint, Kind::kFixed64, f::kCount, f::kSum);
    message(Shape::kSummaryPoint, f::kQuantiles, Shape::kQuantile);
    message(Shape::kSummaryPoint, f::kAttributes, Shape::kKeyValue);
    scalar(Shape::kSummaryPoint, Kind::kVarint, f::kFlags);
  }
  scalar(Shape::kQuantile, Kind::kFixed64, field::quantile::kQuantile, field::quantile::kValue);
  {
    namespace f = field::exemplar;
    scalar(Shape::kExemplar, Kind::kFixed64, f::kTime, f::kDouble, f::kInt);
    scalar(Shape::kExemplar, Kind::kId8, f::kSpanId);
    scalar(Shape::kExemplar, Kind::kId16, f::kTraceId);
    message(Shape::kExemplar, f::kAttributes, Shape::kKeyValue);
  }
  return t;
}

constexpr Table kTable = MakeTable();

// The walk. Pointers instead of a Reader, and the common forms (one-byte tags, short strings in attributes) before the
// general ones: this runs over every byte of every field.
template <bool kUtf8, bool kIds>
class Walk {
 public:
  bool Message(const uint8_t* p, const uint8_t* end, Shape shape, int depth);
  Flaw flaw = Flaw::kNone;
  const uint8_t* at = nullptr;

 private:
  bool Fail(Flaw why, const uint8_t* where) {
    flaw = why;
    at = where;
    return false;
  }
  bool Varint(const uint8_t*& p, const uint8_t* end, size_t most, uint64_t* v) {
    if (p < end && *p < 0x80) [[likely]] {
      *v = *p++;
      return true;
    }
    const uint8_t* start = p;
    uint64_t value = 0;
    for (size_t i = 0; i < most; ++i) {
      if (p == end) return Fail(Flaw::kTruncated, start);
      uint8_t b = *p++;
      value |= i < 9 ? static_cast<uint64_t>(b & 0x7f) << (7 * i) : 0;
      if (b < 0x80) {
        *v = value;
        return true;
      }
    }
    return Fail(Flaw::kVarint, start);
  }
  bool Text(const uint8_t* p, size_t n) {
    if (!kUtf8 || IsUtf8({reinterpret_cast<const char*>(p), n})) [[likely]]
      return true;
    return Fail(Flaw::kUtf8, p);
  }
  bool Packed(const uint8_t* p, const uint8_t* end) {
    uint64_t ignored;
    while (p < end) {
      if (!Varint(p, end, 10, &ignored)) return false;
    }
    return true;
  }
  bool Content(FieldRule rule, const uint8_t* p, size_t n, int depth);
  // A key and a string value, each shorter than 128 bytes and nothing else. False: look with the general code.
  bool PlainAttribute(const uint8_t* p, const uint8_t* end) {
    if (end - p < 4 || p[0] != 0x0a || p[1] >= 0x80) return false;
    size_t key = p[1];
    const uint8_t* v = p + 2 + key;
    if (end - p < static_cast<ptrdiff_t>(key + 6) || v[0] != 0x12 || v[1] >= 0x80 || v + 2 + v[1] != end) return false;
    if (v[2] != 0x0a || v[3] >= 0x80 || v + 4 + v[3] != end) return false;
    return !kUtf8 || (IsUtf8({reinterpret_cast<const char*>(p + 2), key}) &&
                      IsUtf8({reinterpret_cast<const char*>(v + 4), v[3]}));
  }
};

template <bool kUtf8, bool kIds>
bool Walk<kUtf8, kIds>::Content(FieldRule rule, const uint8_t* p, size_t n, int depth) {
  switch (rule.kind) {
    case Kind::kUnknown:
    case Kind::kBytes:
      return true;
    case Kind::kString:
      return Text(p, n);
    case Kind::kMessage:
      if (rule.message == Shape::kKeyValue && depth < kMaxDepth - 1 && PlainAttribute(p, p + n)) return true;
      if (depth >= kMaxDepth) return Fail(Flaw::kDepth, p);
      return Message(p, p + n, rule.message, depth + 1);
    case Kind::kPackedVarint:
      return Packed(p, p + n);
    case Kind::kPackedFixed64:
      return n % 8 == 0 || Fail(Flaw::kTruncated, p);
    case Kind::kId16:
      return !kIds || n == 0 || n == 16 || Fail(Flaw::kId, p);
    case Kind::kId8:
      return !kIds || n == 0 || n == 8 || Fail(Flaw::kId, p);
    case Kind::kVarint:
    case Kind::kFixed32:
    case Kind::kFixed64:
      break;
  }
  return Fail(Flaw::kWireType, p);
}

template <bool kUtf8, bool kIds>
bool Walk<kUtf8, kIds>::Message(const uint8_t* p, const uint8_t* end, Shape shape, int depth) {
  const Rules& rules = kTable[static_cast<size_t>(shape)];
  while (p < end) {
    const uint8_t* start = p;
    uint64_t tag, v;
    if (!Varint(p, end, 5, &tag)) {
      if (flaw == Flaw::kVarint) flaw = Flaw::kTag;
      return false;
    }
    if (tag < 8 || tag > UINT32_MAX) return Fail(Flaw::kTag, start);
    FieldRule rule = tag >> 3 <= kMaxField ? rules[tag >> 3] : FieldRule{};
    switch (tag & 7) {
      case wire::kLength:
        if (!Varint(p, end, 5, &v)) return false;
        if (v > static_cast<uint64_t>(end - p)) return Fail(Flaw::kTruncated, start);
        if (!Content(rule, p, v, depth)) return false;
        p += v;
        break;
      case wire::kVarint:
        if (!Varint(p, end, 10, &v)) return false;
        if (rule.kind != Kind::kVarint && rule.kind != Kind::kPackedVarint && rule.kind != Kind::kUnknown) {
          return Fail(Flaw::kWireType, start);
        }
        break;
      case wire::kFixed64:
        if (end - p < 8) return Fail(Flaw::kTruncated, start);
        p += 8;
        if (rule.kind != Kind::kFixed64 && rule.kind != Kind::kPackedFixed64 && rule.kind != Kind::kUnknown) {
          return Fail(Flaw::kWireType, start);
        }
        break;
      case wire::kFixed32:
        if (end - p < 4) return Fail(Flaw::kTruncated, start);
        p += 4;
        if (rule.kind != Kind::kFixed32 && rule.kind != Kind::kUnknown) return Fail(Flaw::kWireType, start);
        break;
      case 3:
      case 4:
        return Fail(Flaw::kGroup, start);
      default:
        return Fail(Flaw::kWireType, start);
    }
  }
  return true;
}

template <bool kUtf8, bool kIds>
Flaw Check(Shape shape, std::string_view bytes, int depth, const char** at) {
  Walk<kUtf8, kIds> walk;
  const uint8_t* p = reinterpret_cast<const uint8_t*>(bytes.data());
  walk.Message(p, p + bytes.size(), shape, depth);
  *at = reinterpret_cast<const char*>(walk.at);
  return walk.flaw;
}

}  // namespace

std::string_view FlawText(Flaw flaw) {
  switch (flaw) {
    case Flaw::kNone:
      return "no flaw";
    case Flaw::kTruncated:
      return "a field is longer than its message";
    case Flaw::kTag:
      return "an impossible field number";
    case Flaw::kVarint:
      return "a number without end";
    case Flaw::kGroup:
      return "a group, which OTLP does not have";
    case Flaw::kWireType:
      return "a field of another type than its own";
    case Flaw::kUtf8:
      return "a string is not valid UTF-8";
    case Flaw::kId:
      return "a trace id that is not 16 bytes long, or a span id that is not 8";
    case Flaw::kDepth:
      return "values nested too deeply";
  }
  return "";
}

Shape ShapeOf(Shape message, uint32_t number) {
  return number <= kMaxField ? kTable[static_cast<size_t>(message)][number].message : Shape::kCount;
}

Flaw CheckMessage(Shape shape, std::string_view bytes, int depth, const ValidateOptions& options, const char** at) {
  if (options.utf8) {
    return options.ids ? Check<true, true>(shape, bytes, depth, at) : Check<true, false>(shape, bytes, depth, at);
  }
  return options.ids ? Check<false, true>(shape, bytes, depth, at) : Check<false, false>(shape, bytes, depth, at);
}

Verdict Validate(Signal signal, std::string_view request, const ValidateOptions& options) {
  Verdict verdict;
  const char* at = nullptr;
  verdict.flaw = CheckMessage(static_cast<Shape>(signal), request, 0, options, &at);
  verdict.offset = verdict.ok() ? request.size() : static_cast<size_t>(at - request.data());
  return verdict;
}

}  // namespace naru::otlp
