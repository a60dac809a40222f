// snappy's block format and its framing format
// (https://github.com/google/snappy/blob/main/framing_format.txt).
#include <snappy-sinksource.h>
#include <snappy.h>

#include <cstring>

#include "wire/codecs.h"
#include "wire/hash.h"

namespace naru::wire {
namespace {

constexpr std::string_view kStreamId("\xff\x06\x00\x00sNaPpY", 10);
constexpr size_t kBlock = 65536;      // most that one chunk of the framing format holds
constexpr size_t kLargestRatio = 22;  // the cheapest element of 3 bytes copies 64

// The parts one after another, without copying them together.
class PartsSource : public snappy::Source {
 public:
  PartsSource(std::span<const Slice> parts, size_t total) : parts_(parts), left_(total) { Settle(); }
  size_t Available() const override { return left_; }
  const char* Peek(size_t* n) override {
    if (left_ == 0) {
      *n = 0;
      return "";
    }
    std::string_view rest = parts_[index_].view().substr(offset_);
    *n = rest.size();
    return rest.data();
  }
  void Skip(size_t n) override {
    left_ -= n;
    while (n > 0) {
      size_t here = std::min(n, parts_[index_].size() - offset_);
      offset_ += here;
      n -= here;
      Settle();
    }
  }

 private:
  // To the next byte there is.
  void Settle() {
    while (index_ < parts_.size() && offset_ == parts_[index_].size()) {
      ++index_;
      offset_ = 0;
    }
  }
  std::span<const Slice> parts_;
  size_t index_ = 0, offset_ = 0, left_;
};

uint32_t Masked(uint32_t crc) {
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

uint32_t Load32(std::string_view p) {
  uint32_t v = 0;
  for (int i = 0; i < 4; ++i) v |= static_cast<uint32_t>(static_cast<uint8_t>(p[i])) << (8 * i);
  return v;
}

void PutChunkHeader(uint8_t* to, uint8_t type, size_t length, uint32_t crc) {
  to[0] = type;
  for (int i = 0; i < 3; ++i) to[1 + i] = static_cast<uint8_t>(length >> (8 * i));
  for (int i = 0; i < 4; ++i) to[4 + i] = static_cast<uint8_t>(crc >> (8 * i));
}

void PutChunk(std::string_view block, Writer& out) {
  size_t bound = snappy::MaxCompressedLength(block.size());
  uint8_t* to = out.Room(8 + bound);
  uint32_t crc = Masked(Crc32c(block));
  size_t n = 0;
  snappy::RawCompress(block.data(), block.size(), reinterpret_cast<char*>(to + 8), &n);
  if (n < block.size() - block.size() / 8) {
    PutChunkHeader(to, 0, n + 4, crc);
  } else {
    PutChunkHeader(to, 1, block.size() + 4, crc);
    std::memcpy(to + 8, block.data(), block.size());
    n = block.size();
  }
  out.Advance(8 + n);
}

}  // namespace

bool IsSnappyFramed(std::string_view bytes) {
  return bytes.starts_with(kStreamId);
}

Result<Slice> DecodeSnappyBlock(std::string_view bytes, size_t max_output, Budget& budget) {
  size_t claimed = 0;
  if (!snappy::GetUncompressedLength(bytes.data(), bytes.size(), &claimed)) return CorruptInput(Codec::kSnappy);
  if (claimed / kLargestRatio > bytes.size()) return CorruptInput(Codec::kSnappy);  // more than the format can mean
  if (claimed > max_output) return OutputTooLarge(max_output);
  BufferRef buffer = Buffer::TryAllocate(std::max<size_t>(claimed, 1), budget);
  if (!buffer) return Unavailable("no memory to decompress into: the limit is reached");
  if (!snappy::RawUncompress(bytes.data(), bytes.size(), reinterpret_cast<char*>(buffer->data()))) {
    return CorruptInput(Codec::kSnappy);
  }
  return Slice(std::move(buffer), claimed);
}

Result<Slice> DecodeSnappyFramed(std::string_view bytes, size_t max_output, Budget& budget) {
  Output out(bytes.size() * 4, max_output, budget);
  while (!bytes.empty()) {
    if (bytes.size() < 4) return CorruptInput(Codec::kSnappyFramed);
    uint32_t head = Load32(bytes);
    uint8_t type = head & 0xff;
    size_t length = head >> 8;
    bytes.remove_prefix(4);
    if (length > bytes.size()) return CorruptInput(Codec::kSnappyFramed);
    std::string_view chunk = bytes.substr(0, length);
    bytes.remove_prefix(length);
    if (type == 0xff) {
      if (chunk != kStreamId.substr(4)) return CorruptInput(Codec::kSnappyFramed);
      continue;
    }
    if (type >= 0x80) continue;  // padding and chunks that may be skipped
    if (type > 1 || length < 4) return CorruptInput(Codec::kSnappyFramed);
    uint32_t crc = Load32(chunk);
    chunk.remove_prefix(4);
    size_t size = chunk.size();
    if (type == 0 && !snappy::GetUncompressedLength(chunk.data(), chunk.size(), &size)) {
      return CorruptInput(Codec::kSnappyFramed);
    }
    if (size > kBlock) return CorruptInput(Codec::kSnappyFramed);
    if (size > max_output - out.size()) return OutputTooLarge(max_output);
    uint8_t* to = out.Room(size);
    if (!to) return Unavailable("no memory to decompress into: the limit is reached");
    if (type == 1) {
      if (size > 0) std::memcpy(to, chunk.data(), size);
    } else if (!snappy::RawUncompress(chunk.data(), chunk.size(), reinterpret_cast<char*>(to))) {
      return CorruptInput(Codec::kSnappyFramed);
    }
    if (Masked(Crc32c({reinterpret_cast<const char*>(to), size})) != crc) return CorruptInput(Codec::kSnappyFramed);
    out.Advance(size);
  }
  return out.Finish();
}

Status EncodeSnappyBlock(std::span<const Slice> parts, size_t total, Writer& out) {
  if (total > UINT32_MAX) return Fail(Code::kInvalidArgument, "snappy blocks hold at most 4 GiB");
  PartsSource source(parts, total);
  snappy::UncheckedByteArraySink sink(reinterpret_cast<char*>(out.Room(snappy::MaxCompressedLength(total))));
  out.Advance(snappy::Compress(&source, &sink));
  return {};
}

Status EncodeSnappyFramed(std::span<const Slice> parts, Writer& out) {
  out.Raw(kStreamId);
  for (const Slice& part : parts) {
    for (size_t at = 0; at < part.size(); at += kBlock) PutChunk(part.view().substr(at, kBlock), out);
  }
  return {};
}

}  // namespace naru::wire
