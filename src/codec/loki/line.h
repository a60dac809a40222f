// Log lines: what stands in Loki for one record, in one of the formats that the hint `loki.format` names.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "codec/go_json.h"
#include "codec/loki/logfmt.h"
#include "codec/loki/text_arena.h"
#include "otlp/views.h"
#include "wire/proto.h"

namespace naru::codec::loki {

enum class Format : uint8_t { kJson, kLogfmt, kRaw };
/// Nothing for other names than `json`, `logfmt` and `raw`.
std::optional<Format> FormatByName(std::string_view name);

/// An attribute of the record or resource; `gone` when it is a hint or became a label, and has no place in the line.
struct LineAttribute {
  std::string_view key;
  otlp::AnyValue value;
  bool gone = false;
};
using LineAttributes = std::vector<LineAttribute>;

/// Writes lines; keeps its scratch memory from one to the next. Not thread-safe.
class LineWriter {
 public:
  /// JSON (codec/go_json.h): keys `body`, `traceid`, `spanid`, `severity`, `flags`, `attributes`,
  /// `resources`, `instrumentation_scope`, in this order and without the empty ones. `resources` is an object that
  /// Object wrote, empty for none.
  void Json(const otlp::LogRecord& record, const LineAttributes& attributes, std::string_view resources,
            const otlp::InstrumentationScope& scope, wire::Writer& out);
  /// The attributes that are not gone as a JSON object; nothing when there are none.
  void Object(const LineAttributes& attributes, wire::Writer& out);

  /// The pairs of the body (a text that is logfmt is taken apart, else it is `msg`), then the other fields.
  void Logfmt(const otlp::LogRecord& record, const LineAttributes& attributes, const LineAttributes& resource,
              const otlp::InstrumentationScope& scope, TextArena& arena, wire::Writer& out);

  /// The body as text, as otlp::AppendText has it.
  void Raw(const otlp::LogRecord& record, wire::Writer& out);

 private:
  GoJson json_;
  std::vector<LogfmtPair> pairs_;
  std::string text_;
};

}  // namespace naru::codec::loki
