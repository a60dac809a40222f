// Hashes, checksums and the two text forms of bytes. Pure functions, safe on any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace naru::wire {

/// XXH3, 64 bits: for tables, sharding and the checksums of our own files. Not against forgery.
uint64_t Xxh3(std::string_view bytes, uint64_t seed = 0);

/// FNV-1a. Others sample and shard by it, so its value is part of interfaces.
constexpr uint32_t Fnv1a32(std::string_view bytes, uint32_t state = 0x811c9dc5u) {
  for (char c : bytes) state = (state ^ static_cast<uint8_t>(c)) * 0x01000193u;
  return state;
}
constexpr uint64_t Fnv1a64(std::string_view bytes, uint64_t state = 0xcbf29ce484222325u) {
  for (char c : bytes) state = (state ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return state;
}

/// CRC-32C (Castagnoli), as in snappy frames and many file formats. Chain pieces by passing the last result.
uint32_t Crc32c(std::string_view bytes, uint32_t crc = 0);

/// Digests as lower-case hexadecimal text of 32, 40 and 64 characters.
std::string Md5Hex(std::string_view bytes);
std::string Sha1Hex(std::string_view bytes);
std::string Sha256Hex(std::string_view bytes);

/// RFC 4648 base64 with padding; `url` takes the alphabet of section 5 (- and _).
std::string Base64Encode(std::string_view bytes, bool url = false);
constexpr size_t Base64EncodedSize(size_t n) {
  return (n + 2) / 3 * 4;
}
/// Writes Base64EncodedSize(bytes.size()) characters at `out`.
void Base64EncodeTo(std::string_view bytes, char* out, bool url = false);

enum class Base64Form : uint8_t {
  kStandard,  // + and /, padded
  kUrl,       // - and _, padded
  kEither,    // either alphabet, padding optional: what protobuf's JSON form asks a reader to accept
};
/// The bytes, or nothing when the text is not exactly base64: other characters, wrong padding, or bits that are not
/// zero behind the last byte. Line breaks are not accepted.
std::optional<std::string> Base64Decode(std::string_view text, Base64Form form = Base64Form::kStandard);
/// As above, into `out` with room for text.size() / 4 * 3 + 2 bytes; returns the size, or -1.
ptrdiff_t Base64DecodeTo(std::string_view text, uint8_t* out, Base64Form form);

/// Lower-case hexadecimal.
std::string HexEncode(std::string_view bytes);
/// Writes two characters a byte at `out`.
void HexEncodeTo(std::string_view bytes, char* out);
/// The bytes, or nothing: digits of either case, an even number of them.
std::optional<std::string> HexDecode(std::string_view text);
/// As above, into `out` with room for text.size() / 2 bytes; false when it is not hexadecimal.
bool HexDecodeTo(std::string_view text, uint8_t* out);

}  // namespace naru::wire
