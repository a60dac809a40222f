// Scalars of YAML as Go's yaml.v3 resolves them, and Go's durations: the types of the reference's configuration.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "conf/value.h"

namespace naru::conf {

/// The typed value of a plain (unquoted) scalar: null, bool, int (0x, 0o, 0b, leading 0 is octal, `_` allowed), float,
/// else string.
Value ResolvePlain(std::string_view text);

/// Shortest text that reads back as the same double; `.inf`, `-.inf`, `.nan`.
std::string FormatDouble(double d);

/// Go's time.ParseDuration: "1h2m3.5s", "200ms", "-1us", "0". Bounded to what int64 nanoseconds hold.
std::optional<Duration> ParseDuration(std::string_view text);
/// Go's Duration.String(): "1m30s", "200ms", "0s".
std::string FormatDuration(Duration d);

}  // namespace naru::conf
