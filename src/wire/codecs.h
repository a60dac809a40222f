// The codecs behind compress.h, one function a library and direction. Only compress*.cc and their test include this.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "wire/compress.h"
#include "wire/proto.h"

namespace naru::wire {

/// The container around deflate data.
enum class DeflateFormat : uint8_t { kGzip, kZlib, kRaw };

Unexpected CorruptInput(Codec codec);
Unexpected OutputTooLarge(size_t max_output);

enum class Attempt : uint8_t { kDone, kTooSmall, kCorrupt };

/// For decoders that want the whole output buffer at once: tries `decode(out, capacity, &produced)` with `guess` bytes,
/// and after kTooSmall with twice as many, up to `max_output`. So the memory is at most twice the real output (or the
/// guess), and the work at most three times.
template <class Decode>
Result<Slice> DecodeByTrial(Codec codec, size_t guess, size_t max_output, Budget& budget, Decode decode) {
  size_t capacity = std::min(std::max<size_t>(guess, 256), max_output);
  for (;;) {
    BufferRef buffer = Buffer::TryAllocate(std::max<size_t>(capacity, 1), budget);
    if (!buffer) return Unavailable("no memory to decompress into: the limit is reached");
    size_t produced = 0;
    switch (decode(buffer->data(), capacity, &produced)) {
      case Attempt::kDone:
        return Slice(std::move(buffer), produced);
      case Attempt::kCorrupt:
        return CorruptInput(codec);
      case Attempt::kTooSmall:
        break;
    }
    if (capacity >= max_output) return OutputTooLarge(max_output);
    capacity = capacity > max_output / 2 ? max_output : capacity * 2;
  }
}

/// What a decoder writes of which the length is not known: grows by doubling, and never past the hard limit of memory,
/// what is copied from included.
class Output {
 public:
  /// `first`: the room that is taken at first; `most`: what is not passed by doubling.
  Output(size_t first, size_t most, Budget& budget) : next_(std::min(first, most)), most_(most), budget_(budget) {}
  size_t size() const { return size_; }
  /// Room for `n` more bytes at the end; null when there is no memory. The bytes count after Advance.
  uint8_t* Room(size_t n) {
    if (!buffer_ || n > buffer_->capacity() - size_) {
      BufferRef larger = Buffer::TryAllocate(std::max(std::min(next_, most_), size_ + n), budget_);
      if (!larger) return nullptr;
      if (size_) std::memcpy(larger->data(), buffer_->data(), size_);
      buffer_ = std::move(larger);
      next_ = buffer_->capacity() * 2;
    }
    return buffer_->data() + size_;
  }
  void Advance(size_t n) { size_ += n; }
  Slice Finish() { return buffer_ ? Slice(std::move(buffer_), size_) : Slice(); }

 private:
  BufferRef buffer_;
  size_t size_ = 0, next_;
  const size_t most_;
  Budget& budget_;
};

Result<Slice> Inflate(Codec codec, DeflateFormat format, std::string_view bytes, size_t max_output, Budget& budget);
Result<Slice> DecodeZstd(std::string_view bytes, size_t max_output, Budget& budget);
Result<Slice> DecodeLz4(std::string_view bytes, size_t max_output, Budget& budget);
Result<Slice> DecodeSnappyBlock(std::string_view bytes, size_t max_output, Budget& budget);
Result<Slice> DecodeSnappyFramed(std::string_view bytes, size_t max_output, Budget& budget);
/// True when the bytes begin with the stream identifier of the snappy framing format.
bool IsSnappyFramed(std::string_view bytes);

/// Encoders append to `out`; `total` is the sum of the parts' sizes. Only kGzip and kZlib are written.
Status DeflateFast(DeflateFormat format, std::span<const Slice> parts, size_t total, Writer& out);
Status DeflateDense(DeflateFormat format, std::span<const Slice> parts, size_t total, int level, Writer& out);
/// The encoder of machines without ISA-L, where DeflateFast is this at level 1.
Status DeflateZlib(DeflateFormat format, std::span<const Slice> parts, int level, Writer& out);
Status EncodeZstd(std::span<const Slice> parts, size_t total, int level, Writer& out);
Status EncodeLz4(std::span<const Slice> parts, Writer& out);
Status EncodeSnappyBlock(std::span<const Slice> parts, size_t total, Writer& out);
Status EncodeSnappyFramed(std::span<const Slice> parts, Writer& out);

void TrimDeflate();
void TrimZstd();

}  // namespace naru::wire
