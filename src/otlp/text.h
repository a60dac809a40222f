// Telemetry as text for people, in the words and layout of the reference's debug exporter (0.155), and attribute values
// as strings. Pure functions: views in, text out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "otlp/signal.h"
#include "otlp/views.h"
#include "wire/proto.h"

namespace naru::otlp {

/// Appends a value as the reference turns values into strings: text as it is, true or false, integers in decimal,
/// floats as ECMAScript writes them (NaN, Infinity), bytes in base64, maps and arrays as JSON with sorted keys, nothing
/// for an empty value. As there, a map or array that holds NaN or an infinity, which JSON cannot say, gives nothing.
void AppendValueText(wire::Writer& out, const AnyValue& value);
std::string ValueText(const AnyValue& value);
/// "Empty", "Str", "Bool", "Int", "Double", "Slice", "Map", "Bytes".
std::string_view KindName(AnyValue::Kind kind);
/// A time in ns since the epoch as "2023-11-14 22:13:20.5 +0000 UTC". Beyond 2262 it wraps, as in Go.
void AppendTime(wire::Writer& out, uint64_t time);

struct TextCounts {
  uint64_t resources = 0;
  uint64_t metrics = 0;  // of metrics only: metrics, not points
  uint64_t items = 0;    // spans, log records, data points, samples
};
TextCounts CountForText(Signal signal, std::span<const Slice> parts);

/// The line of all verbosities, without its end: `Traces\t{"resource spans": 1, "spans": 5}`.
std::string SummaryLine(Signal signal, const TextCounts& counts);

enum class TextLayout : uint8_t { kNormal, kDetailed };

/// Appends the records of a batch (each part a request) under each other, every line ended. Strings are written as they
/// are, control characters included. Numbers of resources run through all parts. Stops behind the line that passes
/// `max_bytes` and returns false: a few bytes of histogram can ask for kilobytes of text. Malformed parts show what
/// stands before the flaw.
bool AppendText(wire::Writer& out, Signal signal, TextLayout layout, std::span<const Slice> parts,
                size_t max_bytes = size_t{64} << 20);

}  // namespace naru::otlp
