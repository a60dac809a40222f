#include "conf/component_id.h"

#include <algorithm>

namespace naru::conf {

Result<ComponentId> ComponentId::Parse(std::string_view text) {
  size_t slash = text.find('/');
  std::string_view type = text.substr(0, slash);
  while (!type.empty() && type.front() == ' ') type.remove_prefix(1);
  while (!type.empty() && type.back() == ' ') type.remove_suffix(1);
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  bool ok = !type.empty() && type.size() <= 63 && letter(type[0]);
  for (char c : type) ok = ok && (letter(c) || (c >= '0' && c <= '9') || c == '_');
  if (type.empty()) return Fail(Code::kInvalidArgument, "in \"{}\" id: the part before / should not be empty", text);
  if (!ok) return Fail(Code::kInvalidArgument, "in \"{}\" id: invalid character(s) in type \"{}\"", text, type);
  ComponentId out{std::string(type), {}};
  if (slash != std::string_view::npos) {
    std::string_view name = text.substr(slash + 1);
    while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
    while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
    if (name.empty()) return Fail(Code::kInvalidArgument, "in \"{}\" id: the part after / should not be empty", text);
    if (name.size() > 1024)
      return Fail(Code::kInvalidArgument, "the name of id \"{}...\" is longer than 1024 characters",
                  text.substr(0, 40));
    out.name = name;
  }
  return out;
}

std::string DidYouMean(std::string_view word, const std::vector<std::string>& valid) {
  if (word.size() > 64) return {};
  size_t best = SIZE_MAX;
  const std::string* found = nullptr;
  for (auto& v : valid) {
    // Levenshtein distance with adjacent swaps counted once.
    std::vector<size_t> before(v.size() + 1), last(v.size() + 1), row(v.size() + 1);
    for (size_t j = 0; j <= v.size(); ++j) last[j] = j;
    for (size_t i = 1; i <= word.size(); ++i) {
      row[0] = i;
      for (size_t j = 1; j <= v.size(); ++j) {
        size_t cost = word[i - 1] == v[j - 1] ? 0 : 1;
        row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + cost});
        if (i > 1 && j > 1 && word[i - 1] == v[j - 2] && word[i - 2] == v[j - 1])
          row[j] = std::min(row[j], before[j - 2] + 1);
      }
      before = last;
      std::swap(last, row);
    }
    size_t d = last[v.size()];
    if (d < best) {
      best = d;
      found = &v;
    }
  }
  size_t limit = std::max<size_t>(1, word.size() / 3);
  if (!found || best > limit) return {};
  return " (did you mean \"" + *found + "\"?)";
}

}  // namespace naru::conf
