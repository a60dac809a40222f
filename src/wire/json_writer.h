// Writing JSON: append-only, commas placed by itself, no look-ahead and no allocation beyond the growing output.
#pragma once

#include <cstdint>
#include <string_view>

#include "wire/numbers.h"
#include "wire/proto.h"

namespace naru::wire {

/// Appends `text` to `out` with every byte that is not part of valid UTF-8 replaced by U+FFFD; true when none was.
bool AppendValidUtf8(Writer& out, std::string_view text);

enum class JsonEscapes : uint8_t {
  kLeast,   // the quote, the backslash and what is below U+0020: \n, \r, \t, else \u00xx. As OTLP/JSON
  kGo,      // also \b and \f, U+2028, U+2029, and U+FFFD where a byte is not UTF-8: encoding/json without SetEscapeHTML
  kGoHtml,  // also <, > and &: encoding/json as it is
};

/// Appends `text` to `out` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD one by one.
void AppendJsonString(Writer& out, std::string_view text, JsonEscapes escapes = JsonEscapes::kLeast);

/// Writes one value after another. The caller keeps objects and arrays balanced and puts a key before every value in an
/// object; nothing checks that. Not thread-safe.
class JsonWriter {
 public:
  explicit JsonWriter(Writer& out) : out_(out) {}
  Writer& out() { return out_; }

  void BeginObject() { Open('{'); }
  void EndObject() { Close('}'); }
  void BeginArray() { Open('['); }
  void EndArray() { Close(']'); }

  /// A key that needs no escapes.
  void Key(std::string_view key) {
    uint8_t* p = out_.Room(key.size() + 4);
    uint8_t* begin = p;
    if (comma_) *p++ = ',';
    *p++ = '"';
    std::memcpy(p, key.data(), key.size());
    p += key.size();
    *p++ = '"';
    *p++ = ':';
    out_.Advance(static_cast<size_t>(p - begin));
    comma_ = false;
  }
  /// A key with any content.
  void AnyKey(std::string_view key) {
    Separate();
    AppendJsonString(out_, key);
    out_.Raw(":");
    comma_ = false;
  }

  void String(std::string_view text) {
    Separate();
    AppendJsonString(out_, text);
    comma_ = true;
  }
  void Int(int64_t v) { Number(v, false); }
  void Uint(uint64_t v) { Number(v, false); }
  /// As a string, which is how protobuf's JSON form writes 64 bits.
  void QuotedInt(int64_t v) { Number(v, true); }
  void QuotedUint(uint64_t v) { Number(v, true); }
  /// NaN and infinities become the strings "NaN", "Infinity", "-Infinity".
  void Double(double v);
  void Bool(bool v) { Literal(v ? "true" : "false"); }
  void Null() { Literal("null"); }
  void Hex(std::string_view bytes);
  void Base64(std::string_view bytes);
  /// A value that is JSON already.
  void Literal(std::string_view json) {
    Separate();
    out_.Raw(json);
    comma_ = true;
  }

 private:
  void Separate() {
    if (comma_) Byte(',');
  }
  void Byte(char c) {
    *out_.Room(1) = static_cast<uint8_t>(c);
    out_.Advance(1);
  }
  void Open(char c) {
    Separate();
    Byte(c);
    comma_ = false;
  }
  void Close(char c) {
    Byte(c);
    comma_ = true;
  }
  template <class I>
  void Number(I v, bool quoted) {
    auto* begin = reinterpret_cast<char*>(out_.Room(kIntegerText + 3));
    char* p = begin;
    if (comma_) *p++ = ',';
    if (quoted) *p++ = '"';
    if constexpr (std::is_signed_v<I>) {
      p = PutSigned(p, v);
    } else {
      p = PutUnsigned(p, v);
    }
    if (quoted) *p++ = '"';
    out_.Advance(static_cast<size_t>(p - begin));
    comma_ = true;
  }

  Writer& out_;
  bool comma_ = false;
};

}  // namespace naru::wire
