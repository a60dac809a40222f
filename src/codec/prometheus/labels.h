// The labels of a series.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "codec/loki/text_arena.h"
#include "codec/prometheus/names.h"

namespace naru::codec::prometheus {

struct Label {
  std::string_view name, value;
};

/// Remembers translated names, for the same few come all the time; at most 4,096, then it begins anew. Not thread-safe.
class NameCache {
 public:
  explicit NameCache(const LabelRules& rules) : rules_(rules) {}
  /// As LabelName; valid until Trim.
  std::string_view Name(std::string_view attribute);
  /// Between two records: forgets when there are many.
  void Trim();

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  LabelRules rules_;
  std::unordered_map<std::string, std::string, Hash, std::equal_to<>> names_;
};

/// A set of labels while it is made; names and values must outlive it. Not thread-safe.
class LabelSet {
 public:
  void Clear() { labels_.clear(); }
  /// A label of an attribute. Of two attributes whose names become equal both values stay, joined by `;`.
  void Add(std::string_view name, std::string_view value, loki::TextArena& arena);
  /// Replaces the value that was there.
  void Set(std::string_view name, std::string_view value);
  bool Has(std::string_view name) const { return Find(name) != nullptr; }
  void Sort();
  std::span<const Label> all() const { return labels_; }

 private:
  const Label* Find(std::string_view name) const;
  std::vector<Label> labels_;
};

}  // namespace naru::codec::prometheus
