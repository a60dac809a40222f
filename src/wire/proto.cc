#include "wire/proto.h"

#include <algorithm>

namespace naru::wire {

uint64_t Reader::VarintSlow() {
  uint64_t v = 0;
  for (int shift = 0; shift < 70 && p_ < end_; shift += 7) {
    uint8_t b = *p_++;
    v |= shift == 63 ? static_cast<uint64_t>(b & 1) << 63 : static_cast<uint64_t>(b & 0x7f) << shift;
    if (b < 0x80) return v;
  }
  Fail();
  return 0;
}

uint32_t Reader::Varint32Slow() {
  uint64_t v = 0;
  for (int shift = 0; shift < 35 && p_ < end_; shift += 7) {
    uint8_t b = *p_++;
    v |= static_cast<uint64_t>(b & 0x7f) << shift;
    if (b < 0x80) {
      if (v > UINT32_MAX) break;
      return static_cast<uint32_t>(v);
    }
  }
  Fail();
  return 0;
}

Writer::Writer(size_t capacity, Budget& budget)
    : budget_(&budget), buffer_(Buffer::Allocate(capacity, budget)), grows_(true) {
  base_ = buffer_->data();
  capacity_ = buffer_->capacity();
}

bool Writer::Grow(size_t n) {
  if (!grows_) {
    ok_ = false;
    return false;
  }
  BufferRef bigger = Buffer::Allocate(std::max(size_ + n, size_ * 2), *budget_);
  if (size_ > 0) std::memcpy(bigger->data(), base_, size_);
  buffer_ = std::move(bigger);
  base_ = buffer_->data();
  capacity_ = buffer_->capacity();
  return true;
}

void Writer::Little(uint64_t v, size_t n) {
  uint8_t* out = Room(n);
  if (!out) return;
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<uint8_t>(v >> (8 * i));
  size_ += n;
}

Writer::Mark Writer::Begin(uint32_t field, size_t expected) {
  Mark mark;
  mark.start = size_;
  mark.reserved = VarintSize(expected);
  Varint(Tag(field, kLength));
  if (Room(mark.reserved)) size_ += mark.reserved;
  mark.content = size_;
  return mark;
}

void Writer::End(const Mark& mark) {
  if (!ok_) return;
  size_t length = size_ - mark.content;
  size_t digits = VarintSize(length);
  if (digits != mark.reserved) [[unlikely]] {
    if (digits > mark.reserved && !Room(digits - mark.reserved)) return;
    std::memmove(base_ + mark.content - mark.reserved + digits, base_ + mark.content, length);
    size_ = size_ - mark.reserved + digits;
  }
  PutVarint(base_ + mark.content - mark.reserved, length);
}

Slice Writer::Finish() {
  if (!grows_) {
    Slice copy = Slice::CopyOf(view());
    size_ = 0;
    return copy;
  }
  Slice out(std::move(buffer_), size_);
  buffer_ = BufferRef();
  base_ = nullptr;
  size_ = capacity_ = 0;
  return out;
}

}  // namespace naru::wire
