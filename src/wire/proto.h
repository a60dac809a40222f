// The protocol buffer wire format: a cursor that reads it and a writer that writes it. Bytes without meaning; what
// fields mean stands in otlp/fields.h. (https://protobuf.dev/programming-guides/encoding/)
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/buffer.h"

namespace naru::wire {

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

/// The number in front of every field: field number and wire type.
constexpr uint32_t Tag(uint32_t field, WireType type) {
  return field << 3 | type;
}
constexpr uint32_t FieldOf(uint32_t tag) {
  return tag >> 3;
}
constexpr uint32_t TypeOf(uint32_t tag) {
  return tag & 7;
}

/// Bytes of `v` as a varint, 1 to 10.
constexpr size_t VarintSize(uint64_t v) {
  return static_cast<size_t>(std::bit_width(v | 1) + 6) / 7;
}
constexpr uint64_t ZigZag(int64_t v) {
  return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63);
}
constexpr int64_t UnZigZag(uint64_t v) {
  return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
}
/// Bytes of a length-delimited field with a tag and `size` bytes of content.
constexpr size_t FieldSize(uint32_t field, size_t size) {
  return VarintSize(uint64_t{field} << 3) + VarintSize(size) + size;
}

/// Writes `v` at `out`, which has room for VarintSize(v) bytes; returns the end.
inline uint8_t* PutVarint(uint8_t* out, uint64_t v) {
  while (v >= 0x80) {
    *out++ = static_cast<uint8_t>(v | 0x80);
    v >>= 7;
  }
  *out++ = static_cast<uint8_t>(v);
  return out;
}

/// Reads the fields of one message, bounds-checked. Errors stick: after the first one ok() is false, Next() returns 0
/// and every read returns zero or empty. Refused: truncation, tags and lengths of more than 5 bytes, varints of more
/// than 10, field number 0, groups and the unassigned wire types. Holds no memory: the bytes must outlive the reader
/// and everything read from it.
///
///   Reader r(bytes);
///   while (uint32_t tag = r.Next()) {
///     switch (tag) {
///       case Tag(1, kLength): name = r.Bytes(); break;
///       default: r.Skip(tag);
///     }
///   }
class Reader {
 public:
  Reader() = default;
  explicit Reader(std::string_view bytes)
      : p_(reinterpret_cast<const uint8_t*>(bytes.data())), end_(p_ + bytes.size()) {}

  bool ok() const { return ok_; }
  /// True when everything was read without error.
  bool done() const { return ok_ && p_ == end_; }
  const char* pos() const { return reinterpret_cast<const char*>(p_); }
  std::string_view rest() const { return {pos(), static_cast<size_t>(end_ - p_)}; }

  /// The next tag; 0 at the end of the message or after an error.
  uint32_t Next() {
    if (p_ == end_) return 0;
    uint32_t tag = *p_;
    if (tag < 0x80) [[likely]] {
      ++p_;
    } else if (end_ - p_ > 1 && p_[1] < 0x80) {
      tag = (tag & 0x7f) | static_cast<uint32_t>(p_[1]) << 7;
      p_ += 2;
    } else {
      tag = Varint32Slow();
    }
    if (tag < 8 || !(0x27u >> (tag & 7) & 1)) [[unlikely]] {
      Fail();
      return 0;
    }
    return tag;
  }

  uint64_t Varint() {
    if (end_ - p_ > 0 && p_[0] < 0x80) [[likely]]
      return *p_++;
    if (end_ - p_ > 1 && p_[1] < 0x80) {
      uint64_t v = (p_[0] & 0x7fu) | static_cast<uint64_t>(p_[1]) << 7;
      p_ += 2;
      return v;
    }
    return VarintSlow();
  }
  bool Bool() { return Varint() != 0; }
  int64_t SignedVarint() { return UnZigZag(Varint()); }
  uint32_t Fixed32() { return Fixed<uint32_t>(); }
  uint64_t Fixed64() { return Fixed<uint64_t>(); }
  double Double() { return std::bit_cast<double>(Fixed<uint64_t>()); }

  /// The content of a length-delimited field.
  std::string_view Bytes() {
    uint64_t n;
    if (end_ - p_ > 0 && p_[0] < 0x80) [[likely]] {
      n = *p_++;
    } else if (end_ - p_ > 1 && p_[1] < 0x80) {
      n = (p_[0] & 0x7fu) | static_cast<uint64_t>(p_[1]) << 7;
      p_ += 2;
    } else {
      n = Varint32Slow();
    }
    if (n > static_cast<uint64_t>(end_ - p_)) [[unlikely]] {
      Fail();
      return {};
    }
    std::string_view bytes(pos(), n);
    p_ += n;
    return bytes;
  }
  Reader Message() { return Reader(Bytes()); }

  /// Passes over the value of a field whose tag was just read.
  void Skip(uint32_t tag) {
    switch (tag & 7) {
      case kLength:
        Bytes();
        return;
      case kVarint:
        Varint();
        return;
      case kFixed64:
        Fixed<uint64_t>();
        return;
      case kFixed32:
        Fixed<uint32_t>();
        return;
      default:
        Fail();
    }
  }

 private:
  void Fail() {
    ok_ = false;
    p_ = end_;
  }
  template <class T>
  T Fixed() {
    if (static_cast<size_t>(end_ - p_) < sizeof(T)) [[unlikely]] {
      Fail();
      return 0;
    }
    T v;
    std::memcpy(&v, p_, sizeof v);
    p_ += sizeof v;
    if constexpr (std::endian::native == std::endian::big) {
      v = sizeof(T) == 8 ? static_cast<T>(__builtin_bswap64(v))
                         : static_cast<T>(__builtin_bswap32(static_cast<uint32_t>(v)));
    }
    return v;
  }
  uint64_t VarintSlow();
  uint32_t Varint32Slow();

  const uint8_t* p_ = nullptr;
  const uint8_t* end_ = nullptr;
  bool ok_ = true;
};

/// Writes fields one after another, with canonical (shortest) varints. Two kinds: one that grows a Buffer of its own
/// and hands it out as a Slice, and one over memory of the caller, which refuses what does not fit (ok() is false from
/// then on). Scalar *Field functions write the field even when the value is the default; callers leave defaults out if
/// they want proto3's form. Not thread-safe.
class Writer {
 public:
  explicit Writer(size_t capacity = 512, Budget& budget = Budget::Process());
  explicit Writer(std::span<uint8_t> memory) : base_(memory.data()), capacity_(memory.size()) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  bool ok() const { return ok_; }
  size_t size() const { return size_; }
  /// What was written so far. Valid until the next write.
  std::string_view view() const { return {reinterpret_cast<const char*>(base_), size_}; }
  /// Forgets everything after the first `size` bytes; `size` is at most size().
  void Truncate(size_t size) { size_ = size; }

  /// Room for `n` more bytes at the end, or null (only over memory of the caller) when there is none. The bytes count
  /// after Advance.
  uint8_t* Room(size_t n) {
    if (n > capacity_ - size_ && !Grow(n)) [[unlikely]]
      return nullptr;
    return base_ + size_;
  }
  void Advance(size_t n) { size_ += n; }

  void Raw(std::string_view bytes) {
    uint8_t* out = Room(bytes.size());
    if (!out || bytes.empty()) return;
    std::memcpy(out, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void Varint(uint64_t v) {
    uint8_t* out = Room(VarintSize(v));
    if (out) [[likely]]
      size_ = static_cast<size_t>(PutVarint(out, v) - base_);
  }
  void VarintField(uint32_t field, uint64_t v) {
    Varint(Tag(field, kVarint));
    Varint(v);
  }
  void SignedField(uint32_t field, int64_t v) { VarintField(field, ZigZag(v)); }
  void Fixed32Field(uint32_t field, uint32_t v) {
    Varint(Tag(field, kFixed32));
    Little(v, 4);
  }
  void Fixed64Field(uint32_t field, uint64_t v) {
    Varint(Tag(field, kFixed64));
    Little(v, 8);
  }
  void DoubleField(uint32_t field, double v) { Fixed64Field(field, std::bit_cast<uint64_t>(v)); }
  void BytesField(uint32_t field, std::string_view bytes) {
    Varint(Tag(field, kLength));
    Varint(bytes.size());
    Raw(bytes);
  }
  /// The eight bytes of `v`, least significant first: an element of a packed fixed64 or double field.
  void Fixed64(uint64_t v) { Little(v, 8); }

  /// A message whose length is not known yet. Begin leaves room for the length of `expected` bytes; End writes the true
  /// length and moves the content only when the guess had another number of digits. Marks close in the reverse order of
  /// their opening.
  struct Mark {
    size_t start;     // where the tag stands
    size_t content;   // where the content starts now
    size_t reserved;  // bytes kept for the length
  };
  Mark Begin(uint32_t field, size_t expected = 0);
  void End(const Mark& mark);
  /// Takes back everything since Begin.
  void Cancel(const Mark& mark) { size_ = mark.start; }

  /// Hands out what was written and leaves the writer empty; a growing writer continues in a new buffer.
  Slice Finish();

 private:
  bool Grow(size_t n);
  void Little(uint64_t v, size_t n);

  Budget* budget_ = nullptr;
  BufferRef buffer_;
  uint8_t* base_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
  bool grows_ = false;
  bool ok_ = true;
};

}  // namespace naru::wire
