#include "conf/component_id.h"

#include <algorithm>

namespace naru::conf {
namespace {

// Whether a name has only what the reference allows: no blanks, control characters or symbols (currency, math, ...).
// Beyond Latin-1 and general punctuation everything is taken for letters.
bool ValidName(std::string_view name) {
  for (size_t i = 0; i < name.size();) {
    auto b = static_cast<unsigned char>(name[i]);
    uint32_t c = b;
    size_t n = b < 0x80 ? 1 : b >= 0xc2 && b <= 0xdf ? 2 : b >= 0xe0 && b <= 0xef ? 3 : b >= 0xf0 && b <= 0xf4 ? 4 : 0;
    if (n == 0 || i + n > name.size()) return false;
    if (n > 1) c &= 0x7fu >> n;
    for (size_t k = 1; k < n; ++k) {
      auto x = static_cast<unsigned char>(name[i + k]);
      if ((x & 0xc0) != 0x80) return false;
      c = c << 6 | (x & 0x3f);
    }
    if (c <= 0x20 || (c >= 0x7f && c <= 0xa0) || (c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) ||
        (c >= 0x205f && c <= 0x206f) || (c >= 0x20a0 && c <= 0x20cf) || (c >= 0x2190 && c <= 0x23ff) || c == 0x3000 ||
        c == 0xfffd)
      return false;
    constexpr std::string_view kSymbols = "$+<=>^`|~";
    if (c < 0x80 && kSymbols.find(static_cast<char>(c)) != std::string_view::npos) return false;
    constexpr uint8_t kLatinSymbols[] = {0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa8, 0xa9, 0xac, 0xad,
                                         0xae, 0xaf, 0xb0, 0xb1, 0xb4, 0xb8, 0xd7, 0xf7};
    if (c <= 0xff && std::find(std::begin(kLatinSymbols), std::end(kLatinSymbols), c) != std::end(kLatinSymbols))
      return false;
    i += n;
  }
  return !name.empty();
}

}  // namespace

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
    if (!ValidName(name))
      return Fail(Code::kInvalidArgument, "in \"{}\" id: invalid character(s) in name \"{}\"", text, name);
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
