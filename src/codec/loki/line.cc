#include "codec/loki/line.h"

#include <algorithm>
#include <utility>

#include "otlp/value_text.h"
#include "wire/hash.h"
#include "wire/json_writer.h"
#include "wire/numbers.h"

namespace naru::codec::loki {
namespace {

using Kind = otlp::AnyValue::Kind;
using wire::JsonEscapes;

bool AllZero(std::string_view id) {
  return std::all_of(id.begin(), id.end(), [](char c) { return c == 0; });
}

void PutInt(int64_t v, wire::Writer& out) {
  char text[wire::kIntegerText];
  out.Raw({text, static_cast<size_t>(wire::PutSigned(text, v) - text)});
}

void PutHex(std::string_view bytes, wire::Writer& out) {
  wire::HexEncodeTo(bytes, reinterpret_cast<char*>(out.Room(2 * bytes.size())));
  out.Advance(2 * bytes.size());
}

otlp::AnyValue TextValue(std::string_view text) {
  otlp::AnyValue v;
  v.kind = Kind::kString;
  v.bytes = text;
  return v;
}

}  // namespace

std::optional<Format> FormatByName(std::string_view name) {
  if (name == "json") return Format::kJson;
  if (name == "logfmt") return Format::kLogfmt;
  if (name == "raw") return Format::kRaw;
  return std::nullopt;
}

void LineWriter::Object(const LineAttributes& attributes, wire::Writer& out) {
  for (const LineAttribute& a : attributes) {
    if (!a.gone) json_.Add(a.key, a.value);
  }
  if (!json_.empty()) json_.WriteMap(out);
}

void LineWriter::Json(const otlp::LogRecord& record, const LineAttributes& attributes, std::string_view resources,
                      const otlp::InstrumentationScope& scope, wire::Writer& out) {
  out.Raw("{");
  bool first = true;
  auto key = [&](std::string_view with_quotes_and_colon) {
    if (!std::exchange(first, false)) out.Raw(",");
    out.Raw(with_quotes_and_colon);
  };
  if (record.body.kind != Kind::kEmpty) {
    key("\"body\":");
    json_.Value(record.body, out);
  }
  if (!AllZero(record.trace_id)) {
    key("\"traceid\":\"");
    PutHex(record.trace_id, out);
    out.Raw("\"");
  }
  if (!AllZero(record.span_id)) {
    key("\"spanid\":\"");
    PutHex(record.span_id, out);
    out.Raw("\"");
  }
  if (!record.severity_text.empty()) {
    key("\"severity\":");
    wire::AppendJsonString(out, record.severity_text, JsonEscapes::kGoHtml);
  }
  if (record.flags != 0) {
    key("\"flags\":");
    PutInt(record.flags, out);
  }
  size_t before = out.size();
  bool was_first = first;
  key("\"attributes\":");
  size_t begun = out.size();
  Object(attributes, out);
  if (out.size() == begun) {
    out.Truncate(before);
    first = was_first;
  }
  if (!resources.empty()) {
    key("\"resources\":");
    out.Raw(resources);
  }
  if (!scope.name.empty()) {
    key("\"instrumentation_scope\":{\"name\":");
    wire::AppendJsonString(out, scope.name, JsonEscapes::kGoHtml);
    if (!scope.version.empty()) {
      out.Raw(",\"version\":");
      wire::AppendJsonString(out, scope.version, JsonEscapes::kGoHtml);
    }
    out.Raw("}");
  }
  out.Raw("}");
}

void LineWriter::Logfmt(const otlp::LogRecord& record, const LineAttributes& attributes, const LineAttributes& resource,
                        const otlp::InstrumentationScope& scope, TextArena& arena, wire::Writer& out) {
  pairs_.clear();
  switch (record.body.kind) {
    case Kind::kEmpty:
      break;
    case Kind::kString:
      if (!ParseLogfmt(record.body.bytes, arena, &pairs_)) pairs_.push_back({"msg", record.body, false});
      break;
    case Kind::kKvlist:
      FlattenLogfmt({}, record.body, arena, &pairs_);
      break;
    case Kind::kArray:
      FlattenLogfmt("body", record.body, arena, &pairs_);
      break;
    default:
      pairs_.push_back({"msg", record.body, false});
  }
  // What the body says of these fields gives way to what the record says.
  auto set = [this](std::string_view key, const otlp::AnyValue& value) {
    auto at = std::find_if(pairs_.begin(), pairs_.end(), [&](const LogfmtPair& p) { return p.key == key; });
    if (at == pairs_.end()) return pairs_.push_back({key, value, false});
    *at = {key, value, false};
  };
  auto hex = [&](std::string_view bytes) {
    char* text = arena.Allocate(2 * bytes.size());
    wire::HexEncodeTo(bytes, text);
    return TextValue({text, 2 * bytes.size()});
  };
  if (!AllZero(record.trace_id)) set("traceID", hex(record.trace_id));
  if (!AllZero(record.span_id)) set("spanID", hex(record.span_id));
  if (!record.severity_text.empty()) set("severity", TextValue(record.severity_text));
  if (record.flags != 0) {
    otlp::AnyValue flags;
    flags.kind = Kind::kInt;
    flags.integer = record.flags;
    set("flags", flags);
  }
  for (const LineAttribute& a : attributes) {
    if (!a.gone) FlattenLogfmt(arena.Join("attribute_", a.key), a.value, arena, &pairs_);
  }
  for (const LineAttribute& a : resource) {
    if (!a.gone) FlattenLogfmt(arena.Join("resource_", a.key), a.value, arena, &pairs_);
  }
  if (!scope.name.empty()) {
    pairs_.push_back({"instrumentation_scope_name", TextValue(scope.name), false});
    if (!scope.version.empty()) pairs_.push_back({"instrumentation_scope_version", TextValue(scope.version), false});
  }
  for (size_t i = 0; i < pairs_.size(); ++i) {
    if (i > 0) out.Raw(" ");
    WriteLogfmt(pairs_[i], out);
  }
}

void LineWriter::Raw(const otlp::LogRecord& record, wire::Writer& out) {
  if (record.body.kind == Kind::kString) {
    wire::AppendValidUtf8(out, record.body.bytes);
    return;
  }
  text_.clear();
  otlp::AppendText(record.body, &text_);
  out.Raw(text_);
}

}  // namespace naru::codec::loki
