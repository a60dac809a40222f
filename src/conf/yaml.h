// YAML text to document tree. libyaml scans and parses; composing (anchors, merges, duplicate keys, limits, types) is
// ours.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "conf/value.h"

namespace naru::conf {

/// Reads the first document of `text`; what comes after it is not looked at. Errors say source:line:column. Limits: 16
/// MiB of text, kMaxDepth levels, 200,000 nodes after aliases are expanded, 10,000 keys a map. Scalars are typed as
/// ResolvePlain says; quoted ones are strings; the tags !!str, !!int, !!float, !!bool, !!null, !!binary, !!timestamp
/// are obeyed, others ignored. Keys are texts (`1: x` has the key "1"), at the top level they must be written as such.
/// `<<` merges maps. An empty text is null.
Result<Value> ParseYaml(std::string_view text, const std::string& source);

}  // namespace naru::conf
