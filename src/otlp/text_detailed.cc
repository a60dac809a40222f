// The detailed layout of traces and logs, and what all signals share of it.
#include <iterator>

#include "otlp/text_writer.h"

namespace naru::otlp::text {
namespace {

std::string_view NameOf(std::span<const std::string_view> names, int32_t number) {
  return number >= 0 && static_cast<size_t>(number) < names.size() ? names[static_cast<size_t>(number)]
                                                                   : std::string_view();
}
constexpr std::string_view kSpanKinds[] = {"Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"};
constexpr std::string_view kStatusCodes[] = {"Unset", "Ok", "Error"};
constexpr std::string_view kSeverities[] = {"Unspecified", "Trace",  "Trace2", "Trace3", "Trace4", "Debug",  "Debug2",
                                            "Debug3",      "Debug4", "Info",   "Info2",  "Info3",  "Info4",  "Warn",
                                            "Warn2",       "Warn3",  "Warn4",  "Error",  "Error2", "Error3", "Error4",
                                            "Fatal",       "Fatal2", "Fatal3", "Fatal4"};

void Events(TextWriter& w, const Span& span) {
  if (span.events.empty()) return;
  w.S("Events:").End();
  uint64_t i = 0;
  for (const SpanEvent& e : span.events) {
    if (w.full()) return;
    w.S("SpanEvent #").U(i++).End();
    w.S("     -> Name: ").S(e.name).End();
    w.S("     -> Timestamp: ").Time(e.time).End();
    w.S("     -> DroppedAttributesCount: ").U(e.dropped_attributes).End();
    DetailedAttributes(w, "     -> Attributes:", "     ", e.attributes);
  }
}

void Links(TextWriter& w, const Span& span) {
  if (span.links.empty()) return;
  w.S("Links:").End();
  uint64_t i = 0;
  for (const SpanLink& l : span.links) {
    if (w.full()) return;
    w.S("SpanLink #").U(i++).End();
    w.S("     -> Trace ID: ").Id(l.trace_id).End();
    w.S("     -> ID: ").Id(l.span_id).End();
    w.S("     -> TraceState: ").S(l.trace_state).End();
    w.S("     -> DroppedAttributesCount: ").U(l.dropped_attributes).End();
    DetailedAttributes(w, "     -> Attributes:", "     ", l.attributes);
  }
}

void EntityRefs(TextWriter& w, const Resource& resource) {
  if (resource.entity_refs.empty()) return;
  w.S("Resource entity refs:").End();
  uint64_t i = 0;
  for (const EntityRef& e : resource.entity_refs) {
    if (w.full()) return;
    w.S("     -> Entity ref #").U(i++).S(":").End();
    w.S("          -> Type: ").S(e.type).End();
    if (!e.schema_url.empty()) w.S("          -> Schema URL: ").S(e.schema_url).End();
    if (!e.id_keys.empty()) w.S("          -> ID keys:").End();
    for (std::string_view key : e.id_keys) {
      if (w.full()) return;
      w.S("               -> ").S(key).End();
    }
    if (!e.description_keys.empty()) w.S("          -> Description keys:").End();
    for (std::string_view key : e.description_keys) {
      if (w.full()) return;
      w.S("               -> ").S(key).End();
    }
  }
}

}  // namespace

void DetailedAttributes(TextWriter& w, std::string_view header, std::string_view indent, const Attributes& attributes) {
  bool first = true;
  for (std::string_view encoded : attributes.encoded()) {
    if (w.full()) return;
    if (first) w.S(header).S(":").End();
    first = false;
    Attribute a = w.Resolve(encoded);
    w.S(indent).S("     -> ").S(a.key).S(": ").TypedValue(a.value).End();
  }
}

void DetailedResource(TextWriter& w, std::string_view title, const ResourceItems& r, uint64_t index) {
  w.S(title).S(" #").U(index).End();
  w.S("Resource SchemaURL: ").S(r.schema_url).End();
  DetailedAttributes(w, "Resource attributes", "", r.resource.attributes);
  EntityRefs(w, r.resource);
}

void DetailedScope(TextWriter& w, std::string_view title, const ScopeItems& s, uint64_t index) {
  w.S(title).S(" #").U(index).End();
  w.S(title).S(" SchemaURL: ").S(s.schema_url).End();
  w.S("InstrumentationScope ").S(s.scope.name).S(" ").S(s.scope.version).End();
  DetailedAttributes(w, "InstrumentationScope attributes", "", s.scope.attributes);
}

void DetailedSpans(TextWriter& w, const ResourceItems& r, uint64_t index) {
  DetailedResource(w, "ResourceSpans", r, index);
  uint64_t j = 0;
  for (const ScopeItems& s : r.scopes) {
    if (w.full()) return;
    DetailedScope(w, "ScopeSpans", s, j++);
    uint64_t k = 0;
    for (const Span& span : s.records<Span>()) {
      if (w.full()) return;
      w.S("Span #").U(k++).End();
      w.S("    Trace ID       : ").Id(span.trace_id).End();
      w.S("    Parent ID      : ").Id(span.parent_span_id).End();
      w.S("    ID             : ").Id(span.span_id).End();
      w.S("    Name           : ").S(span.name).End();
      w.S("    Kind           : ").S(NameOf(kSpanKinds, span.kind)).End();
      if (!span.trace_state.empty()) w.S("    TraceState     : ").S(span.trace_state).End();
      w.S("    Start time     : ").Time(span.start).End();
      w.S("    End time       : ").Time(span.end).End();
      w.S("    Status code    : ").S(NameOf(kStatusCodes, span.status.code)).End();
      w.S("    Status message : ").S(span.status.message).End();
      w.S("    DroppedAttributesCount: ").U(span.dropped_attributes).End();
      w.S("    DroppedEventsCount: ").U(span.dropped_events).End();
      w.S("    DroppedLinksCount: ").U(span.dropped_links).End();
      DetailedAttributes(w, "Attributes", "", span.attributes);
      Events(w, span);
      Links(w, span);
    }
  }
}

void DetailedLogs(TextWriter& w, const ResourceItems& r, uint64_t index) {
  DetailedResource(w, "ResourceLog", r, index);
  uint64_t j = 0;
  for (const ScopeItems& s : r.scopes) {
    if (w.full()) return;
    DetailedScope(w, "ScopeLogs", s, j++);
    uint64_t k = 0;
    for (const LogRecord& record : s.records<LogRecord>()) {
      if (w.full()) return;
      w.S("LogRecord #").U(k++).End();
      w.S("ObservedTimestamp: ").Time(record.observed_time).End();
      w.S("Timestamp: ").Time(record.time).End();
      w.S("SeverityText: ").S(record.severity_text).End();
      w.S("SeverityNumber: ").S(NameOf(kSeverities, record.severity_number));
      w.S("(").I(record.severity_number).S(")").End();
      if (!record.event_name.empty()) w.S("EventName: ").S(record.event_name).End();
      w.S("Body: ").TypedValue(record.body).End();
      DetailedAttributes(w, "Attributes", "", record.attributes);
      w.S("Trace ID: ").Id(record.trace_id).End();
      w.S("Span ID: ").Id(record.span_id).End();
      w.S("Flags: ").U(record.flags).End();
    }
  }
}

}  // namespace naru::otlp::text
