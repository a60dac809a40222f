#include "codec/loki/logfmt.h"

#include <algorithm>
#include <cstdint>

#include "otlp/utf8.h"
#include "wire/hash.h"
#include "wire/json_writer.h"
#include "wire/numbers.h"

namespace naru::codec::loki {
namespace {

constexpr int kMaxNesting = 64;

bool IsBlank(char c) {
  return static_cast<unsigned char>(c) <= ' ';
}

bool IsPlain(char c) {
  return !IsBlank(c) && c != '=' && c != '"';
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Four hexadecimal digits at `s`, or -1.
int32_t HexFour(std::string_view s) {
  if (s.size() < 4) return -1;
  int32_t v = 0;
  for (int i = 0; i < 4; ++i) {
    int d = HexDigit(s[static_cast<size_t>(i)]);
    if (d < 0) return -1;
    v = v << 4 | d;
  }
  return v;
}

char* PutUtf8(char* out, uint32_t c) {
  auto put = [&](uint32_t b) { *out++ = static_cast<char>(b); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6);
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3f));
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  }
  return out;
}

// The content of a quoted text without its escapes, which are those of JSON. The result is never longer than `s`.
bool Unquote(std::string_view s, TextArena& arena, std::string_view* text) {
  char* begin = arena.Allocate(s.size());
  char* out = begin;
  constexpr std::string_view kLetters = "\"\\/'bfnrt";
  constexpr char kMeant[] = "\"\\/'\b\f\n\r\t";
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '\\') {
      if (static_cast<unsigned char>(s[i]) < ' ') return false;
      *out++ = s[i];
      continue;
    }
    if (++i >= s.size()) return false;
    if (s[i] != 'u') {
      size_t letter = kLetters.find(s[i]);
      if (letter == std::string_view::npos) return false;
      *out++ = kMeant[letter];
      continue;
    }
    int32_t c = HexFour(s.substr(i + 1));
    if (c < 0) return false;
    i += 4;
    auto code = static_cast<uint32_t>(c);
    if (c >= 0xd800 && c < 0xe000) {
      int32_t low = s.substr(i + 1).starts_with("\\u") ? HexFour(s.substr(i + 3)) : -1;
      if (c < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (static_cast<uint32_t>(low) - 0xdc00);
        i += 6;
      } else {
        code = 0xfffd;
      }
    }
    out = PutUtf8(out, code);
  }
  *text = {begin, static_cast<size_t>(out - begin)};
  return true;
}

otlp::AnyValue Text(std::string_view text) {
  otlp::AnyValue v;
  v.kind = otlp::AnyValue::Kind::kString;
  v.bytes = text;
  return v;
}

// One pair at the front of `rest`, which begins with no blank. False when there is none.
bool TakePair(std::string_view& rest, TextArena& arena, LogfmtPair* pair) {
  size_t n = 0;
  while (n < rest.size() && IsPlain(rest[n])) ++n;
  if (n == 0 || (n < rest.size() && rest[n] == '"')) return false;
  pair->key = rest.substr(0, n);
  pair->parsed = true;
  if (!otlp::IsUtf8(pair->key)) return false;
  rest.remove_prefix(n);
  if (rest.empty() || rest[0] != '=') {
    pair->value = Text({});
    return true;
  }
  rest.remove_prefix(1);
  if (!rest.starts_with('"')) {
    n = 0;
    while (n < rest.size() && IsPlain(rest[n])) ++n;
    if (n < rest.size() && !IsBlank(rest[n])) return false;
    pair->value = Text(rest.substr(0, n));
    rest.remove_prefix(n);
    return true;
  }
  bool escapes = false;
  for (n = 1; n < rest.size() && rest[n] != '"'; ++n) {
    if (rest[n] != '\\') continue;
    escapes = true;
    ++n;
  }
  if (n >= rest.size()) return false;
  std::string_view text = rest.substr(1, n - 1);
  if (escapes && !Unquote(text, arena, &text)) return false;
  pair->value = Text(text);
  rest.remove_prefix(n + 1);
  return true;
}

void WriteKey(std::string_view key, wire::Writer& out) {
  size_t start = out.size();
  if (otlp::IsUtf8(key)) {
    while (!key.empty()) {
      size_t n = 0;
      while (n < key.size() && IsPlain(key[n])) ++n;
      out.Raw(key.substr(0, n));
      key.remove_prefix(n);
      while (!key.empty() && !IsPlain(key[0])) key.remove_prefix(1);
    }
  } else {
    for (char c : key) {
      if (IsPlain(c) && static_cast<unsigned char>(c) < 0x80) out.Raw({&c, 1});
    }
  }
  if (out.size() == start) out.Raw("_");
}

void WriteText(std::string_view text, bool parsed, wire::Writer& out) {
  bool plain = std::all_of(text.begin(), text.end(), IsPlain) && otlp::IsUtf8(text);
  // Bare, `null` means that there is no value.
  if (!plain || (text == "null" && !parsed)) return wire::AppendJsonString(out, text);
  out.Raw(text);
}

}  // namespace

bool ParseLogfmt(std::string_view line, TextArena& arena, std::vector<LogfmtPair>* pairs) {
  if (line.find('\n') != std::string_view::npos) return false;
  const size_t before = pairs->size();
  for (;;) {
    while (!line.empty() && IsBlank(line[0])) line.remove_prefix(1);
    if (line.empty()) return true;
    LogfmtPair pair;
    if (!TakePair(line, arena, &pair)) {
      pairs->resize(before);
      return false;
    }
    pairs->push_back(pair);
  }
}

void WriteLogfmt(const LogfmtPair& pair, wire::Writer& out) {
  using Kind = otlp::AnyValue::Kind;
  WriteKey(pair.key, out);
  out.Raw("=");
  const otlp::AnyValue& v = pair.value;
  switch (v.kind) {
    case Kind::kString:
      return WriteText(v.bytes, pair.parsed, out);
    case Kind::kBool:
      return out.Raw(v.boolean ? "true" : "false");
    case Kind::kInt: {
      char text[wire::kIntegerText];
      return out.Raw({text, static_cast<size_t>(wire::PutSigned(text, v.integer) - text)});
    }
    case Kind::kDouble: {
      char text[wire::kFloatText];
      return out.Raw({text, static_cast<size_t>(wire::PutFloat(text, v.real, wire::FloatStyle::kGeneral) - text)});
    }
    case Kind::kBytes: {
      if (otlp::IsUtf8(v.bytes)) return WriteText(v.bytes, true, out);
      size_t n = wire::Base64EncodedSize(v.bytes.size());
      wire::Base64EncodeTo(v.bytes, reinterpret_cast<char*>(out.Room(n)));
      return out.Advance(n);
    }
    case Kind::kEmpty:
    case Kind::kArray:
    case Kind::kKvlist:
      return out.Raw("null");
  }
}

void FlattenLogfmt(std::string_view key, const otlp::AnyValue& value, TextArena& arena, std::vector<LogfmtPair>* pairs,
                   int depth) {
  using Kind = otlp::AnyValue::Kind;
  if (value.kind == Kind::kEmpty || depth > kMaxNesting) return;
  if (value.kind != Kind::kArray && value.kind != Kind::kKvlist) {
    pairs->push_back({key, value, false});
    return;
  }
  std::string_view prefix = key.empty() ? key : arena.Join(key, "_");
  if (value.kind == Kind::kKvlist) {
    for (const otlp::KeyValue& kv : value.kvlist())
      FlattenLogfmt(prefix.empty() ? kv.key : arena.Join(prefix, kv.key), kv.value, arena, pairs, depth + 1);
    return;
  }
  int64_t place = 0;
  for (const otlp::AnyValue& e : value.array()) {
    char text[wire::kIntegerText];
    std::string_view number(text, static_cast<size_t>(wire::PutSigned(text, place++) - text));
    FlattenLogfmt(arena.Join(prefix, number), e, arena, pairs, depth + 1);
  }
}

}  // namespace naru::codec::loki
