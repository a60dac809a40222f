// From OTLP spans to Zipkin's v2 model, as JSON or protobuf (https://zipkin.io/zipkin-api/): ids, kinds, times in
// microseconds, endpoints, annotations for events, tags for all the rest. The mapping is that of OpenTelemetry's
// specification (sdk_exporters/zipkin.md) and of the reference's Zipkin exporter. Pure; one thread a Translator.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "codec/go_json.h"
#include "otlp/views.h"
#include "wire/proto.h"

namespace naru::codec::zipkin {

enum class Format : uint8_t { kJson, kProto };

/// Why a span has no form in Zipkin.
enum class Unfit : uint8_t {
  kBadIds,    // no trace id of 16 bytes or span id of 8, or all zero
  kTooLarge,  // more than Limits::span_bytes
};
inline constexpr size_t kUnfits = 2;
/// "bad_ids", "span_too_large": the reason under which the ledger counts them.
std::string_view UnfitName(Unfit unfit);

/// Attributes of the resource stand in every span, so a round ends behind the span that passes `round_bytes`. Zipkin
/// takes bodies of 10 MiB by default.
struct Limits {
  size_t round_bytes = 4 << 20;
  size_t span_bytes = 2 << 20;
};

/// Goes over the spans of a request. The bytes must outlive it.
class Cursor {
 public:
  explicit Cursor(std::string_view request);
  bool at_end() const { return resources_ == otlp::ViewEnd(); }
  void Advance();
  const otlp::ResourceItems& resource() const { return *resources_; }
  const otlp::ScopeItems& scope() const { return *scopes_; }
  const otlp::Span& span() const { return *spans_; }
  /// Another number for another resource.
  uint64_t resource_number() const { return resource_number_; }

 private:
  void Settle();
  otlp::Repeated<otlp::ResourceItems>::Iterator resources_;
  otlp::Repeated<otlp::ScopeItems>::Iterator scopes_;
  otlp::Repeated<otlp::Span>::Iterator spans_;
  uint64_t resource_number_ = 0;
};

struct Round {
  uint64_t spans = 0;
  Slice body;  // a JSON array, or zipkin.proto3.ListOfSpans
  /// For each span that the cursors passed: -1 when it is in the body, else the number of an Unfit.
  std::vector<int8_t> unfit_of;
};

class Translator {
 public:
  /// `default_service_name` is the local service of spans whose resource names none.
  Translator(Format format, std::string default_service_name, const Limits& limits = {});

  /// A round: Begin, Take for one request after another while it is not full, Finish.
  void Begin();
  /// Translates spans from the cursor on, until its end or a limit. How many it passed.
  size_t Take(Cursor& cursor);
  bool full() const { return out_.size() >= limits_.round_bytes; }
  Round Finish();

 private:
  struct Tag {
    std::string_view key;
    otlp::AnyValue value;
    bool gone = false;
    size_t order = 0;
  };
  struct Endpoint {
    std::string service;
    std::array<uint8_t, 16> address{};
    size_t address_size = 0;  // 0, 4 or 16
    uint16_t port = 0;
    bool any() const { return !service.empty() || address_size > 0; }
  };

  void TakeResource(const otlp::ResourceItems& resource);
  void Add(const Cursor& cursor);
  Tag* FindTag(std::string_view key);
  void Remove(std::string_view key);
  void Collect(const Cursor& cursor);
  void FindEndpoints();
  void TakeAddress(std::string_view address_key, std::string_view port_key, Endpoint& endpoint);
  std::string_view Text(const otlp::AnyValue& value);
  std::string_view Keep(std::string_view text);
  std::string EventText(const otlp::SpanEvent& event);
  std::string LinkText(const otlp::SpanLink& link);
  void WriteJson(const otlp::Span& span);
  void WriteProto(const otlp::Span& span);
  void Utf8Field(uint32_t number, std::string_view text);

  Format format_;
  std::string default_service_name_;
  Limits limits_;
  std::vector<Tag> resource_tags_, tags_;
  std::string service_name_;
  uint64_t resource_number_ = 0;
  Endpoint local_, remote_;
  std::deque<std::string> kept_;  // texts of this span
  size_t kept_count_ = 0;
  std::string text_;
  GoJson json_;
  wire::Writer out_;
  Round round_;
};

}  // namespace naru::codec::zipkin
