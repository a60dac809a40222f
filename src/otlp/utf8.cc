#include "otlp/utf8.h"

#include <simdjson.h>

namespace naru::otlp {

bool IsUtf8Slow(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size());
}

}  // namespace naru::otlp
