// Values as JSON the way Go's encoding/json writes them: what backends of the reference's exporters have come to know.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "otlp/views.h"
#include "wire/proto.h"

namespace naru::codec {

/// Keeps its scratch memory from one to the next. Not thread-safe.
///
/// Maps are sorted by key, of equal keys the one that comes last; <, > and & are escaped; bytes are base64. NaN and the
/// infinities, which JSON lacks, are strings. What is nested deeper than 64 is null.
class GoJson {
 public:
  void Value(const otlp::AnyValue& value, wire::Writer& out) { Value(value, 0, out); }

  /// A map of one's own: Add its entries, then WriteMap. Keys lie in the order of their coming where they are equal.
  void Add(std::string_view key, const otlp::AnyValue& value) { entries_.push_back({key, value}); }
  /// Writes the entries that were added, and forgets them; `{}` when there are none.
  void WriteMap(wire::Writer& out) { Map(0, 0, out); }
  bool empty() const { return entries_.empty(); }
  /// The attributes as an object.
  void Attributes(const otlp::Attributes& attributes, wire::Writer& out) {
    for (const otlp::KeyValue& kv : attributes) Add(kv.key, kv.value);
    WriteMap(out);
  }

 private:
  struct Entry {
    std::string_view key;
    otlp::AnyValue value;
  };
  void Value(const otlp::AnyValue& value, int depth, wire::Writer& out);
  void Map(size_t from, int depth, wire::Writer& out);

  std::vector<Entry> entries_;  // of the maps that are open
};

}  // namespace naru::codec
