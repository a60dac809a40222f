// YAML text to document tree. libyaml scans and parses; composing (anchors, merges, duplicate keys, limits, types) is
// ours.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "conf/value.h"

namespace naru::conf {

/// Reads the first document of `text`. Errors say source:line:column. Limits: 16 MiB of text, kMaxDepth levels, 200,000
/// nodes after aliases are expanded. Scalars are typed as ResolvePlain says; quoted ones are strings. An empty text is
/// null.
Result<Value> ParseYaml(std::string_view text, const std::string& source);

}  // namespace naru::conf
