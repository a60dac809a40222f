#include "codec/go_json.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "wire/hash.h"
#include "wire/json_writer.h"
#include "wire/numbers.h"

namespace naru::codec {
namespace {

using Kind = otlp::AnyValue::Kind;
using wire::JsonEscapes;

constexpr int kMaxNesting = 64;

}  // namespace

void GoJson::Value(const otlp::AnyValue& v, int depth, wire::Writer& out) {
  switch (v.kind) {
    case Kind::kString:
      return wire::AppendJsonString(out, v.bytes, JsonEscapes::kGoHtml);
    case Kind::kBool:
      return out.Raw(v.boolean ? "true" : "false");
    case Kind::kInt: {
      char text[wire::kIntegerText];
      return out.Raw({text, static_cast<size_t>(wire::PutSigned(text, v.integer) - text)});
    }
    case Kind::kDouble: {
      char text[wire::kFloatText];
      std::string_view number(text,
                              static_cast<size_t>(wire::PutFloat(text, v.real, wire::FloatStyle::kEcmaScript) - text));
      if (std::isfinite(v.real)) return out.Raw(number);
      return wire::AppendJsonString(out, number);
    }
    case Kind::kBytes: {
      size_t n = wire::Base64EncodedSize(v.bytes.size());
      auto* to = reinterpret_cast<char*>(out.Room(n + 2));
      to[0] = '"';
      wire::Base64EncodeTo(v.bytes, to + 1);
      to[n + 1] = '"';
      return out.Advance(n + 2);
    }
    case Kind::kArray: {
      if (depth >= kMaxNesting) break;
      out.Raw("[");
      bool first = true;
      for (const otlp::AnyValue& e : v.array()) {
        if (!std::exchange(first, false)) out.Raw(",");
        Value(e, depth + 1, out);
      }
      return out.Raw("]");
    }
    case Kind::kKvlist: {
      if (depth >= kMaxNesting) break;
      size_t from = entries_.size();
      for (const otlp::KeyValue& kv : v.kvlist()) entries_.push_back({kv.key, kv.value});
      return Map(from, depth, out);
    }
    case Kind::kEmpty:
      break;
  }
  out.Raw("null");
}

// Writes and removes the entries from `from` on.
void GoJson::Map(size_t from, int depth, wire::Writer& out) {
  std::sort(entries_.begin() + static_cast<ptrdiff_t>(from), entries_.end(), [](const Entry& a, const Entry& b) {
    int c = a.key.compare(b.key);
    // Of equal keys the one that came last stands last in memory.
    return c != 0 ? c < 0 : std::less<>()(a.key.data(), b.key.data());
  });
  out.Raw("{");
  const size_t end = entries_.size();
  bool first = true;
  for (size_t i = from; i < end; ++i) {
    Entry e = entries_[i];
    if (i + 1 < end && entries_[i + 1].key == e.key) continue;
    if (!std::exchange(first, false)) out.Raw(",");
    wire::AppendJsonString(out, e.key, JsonEscapes::kGoHtml);
    out.Raw(":");
    Value(e.value, depth + 1, out);
  }
  out.Raw("}");
  entries_.resize(from);
}

}  // namespace naru::codec
