#include "wire/json_writer.h"

#include <array>
#include <cmath>

#include "wire/hash.h"

namespace naru::wire {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// Bytes of the UTF-8 sequence at `p`, or 0 when there is none (RFC 3629: no surrogates, no overlong forms).
size_t SequenceLength(const uint8_t* p, const uint8_t* end) {
  auto continues = [&](int i, uint8_t low = 0x80, uint8_t high = 0xbf) {
    return end - p > i && p[i] >= low && p[i] <= high;
  };
  uint8_t b = p[0];
  if (b < 0x80) return 1;
  if (b < 0xc2) return 0;
  if (b < 0xe0) return continues(1) ? 2 : 0;
  if (b < 0xf0) {
    bool second = b == 0xe0 ? continues(1, 0xa0) : b == 0xed ? continues(1, 0x80, 0x9f) : continues(1);
    return second && continues(2) ? 3 : 0;
  }
  if (b > 0xf4) return 0;
  bool second = b == 0xf0 ? continues(1, 0x90) : b == 0xf4 ? continues(1, 0x80, 0x8f) : continues(1);
  return second && continues(2) && continues(3) ? 4 : 0;
}

// Which bytes a JSON string takes as they are.
constexpr std::array<bool, 256> Plain(bool html) {
  std::array<bool, 256> table{};
  for (int c = 0x20; c < 0x80; ++c) table[static_cast<size_t>(c)] = c != '"' && c != '\\';
  if (html) table['<'] = table['>'] = table['&'] = false;
  return table;
}
constexpr std::array<bool, 256> kPlain[] = {Plain(false), Plain(false), Plain(true)};

constexpr uint64_t kOnes = 0x0101010101010101u, kHigh = 0x8080808080808080u;

// Sets the high bit of each byte of the result that is `c` in `word`; bytes above such a one may have it too.
constexpr uint64_t Is(uint64_t word, char c) {
  uint64_t differs = word ^ kOnes * static_cast<uint8_t>(c);
  return (differs - kOnes) & ~differs;
}

// A byte of `word` is a quote, a backslash, below 0x20 or above 0x7f, or in HTML <, > or &.
bool NeedsCare(uint64_t word, bool html) {
  uint64_t found = Is(word, '"') | Is(word, '\\') | (word - kOnes * 0x20) | word;
  if (html) found |= Is(word, '<') | Is(word, '>') | Is(word, '&');
  return (found & kHigh) != 0;
}

size_t PlainPrefix(std::string_view text, JsonEscapes escapes) {
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    if (NeedsCare(word, escapes == JsonEscapes::kGoHtml)) break;
  }
  const auto& plain = kPlain[static_cast<int>(escapes)];
  while (i < text.size() && plain[static_cast<uint8_t>(text[i])]) ++i;
  return i;
}

void AppendEscape(Writer& out, uint8_t c, JsonEscapes escapes) {
  if (escapes != JsonEscapes::kLeast && (c == '\b' || c == '\f')) return out.Raw(c == '\b' ? "\\b" : "\\f");
  switch (c) {
    case '"':
      return out.Raw("\\\"");
    case '\\':
      return out.Raw("\\\\");
    case '\n':
      return out.Raw("\\n");
    case '\r':
      return out.Raw("\\r");
    case '\t':
      return out.Raw("\\t");
    default: {
      constexpr char kDigits[] = "0123456789abcdef";
      char text[] = {'\\', 'u', '0', '0', kDigits[c >> 4], kDigits[c & 15]};
      return out.Raw({text, sizeof text});
    }
  }
}

}  // namespace

bool AppendValidUtf8(Writer& out, std::string_view text) {
  bool valid = true;
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  const auto* end = p + text.size();
  while (p < end) {
    const auto* from = p;
    size_t n = 1;
    while (p < end && (n = SequenceLength(p, end)) > 0) p += n;
    out.Raw({reinterpret_cast<const char*>(from), static_cast<size_t>(p - from)});
    if (p == end) break;
    valid = false;
    out.Raw(kReplacement);
    ++p;
  }
  return valid;
}

void AppendJsonString(Writer& out, std::string_view text, JsonEscapes escapes) {
  const bool go = escapes != JsonEscapes::kLeast;
  size_t n = PlainPrefix(text, escapes);
  uint8_t* to = out.Room(n + 2);
  to[0] = '"';
  if (n > 0) std::memcpy(to + 1, text.data(), n);
  out.Advance(n + 1);
  text.remove_prefix(n);
  while (!text.empty()) {
    auto c = static_cast<uint8_t>(text.front());
    if (c < 0x80) {
      AppendEscape(out, c, escapes);
      text.remove_prefix(1);
    } else {
      const auto* p = reinterpret_cast<const uint8_t*>(text.data());
      size_t length = SequenceLength(p, p + text.size());
      if (length == 0) {
        out.Raw(go ? std::string_view("\\ufffd") : kReplacement);
        length = 1;
      } else if (go && length == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] | 1) == 0xa9) {
        out.Raw(p[2] & 1 ? "\\u2029" : "\\u2028");
      } else {
        out.Raw(text.substr(0, length));
      }
      text.remove_prefix(length);
    }
    n = PlainPrefix(text, escapes);
    out.Raw(text.substr(0, n));
    text.remove_prefix(n);
  }
  out.Raw("\"");
}

void JsonWriter::Double(double v) {
  auto* begin = reinterpret_cast<char*>(out_.Room(kFloatText));
  char* p = begin;
  if (comma_) *p++ = ',';
  bool quoted = !std::isfinite(v);
  if (quoted) *p++ = '"';
  p = PutFloat(p, v, FloatStyle::kShortest);
  if (quoted) *p++ = '"';
  out_.Advance(static_cast<size_t>(p - begin));
  comma_ = true;
}

void JsonWriter::Hex(std::string_view bytes) {
  Separate();
  auto* p = reinterpret_cast<char*>(out_.Room(bytes.size() * 2 + 2));
  p[0] = '"';
  HexEncodeTo(bytes, p + 1);
  p[bytes.size() * 2 + 1] = '"';
  out_.Advance(bytes.size() * 2 + 2);
  comma_ = true;
}

void JsonWriter::Base64(std::string_view bytes) {
  Separate();
  size_t n = Base64EncodedSize(bytes.size());
  auto* p = reinterpret_cast<char*>(out_.Room(n + 2));
  p[0] = '"';
  Base64EncodeTo(bytes, p + 1);
  p[n + 1] = '"';
  out_.Advance(n + 2);
  comma_ = true;
}

}  // namespace naru::wire
