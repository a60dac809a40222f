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
  /// Told of unset variables, with the place of the reference.
  std::function<void(const std::string& message)> warn;
  /// Told of what is allowed and may surprise: empty variables, texts that are no YAML.
  std::function<void(const std::string& message)> info;
};

/// Appends lists at service::extensions and at receivers and exporters below service instead of replacing them, without
/// what is there already (gate confmap.enableMergeAppendOption).
struct MergeOptions {
  bool append_lists = false;
};

/// Merges `over` into `base`: maps key by key, everything else (null too) replaces.
void Merge(Value& base, const Value& over, const MergeOptions& options = {});

/// Reads and merges the URIs from left to right, then expands references and unescapes `$$`. Schemes: file, env, yaml,
/// http, https; without a colon, or with a drive letter, file. Keys that are paths (`a::b: 1`) are taken apart before
/// merging. All errors of reading and expanding come in the message, one a line. Bounds: 100 URIs, 1,000 rounds of
/// expansion a value, 100,000 references and 256 MiB of text altogether.
Result<Value> Resolve(const std::vector<std::string>& uris, const Sources& sources, const MergeOptions& options = {});

/// "a.b.c=v" of --set as the URI "yaml:a::b::c: v".
Result<std::string> SetToUri(std::string_view assignment);

}  // namespace naru::conf
