// Zero-copy views of OTLP messages. Parse walks one message once, keeps its scalars and remembers where its repeated
// fields lie; those are decoded while they are iterated. Nothing is allocated, every string_view points into the parsed
// bytes, which must outlive the view.
//
// Views are tolerant: any field order, of a scalar or a single message that occurs twice the last one wins (a member of
// a oneof unsets the others), unknown fields and fields of another wire type are passed over, and of a malformed
// message what stands before the flaw is seen. Validate (otlp/validate.h) is there to find flaws.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "otlp/fields.h"
#include "wire/proto.h"

namespace naru::otlp {

struct ViewEnd {};

/// Elements of a repeated message or string field, decoded one by one: for (const KeyValue& kv : span.attributes).
/// Iterating does not change it; a single pass each time.
template <class T>
class Repeated {
 public:
  class Iterator {
   public:
    Iterator(std::string_view range, uint32_t tag) : reader_(range), tag_(tag) { ++*this; }
    const T& operator*() const { return value_; }
    const T* operator->() const { return &value_; }
    Iterator& operator++() {
      while (uint32_t tag = reader_.Next()) {
        if (tag != tag_) {
          reader_.Skip(tag);
          continue;
        }
        std::string_view bytes = reader_.Bytes();
        if (!reader_.ok()) break;
        if constexpr (std::is_same_v<T, std::string_view>) {
          value_ = bytes;
        } else {
          value_ = T::Parse(bytes);
        }
        return *this;
      }
      at_end_ = true;
      return *this;
    }
    bool operator==(ViewEnd) const { return at_end_; }

   private:
    wire::Reader reader_;
    uint32_t tag_;
    bool at_end_ = false;
    T value_{};
  };

  Repeated() = default;
  /// Fields with number `field` among the fields in `range`, which other fields may stand between.
  Repeated(std::string_view range, uint32_t field) : range_(range), tag_(wire::Tag(field, wire::kLength)) {}
  Iterator begin() const { return Iterator(range_, tag_); }
  ViewEnd end() const { return {}; }
  bool empty() const { return begin() == end(); }
  /// Counts the elements: a walk over all of them, without decoding.
  size_t size() const {
    size_t n = 0;
    wire::Reader r(range_);
    while (uint32_t tag = r.Next()) {
      r.Skip(tag);
      n += tag == tag_ && r.ok();
    }
    return n;
  }
  /// The bytes from the first element to the last, with what stands between.
  std::string_view range() const { return range_; }
  /// The same elements as encoded bytes.
  Repeated<std::string_view> encoded() const {
    Repeated<std::string_view> raw;
    raw.range_ = range_;
    raw.tag_ = tag_;
    return raw;
  }

 private:
  template <class>
  friend class Repeated;
  std::string_view range_;
  uint32_t tag_ = 0;
};

/// Elements of a repeated number, packed or not. `kType` is the wire type of one element.
template <class T, wire::WireType kType>
class Numbers {
 public:
  class Iterator {
   public:
    Iterator(std::string_view range, uint32_t field) : outer_(range), field_(field) { ++*this; }
    T operator*() const { return value_; }
    Iterator& operator++() {
      for (;;) {
        if (packed_.ok() && !packed_.done()) {
          value_ = Read(packed_);
          if (packed_.ok()) return *this;
        }
        uint32_t tag = outer_.Next();
        if (tag == 0) break;
        if (tag == wire::Tag(field_, wire::kLength)) {
          packed_ = outer_.Message();
        } else if (tag == wire::Tag(field_, kType)) {
          value_ = Read(outer_);
          if (outer_.ok()) return *this;
        } else {
          outer_.Skip(tag);
        }
      }
      at_end_ = true;
      return *this;
    }
    bool operator==(ViewEnd) const { return at_end_; }

   private:
    static T Read(wire::Reader& r) {
      if constexpr (std::is_same_v<T, double>) return r.Double();
      if constexpr (kType == wire::kFixed64) return static_cast<T>(r.Fixed64());
      return static_cast<T>(r.Varint());
    }
    wire::Reader outer_, packed_;
    uint32_t field_;
    bool at_end_ = false;
    T value_ = 0;
  };

  Numbers() = default;
  Numbers(std::string_view range, uint32_t field) : range_(range), field_(field) {}
  Iterator begin() const { return Iterator(range_, field_); }
  ViewEnd end() const { return {}; }
  bool empty() const { return begin() == end(); }
  size_t size() const {
    size_t n = 0;
    for (auto it = begin(); !(it == end()); ++it) ++n;
    return n;
  }

 private:
  std::string_view range_;
  uint32_t field_ = 0;
};
using Fixed64s = Numbers<uint64_t, wire::kFixed64>;
using Doubles = Numbers<double, wire::kFixed64>;
using Varints = Numbers<uint64_t, wire::kVarint>;

struct KeyValue;

/// A value of any kind.
struct AnyValue {
  enum class Kind : uint8_t { kEmpty, kString, kBool, kInt, kDouble, kArray, kKvlist, kBytes };
  Kind kind = Kind::kEmpty;
  union {
    bool boolean;
    int64_t integer;
    double real;
  };
  /// Content of a string or bytes; the encoded ArrayValue or KeyValueList of the other two.
  std::string_view bytes;

  AnyValue() : integer(0) {}
  static AnyValue Parse(std::string_view bytes);
  /// Elements; only of kArray.
  Repeated<AnyValue> array() const;
  /// Entries; only of kKvlist.
  Repeated<KeyValue> kvlist() const;
};

struct KeyValue {
  std::string_view key;
  AnyValue value;
  std::string_view encoded_value;  // the bytes of `value`'s message; empty when absent
  static KeyValue Parse(std::string_view bytes);
};
using Attributes = Repeated<KeyValue>;

/// The first attribute of that name, or kEmpty. `found` (may be null) tells an empty value from an absent one. Compares
/// keys only, and parses just the hit: use it instead of a loop where one key is wanted.
AnyValue FindAttribute(const Attributes& attributes, std::string_view key, bool* found = nullptr);

struct EntityRef {
  std::string_view schema_url, type;
  Repeated<std::string_view> id_keys, description_keys;
  static EntityRef Parse(std::string_view bytes);
};

struct Resource {
  Attributes attributes;
  uint32_t dropped_attributes = 0;
  Repeated<EntityRef> entity_refs;
  static Resource Parse(std::string_view bytes);
};

struct InstrumentationScope {
  std::string_view name, version;
  Attributes attributes;
  uint32_t dropped_attributes = 0;
  static InstrumentationScope Parse(std::string_view bytes);
};

// Trace ids (16 bytes) and span ids (8 bytes) are passed as they are; empty means unset, other lengths are invalid but
// seen.

struct SpanEvent {
  uint64_t time = 0;  // ns since the epoch, as all times here
  std::string_view name;
  Attributes attributes;
  uint32_t dropped_attributes = 0;
  static SpanEvent Parse(std::string_view bytes);
};

struct SpanLink {
  std::string_view trace_id, span_id, trace_state;
  Attributes attributes;
  uint32_t dropped_attributes = 0;
  uint32_t flags = 0;
  static SpanLink Parse(std::string_view bytes);
};

struct SpanStatus {
  std::string_view message;
  int32_t code = 0;  // 0 unset, 1 ok, 2 error
  static SpanStatus Parse(std::string_view bytes);
};

struct Span {
  std::string_view trace_id, span_id, parent_span_id, trace_state, name;
  uint32_t flags = 0;
  int32_t kind = 0;  // 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer
  uint64_t start = 0, end = 0;
  Attributes attributes;
  Repeated<SpanEvent> events;
  Repeated<SpanLink> links;
  uint32_t dropped_attributes = 0, dropped_events = 0, dropped_links = 0;
  SpanStatus status;
  static Span Parse(std::string_view bytes);
};

struct LogRecord {
  uint64_t time = 0, observed_time = 0;
  int32_t severity_number = 0;  // 0 unspecified, 1-4 trace, 5-8 debug, 9-12 info, 13-16 warn, 17-20 error, 21-24 fatal
  std::string_view severity_text;
  AnyValue body;
  Attributes attributes;
  uint32_t dropped_attributes = 0;
  uint32_t flags = 0;
  std::string_view trace_id, span_id, event_name;
  static LogRecord Parse(std::string_view bytes);
};

enum class NumberKind : uint8_t { kNone, kInt, kDouble };

struct Exemplar {
  Attributes filtered_attributes;
  uint64_t time = 0;
  NumberKind number = NumberKind::kNone;
  int64_t integer = 0;
  double real = 0;
  std::string_view trace_id, span_id;
  static Exemplar Parse(std::string_view bytes);
};

/// A point of a gauge or a sum.
struct NumberPoint {
  Attributes attributes;
  uint64_t start = 0, time = 0;
  NumberKind number = NumberKind::kNone;
  int64_t integer = 0;
  double real = 0;
  Repeated<Exemplar> exemplars;
  uint32_t flags = 0;  // bit 0: no recorded value
  static NumberPoint Parse(std::string_view bytes);
};

struct HistogramPoint {
  Attributes attributes;
  uint64_t start = 0, time = 0, count = 0;
  bool has_sum = false, has_min = false, has_max = false;
  double sum = 0, min = 0, max = 0;
  Fixed64s bucket_counts;
  Doubles bounds;
  Repeated<Exemplar> exemplars;
  uint32_t flags = 0;
  static HistogramPoint Parse(std::string_view bytes);
};

struct ExpBuckets {
  int32_t offset = 0;
  Varints counts;
  static ExpBuckets Parse(std::string_view bytes);
};

struct ExpHistogramPoint {
  Attributes attributes;
  uint64_t start = 0, time = 0, count = 0, zero_count = 0;
  int32_t scale = 0;
  bool has_sum = false, has_min = false, has_max = false, has_positive = false, has_negative = false;
  double sum = 0, min = 0, max = 0, zero_threshold = 0;
  ExpBuckets positive, negative;
  Repeated<Exemplar> exemplars;
  uint32_t flags = 0;
  static ExpHistogramPoint Parse(std::string_view bytes);
};

struct Quantile {
  double quantile = 0, value = 0;
  static Quantile Parse(std::string_view bytes);
};

struct SummaryPoint {
  Attributes attributes;
  uint64_t start = 0, time = 0, count = 0;
  double sum = 0;
  Repeated<Quantile> quantiles;
  uint32_t flags = 0;
  static SummaryPoint Parse(std::string_view bytes);
};

struct Metric {
  enum class Kind : uint8_t { kEmpty, kGauge, kSum, kHistogram, kExpHistogram, kSummary };
  Kind kind = Kind::kEmpty;
  std::string_view name, description, unit;
  Attributes metadata;
  int32_t temporality = 0;  // 0 unspecified, 1 delta, 2 cumulative
  bool monotonic = false;
  std::string_view data;  // the encoded Gauge, Sum, ...
  static Metric Parse(std::string_view bytes);

  /// Points; T must be the type of `kind`: NumberPoint for gauges and sums, HistogramPoint, ExpHistogramPoint,
  /// SummaryPoint.
  template <class T>
  Repeated<T> points() const {
    return Repeated<T>(data, field::metric_data::kPoints);
  }
  size_t point_count() const { return points<std::string_view>().size(); }
};

/// ScopeSpans, ScopeLogs, ScopeMetrics, ScopeProfiles: T of records() is Span, LogRecord, Metric, or std::string_view
/// for the encoded records.
struct ScopeItems {
  InstrumentationScope scope;
  std::string_view encoded_scope, schema_url;
  Repeated<std::string_view> raw_records;
  template <class T>
  Repeated<T> records() const {
    return Repeated<T>(raw_records.range(), field::scope_items::kRecords);
  }
  static ScopeItems Parse(std::string_view bytes);
};

/// ResourceSpans, ResourceLogs, ResourceMetrics, ResourceProfiles.
struct ResourceItems {
  Resource resource;
  std::string_view encoded_resource, schema_url;
  Repeated<ScopeItems> scopes;
  static ResourceItems Parse(std::string_view bytes);
};

/// The resources of a request: for (const ResourceItems& r : Resources(bytes)) for (const ScopeItems& s : r.scopes) ...
inline Repeated<ResourceItems> Resources(std::string_view request) {
  return Repeated<ResourceItems>(request, field::request::kResources);
}

/// What an Export response says; both empty when everything was accepted.
struct PartialSuccess {
  int64_t rejected = 0;
  std::string_view message;
  /// Of an encoded Export*ServiceResponse.
  static PartialSuccess ParseResponse(std::string_view response);
};

}  // namespace naru::otlp
