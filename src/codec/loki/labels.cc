#include "codec/loki/labels.h"

#include <algorithm>

#include "wire/json_writer.h"

namespace naru::codec::loki {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool IsLabelByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '_';
}

bool Continues(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

}  // namespace

std::string_view LabelName(std::string_view name, TextArena& arena) {
  if (name.empty()) return name;
  bool clean = std::all_of(name.begin(), name.end(), IsLabelByte);
  std::string_view prefix;
  if (IsDigit(name[0])) {
    prefix = "key_";
  } else if (!IsLabelByte(name[0]) || name[0] == '_') {
    // Judged by the name that comes out: a first character that is replaced is an underscore too.
    size_t second = 1;
    while (second < name.size() && Continues(name[second])) ++second;
    bool two = second < name.size() && (name[second] == '_' || !IsLabelByte(name[second]));
    if (!two) prefix = "key";
  }
  if (clean && prefix.empty()) return name;
  char* text = arena.Allocate(prefix.size() + name.size());
  std::copy(prefix.begin(), prefix.end(), text);
  size_t n = prefix.size();
  for (size_t i = 0; i < name.size(); ++i) {
    if (i > 0 && Continues(name[i]) && !IsLabelByte(name[i - 1])) continue;
    text[n++] = IsLabelByte(name[i]) ? name[i] : '_';
  }
  return {text, n};
}

void Labels::Set(std::string_view name, std::string_view value) {
  for (Label& l : labels_) {
    if (l.name != name) continue;
    l.value = value;
    // Set anew, it counts as the last one.
    l.order = labels_.back().order + 1;
    std::rotate(labels_.begin() + (&l - labels_.data()), labels_.begin() + (&l - labels_.data()) + 1, labels_.end());
    return;
  }
  labels_.push_back({name, value, labels_.empty() ? 0 : labels_.back().order + 1});
}

bool Labels::Has(std::string_view name) const {
  return std::any_of(labels_.begin(), labels_.end(), [&](const Label& l) { return l.name == name; });
}

size_t Labels::Write(wire::Writer& out, TextArena& arena) {
  sorted_.clear();
  for (const Label& l : labels_) {
    Label turned{LabelName(l.name, arena), l.value, l.order};
    if (!turned.name.empty()) sorted_.push_back(turned);
  }
  std::sort(sorted_.begin(), sorted_.end(), [](const Label& a, const Label& b) {
    int c = a.name.compare(b.name);
    return c != 0 ? c < 0 : a.order < b.order;
  });
  size_t written = 0;
  for (size_t i = 0; i < sorted_.size(); ++i) {
    const Label& l = sorted_[i];
    if (i + 1 < sorted_.size() && sorted_[i + 1].name == l.name) continue;
    if (l.value.empty()) continue;
    out.Raw(written++ == 0 ? "{" : ", ");
    out.Raw(l.name);
    out.Raw("=");
    // A JSON string is a string in Loki's language too.
    wire::AppendJsonString(out, l.value);
  }
  if (written > 0) out.Raw("}");
  return written;
}

}  // namespace naru::codec::loki
