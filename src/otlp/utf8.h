// Whether bytes are UTF-8 (RFC 3629: no surrogates, no overlong forms).
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace naru::otlp {

/// Vectorised; for text that is not all ASCII.
bool IsUtf8Slow(std::string_view text);

inline bool IsUtf8(std::string_view text) {
  uint64_t all = 0;
  const char* p = text.data();
  size_t n = text.size();
  for (; n >= 8; p += 8, n -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    all |= word;
  }
  for (; n > 0; ++p, --n) all |= static_cast<unsigned char>(*p);
  return !(all & 0x8080808080808080u) || IsUtf8Slow(text);
}

}  // namespace naru::otlp
