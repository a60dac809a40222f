// Labels of a Loki stream: which values stand under which names, and the text that a push request names the stream by.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "codec/loki/text_arena.h"
#include "wire/proto.h"

namespace naru::codec::loki {

/// The name as Loki takes it: what is neither an ASCII letter, a digit nor an underscore becomes an underscore (one a
/// code point, or a byte that is no UTF-8), a leading digit gets `key_` in front, and one leading underscore `key`; two
/// stay as they are. (The label rule of the reference's Prometheus translator, which also lets letters of other scripts
/// pass: Loki refuses those.) The result lies in `name` or in the arena; empty for an empty name.
std::string_view LabelName(std::string_view name, TextArena& arena);

/// Names as attributes have them, each with one value; keeps no copies. Not thread-safe.
class Labels {
 public:
  void Clear() { labels_.clear(); }
  size_t size() const { return labels_.size(); }
  /// Sets `name`, or gives it another value.
  void Set(std::string_view name, std::string_view value);
  bool Has(std::string_view name) const;

  /// Appends `{a="b", c="d"}`: names turned by LabelName and sorted, of two that became equal the one that was set
  /// last. Labels with an empty value are left out, for to Loki they are absent. Returns how many were written; with
  /// none, nothing is.
  size_t Write(wire::Writer& out, TextArena& arena);

 private:
  struct Label {
    std::string_view name, value;
    size_t order;
  };
  std::vector<Label> labels_, sorted_;
};

}  // namespace naru::codec::loki
