// Scalars of YAML as Go's yaml.v3 resolves them, and Go's durations: the types of the reference's configuration.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "conf/value.h"

namespace naru::conf {

/// The typed value of a plain (unquoted) scalar: null, bool, int (0x, 0o, 0b, leading 0 is octal, `_` allowed), float,
/// else string. Integers beyond int64 are floats.
Value ResolvePlain(std::string_view text);

/// Whether Go's YAML would take the plain text for a time (`2001-01-01`, `2001-01-01T10:00:00Z`). ResolvePlain leaves
/// it a string.
bool IsTimestamp(std::string_view text);

/// Shortest text that reads back as the same double, as Go's %g writes it (`1.5`, `1e+06`); `.inf`, `-.inf`, `.nan`.
std::string FormatDouble(double d);

/// Go's time.ParseDuration: "1h2m3.5s", "200ms", "-1us", "0". Bounded to what int64 nanoseconds hold.
std::optional<Duration> ParseDuration(std::string_view text);
/// Go's Duration.String(): "1m30s", "200ms", "0s".
std::string FormatDuration(Duration d);

/// Order of keys in Go's YAML: runs of digits by their number (`a2` before `a10`), symbols before letters.
bool NaturalLess(std::string_view a, std::string_view b);

}  // namespace naru::conf
