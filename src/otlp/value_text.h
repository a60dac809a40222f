// Values as text, and converted between types, by the rules of the reference collector (pcommon.Value.AsString and the
// convert action of the attributes processor).
#pragma once

#include <string>
#include <string_view>

#include "otlp/views.h"

namespace naru::otlp {

/// Appends the value as text: strings as they are, "true", 42, numbers in the shortest form that reads back equal,
/// bytes in base64, arrays and maps as JSON with sorted keys; nothing for an empty value. Lists and maps nested deeper
/// than 64 become null.
void AppendText(const AnyValue& value, std::string* out);

/// Whole strings only, with the syntax of Go's strconv (base 10; decimal and hexadecimal floats, inf, nan, digit
/// separators).
bool ParseInt(std::string_view text, int64_t* value);
bool ParseFloat(std::string_view text, double* value);

}  // namespace naru::otlp
