// Ids of components and pipelines, and the nearest valid word for a wrong one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace naru::conf {

/// `type[/name]`. The type starts with a letter and has letters, digits and `_` (at most 63); the name at most 1,024
/// characters without spaces or symbols, as in the reference.
struct ComponentId {
  std::string type;
  std::string name;
  static Result<ComponentId> Parse(std::string_view text);
};

/// ` (did you mean "x"?)` when one of `valid` is close to `word`, else nothing.
std::string DidYouMean(std::string_view word, const std::vector<std::string>& valid);

}  // namespace naru::conf
