#include "otlp/pattern.h"

#include <re2/re2.h>

namespace naru::otlp {
namespace {

// Go also takes (?<name>...) for (?P<name>...); the RE2 of Debian 12 does not.
std::string WithNamedGroups(std::string_view expression) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < expression.size(); ++i) {
    char c = expression[i];
    if (c == '\\' && i + 1 < expression.size()) {
      if (!in_class && expression[i + 1] == 'Q') {
        size_t end = expression.find("\\E", i + 2);
        end = end == std::string_view::npos ? expression.size() : end + 2;
        out.append(expression.substr(i, end - i));
        i = end - 1;
        continue;
      }
      out.append(expression.substr(i++, 2));
      continue;
    }
    if (in_class) {
      in_class = c != ']';
    } else if (c == '[') {
      in_class = true;
      // A bracket right after [ or [^ is a member of the class.
      size_t first = i + 1 < expression.size() && expression[i + 1] == '^' ? i + 2 : i + 1;
      if (first < expression.size() && expression[first] == ']') {
        out.append(expression.substr(i, first - i + 1));
        i = first;
        continue;
      }
    } else if (expression.substr(i, 3) == "(?<" && i + 3 < expression.size() && expression[i + 3] != '=' &&
               expression[i + 3] != '!') {
      out += "(?P<";
      i += 2;
      continue;
    }
    out += c;
  }
  return out;
}

}  // namespace

Result<Pattern> Pattern::Compile(std::string_view expression) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(8 << 20);
  auto re = std::make_shared<const re2::RE2>(WithNamedGroups(expression), options);
  if (!re->ok()) return Fail(Code::kInvalidArgument, "\"{}\" is not a regular expression: {}", expression, re->error());
  Pattern p;
  p.names_.resize(static_cast<size_t>(re->NumberOfCapturingGroups()));
  for (const auto& [index, name] : re->CapturingGroupNames()) p.names_[static_cast<size_t>(index) - 1] = name;
  p.re_ = std::move(re);
  return p;
}

bool Pattern::Found(std::string_view text) const {
  return re_->Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), re2::RE2::UNANCHORED, nullptr, 0);
}

bool Pattern::Groups(std::string_view text, std::vector<std::string_view>* groups) const {
  std::vector<re2::StringPiece> found(names_.size() + 1);
  if (!re_->Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), re2::RE2::UNANCHORED, found.data(),
                  static_cast<int>(found.size()))) {
    return false;
  }
  groups->clear();
  for (size_t i = 1; i < found.size(); ++i)
    groups->emplace_back(found[i].data() ? found[i].data() : "", found[i].size());
  return true;
}

}  // namespace naru::otlp
