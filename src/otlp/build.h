// Building OTLP requests straight in wire form: self-telemetry, `naru send`, receivers of other formats, tests.
//
//   RequestBuilder b(Signal::kTraces);
//   b.Resource({{"service.name", "shop"}});
//   b.Scope("checkout", "1.2");
//   b.Add(SpanData{.trace_id = id, .span_id = span, .name = "pay", .start = t0, .end = t1, .attributes =
//   {{"http.status", 200}}}); Slice request = b.Finish();
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "otlp/signal.h"
#include "otlp/views.h"
#include "wire/proto.h"

namespace naru::otlp {

/// A borrowed list for the length of a call: from a braced list, a vector or a span. A braced list dies with its
/// statement, so that SpanData and its like are best written in the call that takes them.
template <class T>
class List {
 public:
  List() = default;
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winit-list-lifetime"  // as said above
#endif
  List(std::initializer_list<T> items)
      : data_(items.begin()), size_(items.size()) {}  // NOLINT(google-explicit-constructor)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
  List(std::span<const T> items) : data_(items.data()), size_(items.size()) {}  // NOLINT(google-explicit-constructor)
  List(const std::vector<T>& items)
      : data_(items.data()), size_(items.size()) {}  // NOLINT(google-explicit-constructor)
  const T* begin() const {
    return data_;
  }
  const T* end() const {
    return data_ + size_;
  }
  size_t size() const {
    return size_;
  }
  bool empty() const {
    return size_ == 0;
  }

 private:
  const T* data_ = nullptr;
  size_t size_ = 0;
};

/// A value to write; borrows its strings.
struct Value {
  enum class Kind : uint8_t { kEmpty, kString, kBool, kInt, kDouble, kBytes, kEncoded };
  Kind kind = Kind::kEmpty;
  union {
    bool boolean;
    int64_t integer = 0;
    double real;
  };
  std::string_view bytes;

  Value() {}
  Value(std::string_view s) : kind(Kind::kString), bytes(s) {}            // NOLINT
  Value(const std::string& s) : kind(Kind::kString), bytes(s) {}          // NOLINT
  Value(const char* s) : kind(Kind::kString), bytes(s) {}                 // NOLINT
  Value(std::same_as<bool> auto b) : kind(Kind::kBool), boolean(b) {}     // NOLINT
  Value(std::floating_point auto d) : kind(Kind::kDouble), real(d) {}     // NOLINT
  Value(std::integral auto i) requires(!std::same_as<decltype(i), bool>)  // NOLINT
      : kind(Kind::kInt), integer(static_cast<int64_t>(i)) {}
  static Value OfBytes(std::string_view b) {
    Value v(b);
    v.kind = Kind::kBytes;
    return v;
  }
  /// An AnyValue message that is already encoded (see EncodeArray, EncodeKvlist).
  static Value Encoded(std::string_view any_value) {
    Value v(any_value);
    v.kind = Kind::kEncoded;
    return v;
  }
};

struct Attr {
  std::string_view key;
  Value value;
};

/// Writes an AnyValue as field `field`.
void WriteValue(wire::Writer& w, uint32_t field, const Value& value);
/// Writes a KeyValue as field `field`.
void WriteAttribute(wire::Writer& w, uint32_t field, std::string_view key, const Value& value);
void WriteAttributes(wire::Writer& w, uint32_t field, List<Attr> attributes);

/// Encoded AnyValue messages.
std::string EncodeValue(const Value& value);
std::string EncodeArray(List<Value> elements);
std::string EncodeKvlist(List<Attr> entries);

struct EventData {
  uint64_t time = 0;
  std::string_view name;
  List<Attr> attributes;
  uint32_t dropped_attributes = 0;
};

struct LinkData {
  std::string_view trace_id, span_id, trace_state;
  List<Attr> attributes;
  uint32_t dropped_attributes = 0;
  uint32_t flags = 0;
};

struct SpanData {
  std::string_view trace_id, span_id, parent_span_id, trace_state, name;
  uint32_t flags = 0;
  int32_t kind = 0;
  uint64_t start = 0, end = 0;
  List<Attr> attributes;
  List<EventData> events;
  List<LinkData> links;
  uint32_t dropped_attributes = 0, dropped_events = 0, dropped_links = 0;
  int32_t status_code = 0;
  std::string_view status_message;
};

struct LogData {
  uint64_t time = 0, observed_time = 0;
  int32_t severity_number = 0;
  std::string_view severity_text;
  Value body;
  List<Attr> attributes;
  uint32_t dropped_attributes = 0;
  uint32_t flags = 0;
  std::string_view trace_id, span_id, event_name;
};

struct MetricData {
  std::string_view name, description, unit;
  Metric::Kind kind = Metric::Kind::kGauge;
  int32_t temporality = 0;  // 1 delta, 2 cumulative; not for gauges and summaries
  bool monotonic = false;   // sums only
  List<Attr> metadata;
};

struct ExemplarData {
  List<Attr> filtered_attributes;
  uint64_t time = 0;
  Value number;  // kInt or kDouble
  std::string_view trace_id, span_id;
};

struct NumberPointData {
  List<Attr> attributes;
  uint64_t start = 0, time = 0;
  Value number;  // kInt, kDouble, or empty
  List<ExemplarData> exemplars;
  uint32_t flags = 0;
};

struct HistogramPointData {
  List<Attr> attributes;
  uint64_t start = 0, time = 0, count = 0;
  bool has_sum = false, has_min = false, has_max = false;
  double sum = 0, min = 0, max = 0;
  List<uint64_t> bucket_counts;
  List<double> bounds;
  List<ExemplarData> exemplars;
  uint32_t flags = 0;
};

struct ExpBucketsData {
  int32_t offset = 0;
  List<uint64_t> counts;
};

struct ExpHistogramPointData {
  List<Attr> attributes;
  uint64_t start = 0, time = 0, count = 0, zero_count = 0;
  int32_t scale = 0;
  bool has_sum = false, has_min = false, has_max = false;
  double sum = 0, min = 0, max = 0, zero_threshold = 0;
  ExpBucketsData positive, negative;
  List<ExemplarData> exemplars;
  uint32_t flags = 0;
};

struct QuantileData {
  double quantile = 0, value = 0;
};

struct SummaryPointData {
  List<Attr> attributes;
  uint64_t start = 0, time = 0, count = 0;
  double sum = 0;
  List<QuantileData> quantiles;
  uint32_t flags = 0;
};

/// Writes one request from front to back. Calls nest by order: a Resource, its Scopes, their records; of metrics a
/// Metric, then its points, whose type must fit its kind. A missing Resource or Scope is opened empty. Fields with
/// their default value are left out. The output is canonical: shortest varints, fields in ascending order. Not
/// thread-safe.
class RequestBuilder {
 public:
  explicit RequestBuilder(Signal signal, size_t capacity = 4096, Budget& budget = Budget::Process())
      : signal_(signal), w_(capacity, budget) {}
  Signal signal() const { return signal_; }

  void Resource(List<Attr> attributes, std::string_view schema_url = {});
  void Scope(std::string_view name, std::string_view version = {}, List<Attr> attributes = {},
             std::string_view schema_url = {});
  void Add(const SpanData& span);
  void Add(const LogData& record);
  /// A record that is already encoded: Span, LogRecord, Profile. Counts as one item.
  void AddEncoded(std::string_view record);
  void Metric(const MetricData& metric);
  void Add(const NumberPointData& point);
  void Add(const HistogramPointData& point);
  void Add(const ExpHistogramPointData& point);
  void Add(const SummaryPointData& point);

  uint64_t items() const { return items_; }
  /// Bytes written so far; closing what is open may add some ten.
  size_t size() const { return w_.size(); }
  /// The request; the builder starts over with an empty one.
  Slice Finish();

 private:
  void CloseMetric();
  void CloseScope();
  void CloseResource();
  void NeedScope();
  wire::Writer::Mark BeginPoint();

  Signal signal_;
  wire::Writer w_;
  uint64_t items_ = 0;
  bool in_resource_ = false, in_scope_ = false, in_metric_ = false;
  wire::Writer::Mark resource_{}, scope_{}, metric_{}, data_{};
  std::string resource_schema_url_, scope_schema_url_;
  MetricData metric_header_;  // only its scalars are used after Metric() returned
  std::string metric_metadata_;
};

}  // namespace naru::otlp
