#include "codec/zipkin/spans.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "otlp/value_text.h"
#include "wire/hash.h"
#include "wire/json_writer.h"
#include "wire/numbers.h"

namespace naru::codec::zipkin {
namespace {

using otlp::AnyValue;
using Kind = AnyValue::Kind;

// zipkin.proto3 (github.com/openzipkin/zipkin-api/blob/master/zipkin.proto).
namespace field {
constexpr uint32_t kSpans = 1;
constexpr uint32_t kTraceId = 1, kParentId = 2, kId = 3, kKind = 4 /*v*/, kName = 5, kTimestamp = 6 /*f64*/,
                   kDuration = 7 /*v*/, kLocal = 8, kRemote = 9, kAnnotations = 10, kTags = 11;
constexpr uint32_t kService = 1, kIpv4 = 2, kIpv6 = 3, kPort = 4 /*v*/;  // of an endpoint
constexpr uint32_t kTime = 1 /*f64*/, kText = 2;                         // of an annotation
constexpr uint32_t kKey = 1, kValue = 2;                                 // of a tag
}  // namespace field

// By OTLP's number; Zipkin has none for unspecified and internal.
constexpr std::string_view kKindNames[] = {"", "", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"};
constexpr uint64_t kKindNumbers[] = {0, 0, 2, 1, 3, 4};
constexpr size_t kKeptFor = 4096;  // elements of scratch memory that stay for the next round
constexpr int32_t kInternal = 1;
constexpr int32_t kOk = 1, kError = 2;  // status codes

bool AllZero(std::string_view id) {
  return std::all_of(id.begin(), id.end(), [](char c) { return c == 0; });
}

size_t KindIndex(int32_t kind) {
  return kind >= 0 && static_cast<size_t>(kind) < std::size(kKindNames) ? static_cast<size_t>(kind) : 0;
}

// Nanoseconds to microseconds, rounded; never 0 for a time that is there, which Zipkin would take for none.
uint64_t Micros(uint64_t ns) {
  return ns == 0 ? 0 : std::max<uint64_t>(1, ns / 1000 + (ns % 1000 >= 500));
}

uint64_t DurationMicros(const otlp::Span& span) {
  return span.end > span.start ? Micros(span.end - span.start) : 0;
}

uint64_t EventMicros(const otlp::SpanEvent& event, const otlp::Span& span) {
  // Zipkin refuses the whole request for an annotation without a time.
  return std::max<uint64_t>(1, Micros(event.time ? event.time : span.start));
}

AnyValue TextValue(std::string_view text) {
  AnyValue v;
  v.kind = Kind::kString;
  v.bytes = text;
  return v;
}

void PutUnsigned(uint64_t v, wire::Writer& out) {
  char text[wire::kIntegerText];
  out.Raw({text, static_cast<size_t>(wire::PutUnsigned(text, v) - text)});
}

std::string HexOrNothing(std::string_view id) {
  return AllZero(id) ? std::string() : wire::HexEncode(id);
}

}  // namespace

std::string_view UnfitName(Unfit unfit) {
  return unfit == Unfit::kBadIds ? "bad_ids" : "span_too_large";
}

Cursor::Cursor(std::string_view request)
    : resources_(otlp::Resources(request).begin()),
      scopes_(otlp::Repeated<otlp::ScopeItems>().begin()),
      spans_(otlp::Repeated<otlp::Span>().begin()) {
  if (at_end()) return;
  scopes_ = resources_->scopes.begin();
  if (!(scopes_ == otlp::ViewEnd())) spans_ = scopes_->records<otlp::Span>().begin();
  Settle();
}

void Cursor::Advance() {
  ++spans_;
  Settle();
}

// On to the next span when the place is behind the last one of its scope.
void Cursor::Settle() {
  while (spans_ == otlp::ViewEnd()) {
    if (!(scopes_ == otlp::ViewEnd())) ++scopes_;
    while (scopes_ == otlp::ViewEnd()) {
      ++resources_;
      ++resource_number_;
      if (at_end()) return;
      scopes_ = resources_->scopes.begin();
    }
    spans_ = scopes_->records<otlp::Span>().begin();
  }
}

Translator::Translator(Format format, std::string default_service_name, const Limits& limits)
    : format_(format), default_service_name_(std::move(default_service_name)), limits_(limits) {}

void Translator::Begin() {
  round_ = Round();
  out_.Truncate(0);
}

size_t Translator::Take(Cursor& cursor) {
  resource_number_ = UINT64_MAX;  // of another cursor perhaps
  const size_t before = round_.unfit_of.size();
  for (; !cursor.at_end() && !full(); cursor.Advance()) Add(cursor);
  return round_.unfit_of.size() - before;
}

Round Translator::Finish() {
  if (format_ == Format::kJson && round_.spans > 0) out_.Raw("]");
  round_.body = round_.spans > 0 ? out_.Finish() : Slice();
  // A single span may have had a million of these.
  if (kept_.size() > kKeptFor) kept_.resize(kKeptFor);
  if (tags_.capacity() > kKeptFor) tags_ = {};
  if (resource_tags_.capacity() > kKeptFor) resource_tags_ = {};
  return std::move(round_);
}

std::string_view Translator::Keep(std::string_view text) {
  if (kept_count_ == kept_.size()) kept_.emplace_back();
  return kept_[kept_count_++].assign(text);
}

// The text of a value; a list or map that has none, for a number in it that JSON lacks, with that number as a string.
std::string_view Translator::Text(const AnyValue& value) {
  if (value.kind == Kind::kString) return value.bytes;
  text_.clear();
  otlp::AppendText(value, &text_);
  if (!text_.empty() || (value.kind != Kind::kArray && value.kind != Kind::kKvlist)) return text_;
  wire::Writer json;
  json_.Value(value, json);
  text_ = json.view();
  return text_;
}

Translator::Tag* Translator::FindTag(std::string_view key) {
  for (auto tag = tags_.rbegin(); tag != tags_.rend(); ++tag) {
    if (tag->key == key) return &*tag;
  }
  return nullptr;
}

void Translator::Remove(std::string_view key) {
  for (Tag& tag : tags_) tag.gone = tag.gone || tag.key == key;
}

void Translator::TakeResource(const otlp::ResourceItems& resource) {
  resource_tags_.clear();
  service_name_ = default_service_name_;
  for (const otlp::KeyValue& kv : resource.resource.attributes) resource_tags_.push_back({kv.key, kv.value});
  constexpr std::string_view kSources[] = {"service.name", "faas.name", "k8s.deployment.name",
                                           "process.executable.name"};
  for (std::string_view source : kSources) {
    auto at = std::find_if(resource_tags_.begin(), resource_tags_.end(), [&](const Tag& t) { return t.key == source; });
    if (at == resource_tags_.end()) continue;
    service_name_ = Text(at->value);
    std::erase_if(resource_tags_, [&](const Tag& t) { return t.key == source; });
    if (source != kSources[0]) resource_tags_.push_back({"otlp.service.name.source", TextValue(source)});
    return;
  }
}

// Tags of the resource, the scope and the span, of which later ones overwrite; then those that say what else Zipkin has
// no place for.
void Translator::Collect(const Cursor& cursor) {
  const otlp::Span& span = cursor.span();
  const otlp::InstrumentationScope& scope = cursor.scope().scope;
  tags_.assign(resource_tags_.begin(), resource_tags_.end());
  if (!scope.name.empty()) {
    tags_.push_back({"otel.library.name", TextValue(scope.name)});
    tags_.push_back({"otel.scope.name", TextValue(scope.name)});
  }
  if (!scope.version.empty()) {
    tags_.push_back({"otel.library.version", TextValue(scope.version)});
    tags_.push_back({"otel.scope.version", TextValue(scope.version)});
  }
  for (const otlp::KeyValue& kv : span.attributes) tags_.push_back({kv.key, kv.value});
  if (!span.trace_state.empty()) tags_.push_back({"w3c.tracestate", TextValue(span.trace_state)});
  if (span.kind == kInternal) tags_.push_back({"span.kind", TextValue("internal")});
  FindEndpoints();
  // Whatever stands in it, Zipkin takes a span with this tag for failed.
  Remove("error");
  if (span.status.code == kError) tags_.push_back({"error", TextValue("true")});
  if (span.status.code == kOk || span.status.code == kError) {
    tags_.push_back({"otel.status_code", TextValue(span.status.code == kOk ? "OK" : "ERROR")});
    if (!span.status.message.empty()) tags_.push_back({"otel.status_description", TextValue(span.status.message)});
  }
  uint64_t number = 0;
  for (const otlp::SpanLink& link : span.links) {
    char key[32] = "otlp.link.";
    size_t n = static_cast<size_t>(wire::PutUnsigned(key + 10, number++) - key);
    std::string_view name = Keep({key, n});
    tags_.push_back({name, TextValue(Keep(LinkText(link)))});
  }
  // Sorted, of equal keys the last.
  for (size_t i = 0; i < tags_.size(); ++i) tags_[i].order = i;
  std::sort(tags_.begin(), tags_.end(), [](const Tag& a, const Tag& b) {
    int c = a.key.compare(b.key);
    return c != 0 ? c < 0 : a.order < b.order;
  });
  for (size_t i = 0; i + 1 < tags_.size(); ++i) {
    if (tags_[i].key == tags_[i + 1].key && !tags_[i + 1].gone) tags_[i].gone = true;
  }
}

// What becomes part of an endpoint is no tag any more; what cannot be stays one.
void Translator::TakeAddress(std::string_view address_key, std::string_view port_key, Endpoint& endpoint) {
  if (const Tag* tag = FindTag(address_key)) {
    std::string text(Text(tag->value));
    if (inet_pton(AF_INET, text.c_str(), endpoint.address.data()) == 1) {
      endpoint.address_size = 4;
    } else if (inet_pton(AF_INET6, text.c_str(), endpoint.address.data()) == 1) {
      endpoint.address_size = 16;
    }
    if (endpoint.address_size > 0) Remove(address_key);
  }
  if (!endpoint.any()) return;
  if (const Tag* tag = FindTag(port_key)) {
    std::string_view text = Text(tag->value);
    uint16_t port = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port == 0) return;
    endpoint.port = port;
    Remove(port_key);
  }
}

void Translator::FindEndpoints() {
  local_ = Endpoint();
  local_.service = service_name_;
  TakeAddress("net.host.ip", "net.host.port", local_);
  remote_ = Endpoint();
  if (const Tag* tag = FindTag("peer.service")) {
    remote_.service = Text(tag->value);
    if (!remote_.service.empty()) Remove("peer.service");
  }
  TakeAddress("net.peer.ip", "net.peer.port", remote_);
}

// name|attributes|dropped, or the name alone.
std::string Translator::EventText(const otlp::SpanEvent& event) {
  if (event.attributes.empty() && event.dropped_attributes == 0) return std::string(event.name);
  wire::Writer out;
  out.Raw(event.name);
  out.Raw("|");
  json_.Attributes(event.attributes, out);
  out.Raw("|");
  PutUnsigned(event.dropped_attributes, out);
  return std::string(out.view());
}

// trace id|span id|trace state|attributes|dropped
std::string Translator::LinkText(const otlp::SpanLink& link) {
  wire::Writer out;
  for (const std::string& text :
       {HexOrNothing(link.trace_id), HexOrNothing(link.span_id), std::string(link.trace_state)}) {
    out.Raw(text);
    out.Raw("|");
  }
  json_.Attributes(link.attributes, out);
  out.Raw("|");
  PutUnsigned(link.dropped_attributes, out);
  return std::string(out.view());
}

void Translator::Add(const Cursor& cursor) {
  const otlp::Span& span = cursor.span();
  kept_count_ = 0;
  if (cursor.resource_number() != resource_number_) {
    resource_number_ = cursor.resource_number();
    TakeResource(cursor.resource());
  }
  if (span.trace_id.size() != 16 || AllZero(span.trace_id) || span.span_id.size() != 8 || AllZero(span.span_id)) {
    round_.unfit_of.push_back(static_cast<int8_t>(Unfit::kBadIds));
    return;
  }
  Collect(cursor);
  const size_t begin = out_.size();
  if (format_ == Format::kJson) {
    out_.Raw(round_.spans == 0 ? "[" : ",");
    WriteJson(span);
  } else {
    WriteProto(span);
  }
  if (out_.size() - begin > limits_.span_bytes) {
    out_.Truncate(begin);
    round_.unfit_of.push_back(static_cast<int8_t>(Unfit::kTooLarge));
    return;
  }
  ++round_.spans;
  round_.unfit_of.push_back(-1);
}

void Translator::WriteJson(const otlp::Span& span) {
  wire::JsonWriter json(out_);
  // A trace id of 64 bits stays one.
  std::string_view trace_id = AllZero(span.trace_id.substr(0, 8)) ? span.trace_id.substr(8) : span.trace_id;
  json.BeginObject();
  json.Key("traceId");
  json.Hex(trace_id);
  json.Key("id");
  json.Hex(span.span_id);
  if (span.parent_span_id.size() == 8 && !AllZero(span.parent_span_id)) {
    json.Key("parentId");
    json.Hex(span.parent_span_id);
  }
  if (!span.name.empty()) {
    // Zipkin has names in small letters.
    text_.assign(span.name);
    for (char& c : text_) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    }
    json.Key("name");
    json.String(text_);
  }
  if (std::string_view kind = kKindNames[KindIndex(span.kind)]; !kind.empty()) {
    json.Key("kind");
    json.String(kind);
  }
  if (span.start > 0) {
    json.Key("timestamp");
    json.Uint(Micros(span.start));
  }
  if (uint64_t duration = DurationMicros(span)) {
    json.Key("duration");
    json.Uint(duration);
  }
  auto endpoint = [&](std::string_view key, const Endpoint& e) {
    if (!e.any()) return;
    json.Key(key);
    json.BeginObject();
    if (!e.service.empty()) {
      json.Key("serviceName");
      json.String(e.service);
    }
    if (e.address_size > 0) {
      char text[INET6_ADDRSTRLEN];
      const bool four = e.address_size == 4;
      json.Key(four ? "ipv4" : "ipv6");
      json.String(inet_ntop(four ? AF_INET : AF_INET6, e.address.data(), text, sizeof text));
    }
    if (e.port) {
      json.Key("port");
      json.Uint(e.port);
    }
    json.EndObject();
  };
  endpoint("localEndpoint", local_);
  endpoint("remoteEndpoint", remote_);
  if (!span.events.empty()) {
    json.Key("annotations");
    json.BeginArray();
    for (const otlp::SpanEvent& event : span.events) {
      json.BeginObject();
      json.Key("timestamp");
      json.Uint(EventMicros(event, span));
      json.Key("value");
      json.String(EventText(event));
      json.EndObject();
    }
    json.EndArray();
  }
  bool any = false;
  for (const Tag& tag : tags_) {
    if (tag.gone) continue;
    if (!std::exchange(any, true)) {
      json.Key("tags");
      json.BeginObject();
    }
    json.AnyKey(tag.key);
    json.String(Text(tag.value));
  }
  if (any) json.EndObject();
  json.EndObject();
}

// Strings of protobuf are UTF-8.
void Translator::Utf8Field(uint32_t number, std::string_view text) {
  auto mark = out_.Begin(number, text.size());
  wire::AppendValidUtf8(out_, text);
  out_.End(mark);
}

void Translator::WriteProto(const otlp::Span& span) {
  auto begin = out_.Begin(field::kSpans, 512);
  out_.BytesField(field::kTraceId, AllZero(span.trace_id.substr(0, 8)) ? span.trace_id.substr(8) : span.trace_id);
  if (span.parent_span_id.size() == 8 && !AllZero(span.parent_span_id))
    out_.BytesField(field::kParentId, span.parent_span_id);
  out_.BytesField(field::kId, span.span_id);
  if (uint64_t kind = kKindNumbers[KindIndex(span.kind)]) out_.VarintField(field::kKind, kind);
  if (!span.name.empty()) Utf8Field(field::kName, span.name);
  if (span.start > 0) out_.Fixed64Field(field::kTimestamp, Micros(span.start));
  if (uint64_t duration = DurationMicros(span)) out_.VarintField(field::kDuration, duration);
  auto endpoint = [&](uint32_t number, const Endpoint& e) {
    if (!e.any()) return;
    auto mark = out_.Begin(number, 64);
    if (!e.service.empty()) Utf8Field(field::kService, e.service);
    if (e.address_size > 0) {
      out_.BytesField(e.address_size == 4 ? field::kIpv4 : field::kIpv6,
                      {reinterpret_cast<const char*>(e.address.data()), e.address_size});
    }
    if (e.port) out_.VarintField(field::kPort, e.port);
    out_.End(mark);
  };
  endpoint(field::kLocal, local_);
  endpoint(field::kRemote, remote_);
  for (const otlp::SpanEvent& event : span.events) {
    auto mark = out_.Begin(field::kAnnotations, 64);
    out_.Fixed64Field(field::kTime, EventMicros(event, span));
    Utf8Field(field::kText, EventText(event));
    out_.End(mark);
  }
  for (const Tag& tag : tags_) {
    if (tag.gone) continue;
    auto mark = out_.Begin(field::kTags, 64);
    Utf8Field(field::kKey, tag.key);
    Utf8Field(field::kValue, Text(tag.value));
    out_.End(mark);
  }
  out_.End(begin);
}

}  // namespace naru::codec::zipkin
