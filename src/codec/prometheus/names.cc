#include "codec/prometheus/names.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace naru::codec::prometheus {
namespace {

constexpr std::pair<std::string_view, std::string_view> kUnits[] = {
    {"d", "days"},          {"h", "hours"},        {"min", "minutes"},   {"s", "seconds"},      {"ms", "milliseconds"},
    {"us", "microseconds"}, {"ns", "nanoseconds"}, {"By", "bytes"},      {"KiBy", "kibibytes"}, {"MiBy", "mebibytes"},
    {"GiBy", "gibibytes"},  {"TiBy", "tibibytes"}, {"KBy", "kilobytes"}, {"MBy", "megabytes"},  {"GBy", "gigabytes"},
    {"TBy", "terabytes"},   {"m", "meters"},       {"V", "volts"},       {"A", "amperes"},      {"J", "joules"},
    {"W", "watts"},         {"g", "grams"},        {"Cel", "celsius"},   {"Hz", "hertz"},       {"1", ""},
    {"%", "percent"},
};
constexpr std::pair<std::string_view, std::string_view> kPerUnits[] = {
    {"s", "second"}, {"m", "minute"}, {"h", "hour"}, {"d", "day"}, {"w", "week"}, {"mo", "month"}, {"y", "year"},
};

bool IsAlnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool OnlyUnderscores(std::string_view s) {
  return s.find_first_not_of('_') == std::string_view::npos;
}

template <class Table>
std::string_view Lookup(const Table& table, std::string_view unit) {
  for (auto& [from, to] : table) {
    if (from == unit) return to;
  }
  return unit;
}

std::string_view Trim(std::string_view s) {
  auto space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!s.empty() && space(s.front())) s.remove_prefix(1);
  while (!s.empty() && space(s.back())) s.remove_suffix(1);
  return s;
}

struct UnitWords {
  std::string main, per;  // "bytes", "per_second"
};

// `By/s` in words; units in braces have none.
UnitWords WordsOf(std::string_view unit) {
  auto counts = [](std::string_view u) { return !u.empty() && u.find_first_of("{}") == std::string_view::npos; };
  UnitWords out;
  size_t slash = unit.find('/');
  if (auto main = Trim(unit.substr(0, slash)); counts(main)) out.main = Lookup(kUnits, main);
  if (slash == std::string_view::npos) return out;
  if (auto per = Trim(unit.substr(slash + 1)); counts(per)) out.per = "per_" + std::string(Lookup(kPerUnits, per));
  return out;
}

// Allowed characters, runs of others as one underscore, none in front.
std::string Clean(std::string_view unit) {
  std::string out;
  for (char c : unit) {
    if (IsAlnum(c) || c == ':') {
      out += c;
    } else if (!out.empty() && out.back() != '_') {
      out += '_';
    }
  }
  return out;
}

// The parts of a name between characters that are not allowed.
std::vector<std::string> TokensOf(std::string_view name, bool underscore_separates) {
  std::vector<std::string> out;
  bool open = false;
  for (char c : name) {
    bool inside = IsAlnum(c) || c == ':' || (c == '_' && !underscore_separates);
    if (inside && !open) out.emplace_back();
    if (inside) out.back() += c;
    open = inside;
  }
  return out;
}

std::string Join(const std::vector<std::string>& tokens) {
  std::string out;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i) out += '_';
    out += tokens[i];
  }
  return out;
}

void MoveToEnd(std::vector<std::string>& tokens, const char* word) {
  std::erase(tokens, word);
  tokens.emplace_back(word);
}

std::string Escaped(std::string_view name, std::string_view unit, MetricType type, const NameRules& rules) {
  if (!rules.suffixes) {
    std::string out = Join(TokensOf(name, false));
    if (!rules.prefix.empty()) return Join(TokensOf(rules.prefix, false)) + "_" + out;
    return !out.empty() && IsDigit(out[0]) ? "_" + out : out;
  }
  auto tokens = TokensOf(name, true);
  auto has = [&](const std::string& word) { return std::find(tokens.begin(), tokens.end(), word) != tokens.end(); };
  UnitWords words = WordsOf(unit);
  std::string main = Clean(words.main), per = Clean(words.per);
  if (has(main)) main.clear();
  if (per == "per_") per.clear();
  if (!per.empty() && per.back() == '_') per.pop_back();
  if (has(per)) per.clear();
  if (!per.empty() && !main.empty() && main.back() == '_') main.pop_back();
  if (!main.empty()) tokens.push_back(std::move(main));
  if (!per.empty()) tokens.push_back(std::move(per));
  if (type == MetricType::kCounter) MoveToEnd(tokens, "total");
  if (unit == "1" && type == MetricType::kGauge) MoveToEnd(tokens, "ratio");
  if (!rules.prefix.empty()) tokens.insert(tokens.begin(), rules.prefix);
  std::string out = Join(tokens);
  return !out.empty() && IsDigit(out[0]) ? "_" + out : out;
}

// Without `suffix` and the character in front of it.
void TrimSuffix(std::string& name, std::string_view suffix) {
  if (std::string_view(name).ends_with(suffix) && name.size() > suffix.size() + 1)
    name.resize(name.size() - suffix.size() - 1);
}

std::string Unescaped(std::string_view name, std::string_view unit, MetricType type, const NameRules& rules) {
  std::string out = rules.prefix.empty() ? std::string(name) : rules.prefix + "_" + std::string(name);
  if (!rules.suffixes) return out;
  bool ratio = unit == "1" && type == MetricType::kGauge, total = type == MetricType::kCounter;
  if (ratio) TrimSuffix(out, "ratio");
  if (total) TrimSuffix(out, "total");
  UnitWords words = WordsOf(unit);
  if (!words.per.empty()) TrimSuffix(out, words.per);
  if (!words.main.empty() && !out.ends_with(words.main)) out += "_" + words.main;
  if (!words.per.empty()) out += "_" + words.per;
  if (total) out += "_total";
  if (ratio) out += "_ratio";
  return out;
}

}  // namespace

std::string MetricName(std::string_view name, std::string_view unit, MetricType type, const NameRules& rules) {
  if (rules.utf8) return Unescaped(name, unit, type, rules);
  std::string out = Escaped(name, unit, type, rules);
  if (out != name && OnlyUnderscores(out)) return {};
  return out;
}

std::string UnitName(std::string_view unit, bool utf8) {
  UnitWords words = WordsOf(unit);
  if (!utf8) words = {Clean(words.main), Clean(words.per)};
  std::string out = words.main;
  if (!words.main.empty() && !words.per.empty()) out += '_';
  out += words.per;
  if (!out.empty() && out.front() == '_') out.erase(0, 1);
  if (!out.empty() && out.back() == '_') out.pop_back();
  return out;
}

std::string LabelName(std::string_view name, const LabelRules& rules) {
  if (rules.utf8) return OnlyUnderscores(name) ? std::string() : std::string(name);
  // Names between double underscores are Prometheus' own; they stay so.
  bool reserved = !rules.keep_underscores && name.size() >= 4 && name.starts_with("__") && name.ends_with("__");
  if (reserved) name = name.substr(2, name.size() - 4);
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    if (IsAlnum(name[i])) {
      out += name[i];
      continue;
    }
    // One underscore a character, whatever its bytes.
    bool continuation = i > 0 && (name[i] & 0xc0) == 0x80;
    bool merge = rules.keep_underscores ? continuation : !out.empty() && out.back() == '_';
    if (!merge) out += '_';
  }
  if (reserved) out = "__" + out + "__";
  if (!out.empty() && IsDigit(out[0])) {
    out.insert(0, "key_");
  } else if (rules.key_prefix && out.starts_with("_") && !out.starts_with("__")) {
    out.insert(0, "key");
  }
  return OnlyUnderscores(out) ? std::string() : out;
}

}  // namespace naru::codec::prometheus
