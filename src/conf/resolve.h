// From the command line's --config URIs and --set to one document: reading, merging, expanding, as the reference's
// confmap does.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "conf/value.h"

namespace naru::conf {

/// How configuration reaches the world. Each function may block: configuration is read before anything runs, or off the
/// loops.
struct Sources {
  std::function<Result<std::string>(const std::string& path)> read_file;
  /// The value of an environment variable; nothing when it is not set.
  std::function<std::optional<std::string>(const std::string& name)> env;
  /// Body of an http:// or https:// URI.
  std::function<Result<std::string>(const std::string& url)> fetch;
  /// Told of unset variables and of empty ones.
  std::function<void(const std::string& message)> warn;
};

/// Appends lists at service::extensions and at the pipelines' receivers and exporters instead of replacing them
/// (gate confmap.enableMergeAppendOption).
struct MergeOptions {
  bool append_lists = false;
};

/// Merges `over` into `base`: maps key by key, everything else (null too) replaces.
void Merge(Value& base, const Value& over, const MergeOptions& options = {});

/// Reads, expands and merges the URIs from left to right. Schemes: file, env, yaml, http, https; without a scheme, or
/// with a drive letter, file. All errors of reading and expanding come in the message, one a line.
Result<Value> Resolve(const std::vector<std::string>& uris, const Sources& sources, const MergeOptions& options = {});

/// "a.b.c=v" of --set as the URI "yaml:a::b::c: v".
Result<std::string> SetToUri(std::string_view assignment);

}  // namespace naru::conf
