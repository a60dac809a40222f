#include "wire/hash.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <array>
#include <bit>
#include <cstring>

namespace naru::wire {
namespace {

constexpr char kDigits[] = "0123456789abcdef";
constexpr std::string_view kStandardAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr uint8_t kNone = 0xff;

constexpr std::array<uint8_t, 256> Inverse(bool standard, bool url) {
  std::array<uint8_t, 256> table{};
  table.fill(kNone);
  for (uint8_t i = 0; i < 64; ++i) {
    if (standard) table[static_cast<uint8_t>(kStandardAlphabet[i])] = i;
    if (url) table[static_cast<uint8_t>(kUrlAlphabet[i])] = i;
  }
  return table;
}
constexpr std::array<uint8_t, 256> kInverse[] = {Inverse(true, false), Inverse(false, true), Inverse(true, true)};

constexpr std::array<uint8_t, 256> HexInverse() {
  std::array<uint8_t, 256> table{};
  table.fill(kNone);
  for (uint8_t i = 0; i < 10; ++i) table['0' + i] = i;
  for (uint8_t i = 0; i < 6; ++i) table['a' + i] = table['A' + i] = static_cast<uint8_t>(10 + i);
  return table;
}
constexpr std::array<uint8_t, 256> kHex = HexInverse();

std::string DigestHex(const EVP_MD* kind, std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  // Fails only when the library lacks the digest; an empty text is then the visible result.
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, kind, nullptr) != 1) return {};
  return HexEncode({reinterpret_cast<const char*>(digest), size});
}

#if !defined(__SSE4_2__)
constexpr std::array<uint32_t, 256> CrcTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
    table[i] = c;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = CrcTable();
#endif

}  // namespace

uint64_t Xxh3(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

uint32_t Crc32c(std::string_view bytes, uint32_t crc) {
  const char* p = bytes.data();
  size_t n = bytes.size();
  crc = ~crc;
#if defined(__SSE4_2__)
  uint64_t wide = crc;
  for (; n >= 8; p += 8, n -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    wide = __builtin_ia32_crc32di(wide, word);
  }
  crc = static_cast<uint32_t>(wide);
  for (; n > 0; ++p, --n) crc = __builtin_ia32_crc32qi(crc, static_cast<uint8_t>(*p));
#else
  for (; n > 0; ++p, --n) crc = kCrcTable[(crc ^ static_cast<uint8_t>(*p)) & 0xff] ^ crc >> 8;
#endif
  return ~crc;
}

std::string Md5Hex(std::string_view bytes) {
  return DigestHex(EVP_md5(), bytes);
}
std::string Sha1Hex(std::string_view bytes) {
  return DigestHex(EVP_sha1(), bytes);
}
std::string Sha256Hex(std::string_view bytes) {
  return DigestHex(EVP_sha256(), bytes);
}

void Base64EncodeTo(std::string_view bytes, char* out, bool url) {
  std::string_view alphabet = url ? kUrlAlphabet : kStandardAlphabet;
  const auto* p = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t n = bytes.size();
  for (; n >= 3; p += 3, n -= 3) {
    uint32_t v = static_cast<uint32_t>(p[0]) << 16 | static_cast<uint32_t>(p[1]) << 8 | p[2];
    for (int shift = 18; shift >= 0; shift -= 6) *out++ = alphabet[v >> shift & 63];
  }
  if (n > 0) {
    uint32_t v = static_cast<uint32_t>(p[0]) << 16 | (n == 2 ? static_cast<uint32_t>(p[1]) << 8 : 0);
    *out++ = alphabet[v >> 18];
    *out++ = alphabet[v >> 12 & 63];
    *out++ = n == 2 ? alphabet[v >> 6 & 63] : '=';
    *out = '=';
  }
}

std::string Base64Encode(std::string_view bytes, bool url) {
  std::string text(Base64EncodedSize(bytes.size()), '\0');
  Base64EncodeTo(bytes, text.data(), url);
  return text;
}

ptrdiff_t Base64DecodeTo(std::string_view text, uint8_t* out, Base64Form form) {
  size_t padding = 0;
  if (text.ends_with('=')) padding = text.ends_with("==") ? 2 : 1;
  if (padding > 0 ? text.size() % 4 != 0 : form != Base64Form::kEither && text.size() % 4 != 0) return -1;
  text.remove_suffix(padding);
  size_t tail = text.size() % 4;
  if (tail == 1 || (padding > 0 && padding + tail != 4)) return -1;
  const auto& inverse = kInverse[static_cast<int>(form)];
  const uint8_t* begin = out;
  uint32_t bad = 0;  // bit 7 is set by every character outside the alphabet
  auto digit = [&](size_t i) -> uint32_t {
    uint8_t d = inverse[static_cast<uint8_t>(text[i])];
    bad |= d;
    return d;
  };
  size_t i = 0;
  for (; i + 4 <= text.size(); i += 4) {
    uint32_t v = digit(i) << 18 | digit(i + 1) << 12 | digit(i + 2) << 6 | digit(i + 3);
    *out++ = static_cast<uint8_t>(v >> 16);
    *out++ = static_cast<uint8_t>(v >> 8);
    *out++ = static_cast<uint8_t>(v);
  }
  if (tail == 2) {
    uint32_t v = digit(i) << 6 | digit(i + 1);
    if (v & 0xf) return -1;
    *out++ = static_cast<uint8_t>(v >> 4);
  } else if (tail == 3) {
    uint32_t v = digit(i) << 12 | digit(i + 1) << 6 | digit(i + 2);
    if (v & 0x3) return -1;
    *out++ = static_cast<uint8_t>(v >> 10);
    *out++ = static_cast<uint8_t>(v >> 2);
  }
  return bad & 0x80 ? -1 : out - begin;
}

std::optional<std::string> Base64Decode(std::string_view text, Base64Form form) {
  std::string bytes(text.size() / 4 * 3 + 2, '\0');
  ptrdiff_t n = Base64DecodeTo(text, reinterpret_cast<uint8_t*>(bytes.data()), form);
  if (n < 0) return std::nullopt;
  bytes.resize(static_cast<size_t>(n));
  return bytes;
}

void HexEncodeTo(std::string_view bytes, char* out) {
  for (char c : bytes) {
    auto b = static_cast<uint8_t>(c);
    *out++ = kDigits[b >> 4];
    *out++ = kDigits[b & 15];
  }
}

std::string HexEncode(std::string_view bytes) {
  std::string text(bytes.size() * 2, '\0');
  HexEncodeTo(bytes, text.data());
  return text;
}

bool HexDecodeTo(std::string_view text, uint8_t* out) {
  if (text.size() % 2) return false;
  uint8_t bad = 0;
  for (size_t i = 0; i < text.size(); i += 2) {
    uint8_t high = kHex[static_cast<uint8_t>(text[i])], low = kHex[static_cast<uint8_t>(text[i + 1])];
    bad |= high | low;
    *out++ = static_cast<uint8_t>(high << 4 | (low & 15));
  }
  return (bad & 0x80) == 0;
}

std::optional<std::string> HexDecode(std::string_view text) {
  std::string bytes(text.size() / 2, '\0');
  if (!HexDecodeTo(text, reinterpret_cast<uint8_t*>(bytes.data()))) return std::nullopt;
  return bytes;
}

}  // namespace naru::wire
