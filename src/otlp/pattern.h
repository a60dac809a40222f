// Regular expressions as configurations write them: the syntax of Go's regexp package, which RE2 shares (linear time,
// no back references).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace naru::otlp {

/// Immutable and thread-safe; copies share the compiled expression.
class Pattern {
 public:
  /// Error kInvalidArgument names the fault. Memory of the compiled form is bounded (8 MiB).
  static Result<Pattern> Compile(std::string_view expression);

  /// Whether the text contains a match.
  bool Found(std::string_view text) const;
  /// The groups of the leftmost match, from index 1 at (*groups)[0]; those that took no part are empty. False without a
  /// match.
  bool Groups(std::string_view text, std::vector<std::string_view>* groups) const;
  /// Names of the groups 1, 2, ...; empty for unnamed ones.
  const std::vector<std::string>& group_names() const { return names_; }

 private:
  std::shared_ptr<const re2::RE2> re_;
  std::vector<std::string> names_;
};

}  // namespace naru::otlp
