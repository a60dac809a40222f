#include "codec/prometheus/labels.h"

#include <algorithm>

namespace naru::codec::prometheus {

namespace {
constexpr size_t kMostNames = 4096;
}

std::string_view NameCache::Name(std::string_view attribute) {
  auto it = names_.find(attribute);
  if (it == names_.end()) it = names_.emplace(attribute, LabelName(attribute, rules_)).first;
  return it->second;
}

void NameCache::Trim() {
  if (names_.size() > kMostNames) names_.clear();
}

const Label* LabelSet::Find(std::string_view name) const {
  for (auto& l : labels_) {
    if (l.name == name) return &l;
  }
  return nullptr;
}

void LabelSet::Add(std::string_view name, std::string_view value, loki::TextArena& arena) {
  auto* known = const_cast<Label*>(Find(name));
  if (!known) {
    labels_.push_back({name, value});
  } else if (known->value != value) {
    known->value = arena.Join(arena.Join(known->value, ";"), value);
  }
}

void LabelSet::Set(std::string_view name, std::string_view value) {
  if (auto* known = const_cast<Label*>(Find(name))) {
    known->value = value;
  } else {
    labels_.push_back({name, value});
  }
}

void LabelSet::Sort() {
  std::sort(labels_.begin(), labels_.end(), [](auto& a, auto& b) { return a.name < b.name; });
}

}  // namespace naru::codec::prometheus
