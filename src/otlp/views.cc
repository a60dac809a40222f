#include "otlp/views.h"

#include "otlp/extent.h"

namespace naru::otlp {

using wire::kFixed32;
using wire::kFixed64;
using wire::kLength;
using wire::kVarint;
using wire::Reader;
using wire::Tag;

AnyValue AnyValue::Parse(std::string_view encoded) {
  namespace f = field::any_value;
  AnyValue v;
  Reader r(encoded);
  auto take = [&](Kind kind) {
    std::string_view content = r.Bytes();
    if (!r.ok()) return;
    v.kind = kind;
    v.bytes = content;
  };
  while (uint32_t tag = r.Next()) {
    switch (tag) {
      case Tag(f::kString, kLength):
        take(Kind::kString);
        break;
      case Tag(f::kBool, kVarint): {
        bool b = r.Bool();
        if (!r.ok()) break;
        v.kind = Kind::kBool;
        v.integer = 0;
        v.boolean = b;
        break;
      }
      case Tag(f::kInt, kVarint): {
        uint64_t n = r.Varint();
        if (!r.ok()) break;
        v.kind = Kind::kInt;
        v.integer = static_cast<int64_t>(n);
        break;
      }
      case Tag(f::kDouble, kFixed64): {
        double d = r.Double();
        if (!r.ok()) break;
        v.kind = Kind::kDouble;
        v.real = d;
        break;
      }
      case Tag(f::kArray, kLength):
        take(Kind::kArray);
        break;
      case Tag(f::kKvlist, kLength):
        take(Kind::kKvlist);
        break;
      case Tag(f::kBytes, kLength):
        take(Kind::kBytes);
        break;
      default:
        r.Skip(tag);
    }
  }
  return v;
}

Repeated<AnyValue> AnyValue::array() const {
  return kind == Kind::kArray ? Repeated<AnyValue>(bytes, field::array_value::kValues) : Repeated<AnyValue>();
}

Repeated<KeyValue> AnyValue::kvlist() const {
  return kind == Kind::kKvlist ? Repeated<KeyValue>(bytes, field::kvlist::kValues) : Repeated<KeyValue>();
}

KeyValue KeyValue::Parse(std::string_view bytes) {
  KeyValue kv;
  Reader r(bytes);
  while (uint32_t tag = r.Next()) {
    switch (tag) {
      case Tag(field::key_value::kKey, kLength):
        kv.key = r.Bytes();
        break;
      case Tag(field::key_value::kValue, kLength):
        kv.encoded_value = r.Bytes();
        break;
      default:
        r.Skip(tag);
    }
  }
  kv.value = AnyValue::Parse(kv.encoded_value);
  return kv;
}

AnyValue FindAttribute(const Attributes& attributes, std::string_view key, bool* found) {
  for (std::string_view bytes : attributes.encoded()) {
    Reader r(bytes);
    std::string_view name, value;
    while (uint32_t tag = r.Next()) {
      if (tag == Tag(field::key_value::kKey, kLength)) {
        name = r.Bytes();
      } else if (tag == Tag(field::key_value::kValue, kLength)) {
        value = r.Bytes();
      } else {
        r.Skip(tag);
      }
    }
    if (name != key) continue;
    if (found) *found = true;
    return AnyValue::Parse(value);
  }
  if (found) *found = false;
  return AnyValue();
}

EntityRef EntityRef::Parse(std::string_view bytes) {
  namespace f = field::entity_ref;
  EntityRef e;
  Extent ids, descriptions;
  Reader r(bytes);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    switch (tag) {
      case Tag(f::kSchemaUrl, kLength):
        e.schema_url = r.Bytes();
        break;
      case Tag(f::kType, kLength):
        e.type = r.Bytes();
        break;
      case Tag(f::kIdKeys, kLength):
        ids.Pass(r, tag, at);
        break;
      case Tag(f::kDescriptionKeys, kLength):
        descriptions.Pass(r, tag, at);
        break;
      default:
        r.Skip(tag);
    }
  }
  e.id_keys = ids.Of<Repeated<std::string_view>>(f::kIdKeys);
  e.description_keys = descriptions.Of<Repeated<std::string_view>>(f::kDescriptionKeys);
  return e;
}

Resource Resource::Parse(std::string_view bytes) {
  namespace f = field::resource;
  Resource v;
  Extent attributes, entities;
  Reader r(bytes);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    switch (tag) {
      case Tag(f::kAttributes, kLength):
        attributes.Pass(r, tag, at);
        break;
      case Tag(f::kDroppedAttributes, kVarint):
        v.dropped_attributes = static_cast<uint32_t>(r.Varint());
        break;
      case Tag(f::kEntityRefs, kLength):
        entities.Pass(r, tag, at);
        break;
      default:
        r.Skip(tag);
    }
  }
  v.attributes = attributes.Of<Repeated<KeyValue>>(f::kAttributes);
  v.entity_refs = entities.Of<Repeated<EntityRef>>(f::kEntityRefs);
  return v;
}

InstrumentationScope InstrumentationScope::Parse(std::string_view bytes) {
  namespace f = field::scope;
  InstrumentationScope v;
  Extent attributes;
  Reader r(bytes);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    switch (tag) {
      case Tag(f::kName, kLength):
        v.name = r.Bytes();
        break;
      case Tag(f::kVersion, kLength):
        v.version = r.Bytes();
        break;
      case Tag(f::kAttributes, kLength):
        attributes.Pass(r, tag, at);
        break;
      case Tag(f::kDroppedAttributes, kVarint):
        v.dropped_attributes = static_cast<uint32_t>(r.Varint());
        break;
      default:
        r.Skip(tag);
    }
  }
  v.attributes = attributes.Of<Repeated<KeyValue>>(f::kAttributes);
  return v;
}

SpanEvent SpanEvent::Parse(std::string_view bytes) {
  namespace f = field::event;
  SpanEvent v;
  Extent attributes;
  Reader r(bytes);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    switch (tag) {
      case Tag(f::kTime, kFixed64):
        v.time = r.Fixed64();
        break;
      case Tag(f::kName, kLength):
        v.name = r.Bytes();
        break;
      case Tag(f::kAttributes, kLength):
        attributes.Pass(r, tag, at);
        break;
      case Tag(f::kDroppedAttributes, kVarint):
        v.dropped_attributes = static_cast<uint32_t>(r.Varint());
        break;
      default:
        r.Skip(tag);
    }
  }
  v.attributes = attributes.Of<Repeated<KeyValue>>(f::kAttributes);
  return v;
}

SpanLink SpanLink::Parse(std::string_view bytes) {
  namespace f = field::link;
  SpanLink v;
  Extent attributes;
  Reader r(bytes);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    switch (tag) {
      case Tag(f::kTraceId, kLength):
        v.trace_id = r.Bytes();
        break;
      case Tag(f::kSpanId, kLength):
        v.span_id = r.Bytes();
        break;
      case Tag(f::kTraceState, kLength):
        v.trace_state = r.Bytes();
        break;
      case Tag(f::kAttributes, kLength):
        attributes.Pass(r, tag, at);
        break;
      case Tag(f::kDroppedAttributes, kVarint):
        v.dropped_attributes = static_cast<uint32_t>(r.Varint());
        break;
      case Tag(f::kFlags, kFixed32):
        v.flags = r.Fixed32();
        break;
      default:
        r.Skip(tag);
    }
  }
  v.attributes = attributes.Of<Repeated<KeyValue>>(f::kAttributes);
  return v;
}

SpanStatus SpanStatus::Parse(std::string_view bytes) {
  SpanStatus v;
  Reader r(bytes);
  while (uint32_t tag = r.Next()) {
    switch (tag) {
      case Tag(field::status::kMessage, kLength):
        v.message = r.Bytes();
        break;
      case Tag(field::status::kCode, kVarint):
        v.code = static_cast<int32_t>(r.Varint());
        break;
      default:
        r.Skip(tag);
    }
  }
  return v;
}

Span Span::Parse(std::string_view bytes) {
  namespace f = field::span;
  Span v;
  Extent attributes, events, links;
  Reader r(bytes);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    switch (tag) {
      case Tag(f::kTraceId, kLength):
        v.trace_id = r.Bytes();
        break;
      case Tag(f::kSpanId, kLength):
        v.span_id = r.Bytes();
        break;
      case Tag(f::kTraceState, kLength):
        v.trace_state = r.Bytes();
        break;
      case Tag(f::kParentSpanId, kLength):
        v.parent_span_id = r.Bytes();
        break;
      case Tag(f::kName, kLength):
        v.name = r.Bytes();
        break;
      case Tag(f::kKind, kVarint):
        v.kind = static_cast<int32_t>(r.Varint());
        break;
      case Tag(f::kStart, kFixed64):
        v.start = r.Fixed64();
        break;
      case Tag(f::kEnd, kFixed64):
        v.end = r.Fixed64();
        break;
      case Tag(f::kAttributes, kLength):
        attributes.Pass(r, tag, at);
        break;
      case Tag(f::kDroppedAttributes, kVarint):
        v.dropped_attributes = static_cast<uint32_t>(r.Varint());
        break;
      case Tag(f::kEvents, kLength):
        events.Pass(r, tag, at);
        break;
      case Tag(f::kDroppedEvents, kVarint):
        v.dropped_events = static_cast<uint32_t>(r.Varint());
        break;
      case Tag(f::kLinks, kLength):
        links.Pass(r, tag, at);
        break;
      case Tag(f::kDroppedLinks, kVarint):
        v.dropped_links = static_cast<uint32_t>(r.Varint());
        break;
      case Tag(f::kStatus, kLength):
        v.status = SpanStatus::Parse(r.Bytes());
        break;
      case Tag(f::kFlags, kFixed32):
        v.flags = r.Fixed32();
        break;
      default:
        r.Skip(tag);
    }
  }
  v.attributes = attributes.Of<Repeated<KeyValue>>(f::kAttributes);
  v.events = events.Of<Repeated<SpanEvent>>(f::kEvents);
  v.links = links.Of<Repeated<SpanLink>>(f::kLinks);
  return v;
}

LogRecord LogRecord::Parse(std::string_view bytes) {
  namespace f = field::log_record;
  LogRecord v;
  Extent attributes;
  Reader r(bytes);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    switch (tag) {
      case Tag(f::kTime, kFixed64):
        v.time = r.Fixed64();
        break;
      case Tag(f::kObservedTime, kFixed64):
        v.observed_time = r.Fixed64();
        break;
      case Tag(f::kSeverityNumber, kVarint):
        v.severity_number = static_cast<int32_t>(r.Varint());
        break;
      case Tag(f::kSeverityText, kLength):
        v.severity_text = r.Bytes();
        break;
      case Tag(f::kBody, kLength):
        v.body = AnyValue::Parse(r.Bytes());
        break;
      case Tag(f::kAttributes, kLength):
        attributes.Pass(r, tag, at);
        break;
      case Tag(f::kDroppedAttributes, kVarint):
        v.dropped_attributes = static_cast<uint32_t>(r.Varint());
        break;
      case Tag(f::kFlags, kFixed32):
        v.flags = r.Fixed32();
        break;
      case Tag(f::kTraceId, kLength):
        v.trace_id = r.Bytes();
        break;
      case Tag(f::kSpanId, kLength):
        v.span_id = r.Bytes();
        break;
      case Tag(f::kEventName, kLength):
        v.event_name = r.Bytes();
        break;
      default:
        r.Skip(tag);
    }
  }
  v.attributes = attributes.Of<Repeated<KeyValue>>(f::kAttributes);
  return v;
}

ScopeItems ScopeItems::Parse(std::string_view bytes) {
  namespace f = field::scope_items;
  ScopeItems v;
  Extent records;
  Reader r(bytes);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    switch (tag) {
      case Tag(f::kScope, kLength):
        v.encoded_scope = r.Bytes();
        break;
      case Tag(f::kRecords, kLength):
        records.Pass(r, tag, at);
        break;
      case Tag(f::kSchemaUrl, kLength):
        v.schema_url = r.Bytes();
        break;
      default:
        r.Skip(tag);
    }
  }
  v.scope = InstrumentationScope::Parse(v.encoded_scope);
  v.raw_records = records.Of<Repeated<std::string_view>>(f::kRecords);
  return v;
}

ResourceItems ResourceItems::Parse(std::string_view bytes) {
  namespace f = field::resource_items;
  ResourceItems v;
  Extent scopes;
  Reader r(bytes);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    switch (tag) {
      case Tag(f::kResource, kLength):
        v.encoded_resource = r.Bytes();
        break;
      case Tag(f::kScopes, kLength):
        scopes.Pass(r, tag, at);
        break;
      case Tag(f::kSchemaUrl, kLength):
        v.schema_url = r.Bytes();
        break;
      default:
        r.Skip(tag);
    }
  }
  v.resource = Resource::Parse(v.encoded_resource);
  v.scopes = scopes.Of<Repeated<ScopeItems>>(f::kScopes);
  return v;
}

PartialSuccess PartialSuccess::ParseResponse(std::string_view response) {
  PartialSuccess v;
  Reader r(response);
  while (uint32_t tag = r.Next()) {
    if (tag != Tag(field::response::kPartialSuccess, kLength)) {
      r.Skip(tag);
      continue;
    }
    Reader inner = r.Message();
    while (uint32_t t = inner.Next()) {
      if (t == Tag(field::partial_success::kRejected, kVarint)) {
        v.rejected = static_cast<int64_t>(inner.Varint());
      } else if (t == Tag(field::partial_success::kErrorMessage, kLength)) {
        v.message = inner.Bytes();
      } else {
        inner.Skip(t);
      }
    }
  }
  return v;
}

}  // namespace naru::otlp
