// logfmt: `key=value other="a value"`, as the go-logfmt library of the reference reads and writes it.
#pragma once

#include <string_view>
#include <vector>

#include "codec/loki/text_arena.h"
#include "otlp/views.h"
#include "wire/proto.h"

namespace naru::codec::loki {

struct LogfmtPair {
  std::string_view key;
  otlp::AnyValue value;  // no array and no map
  bool parsed = false;   // came out of ParseLogfmt
};

/// Appends the pairs of one line to `pairs`; keys and values lie in `line`, or, unquoted, in the arena. False, and
/// nothing appended, when the text is no logfmt: a quote or a second `=` where none may be, an open quote, a key that
/// is no UTF-8, or more than one line.
bool ParseLogfmt(std::string_view line, TextArena& arena, std::vector<LogfmtPair>* pairs);

/// Appends `key=value`. Blanks, quotes, `=` and bytes that are no UTF-8 are left out of keys (an empty one becomes
/// `_`); values with one of these are quoted. Bytes that are no text are written in base64.
void WriteLogfmt(const LogfmtPair& pair, wire::Writer& out);

/// Appends the pairs of any value to `pairs`: maps and lists are flattened, their keys and places joined to `key` by
/// underscores. Empty values have no pair. What is nested deeper than 64 is left out.
void FlattenLogfmt(std::string_view key, const otlp::AnyValue& value, TextArena& arena, std::vector<LogfmtPair>* pairs,
                   int depth = 0);

}  // namespace naru::codec::loki
