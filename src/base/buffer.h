// Buffers and slices: the only owners of telemetry bytes.
//
// A Buffer is a block of memory with an atomic reference count, charged to a Budget by its capacity. Whoever fills it
// is its only holder; once shared it is immutable. A Slice is a view that keeps its buffer alive; slices are copied,
// cut and queued freely, on any thread. Freed blocks go to a small cache of the freeing thread, by size class: fresh
// pages cost as much as the whole work on them, so large blocks are recycled.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "base/budget.h"

namespace naru {

class Buffer;

/// Counted reference to a Buffer. Copying costs one atomic increment.
class BufferRef {
 public:
  BufferRef() = default;
  BufferRef(const BufferRef& o);
  BufferRef(BufferRef&& o) noexcept : b_(o.b_) { o.b_ = nullptr; }
  BufferRef& operator=(BufferRef o) noexcept {
    std::swap(b_, o.b_);
    return *this;
  }
  ~BufferRef();

  Buffer* operator->() const { return b_; }
  Buffer& operator*() const { return *b_; }
  Buffer* get() const { return b_; }
  explicit operator bool() const { return b_ != nullptr; }

 private:
  friend class Buffer;
  explicit BufferRef(Buffer* adopted) : b_(adopted) {}
  Buffer* b_ = nullptr;
};

class Buffer {
 public:
  /// A block with at least `capacity` bytes, contents undefined. The capacity is rounded up to a size class and charged
  /// to `budget` until the last reference goes. Never returns null: the process ends when the system has no memory,
  /// which limits on the budget are there to prevent.
  static BufferRef Allocate(size_t capacity, Budget& budget = Budget::Process());
  /// The same, but null when that would pass the hard limit of `budget`. For memory that an input makes necessary only
  /// after it was let in, as inflating does: who asks first whether there is room, and takes it then, takes what
  /// another thread was promised too.
  static BufferRef TryAllocate(size_t capacity, Budget& budget);
  /// A block that holds a copy of `bytes`.
  static BufferRef CopyOf(std::string_view bytes, Budget& budget = Budget::Process());

  uint8_t* data() { return reinterpret_cast<uint8_t*>(this + 1); }
  const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(this + 1); }
  size_t capacity() const { return capacity_; }
  /// True when the caller holds the only reference, so that it may write.
  bool unique() const { return refs_.load(std::memory_order_acquire) == 1; }

  /// Frees what the calling thread keeps for reuse. Event loops call it when they have been idle.
  static void TrimThreadCache();
  /// Bytes that the calling thread keeps for reuse; bounded by kThreadCacheLimit.
  static size_t ThreadCacheBytes();
  static constexpr size_t kThreadCacheLimit = 16 << 20;
  /// Where the budget of a block has a soft limit, all threads together keep at most this part of it: what they keep is
  /// memory of the process that no budget counts.
  static constexpr int64_t kCachedPartOfLimit = 16;

 private:
  friend class BufferRef;
  Buffer(size_t capacity, Budget& budget) : capacity_(capacity), budget_(&budget) {}
  void Free();
  static BufferRef Make(size_t capacity, uint32_t size_class, Budget& budget);

  std::atomic<uint32_t> refs_{1};
  uint32_t class_ = 0;
  size_t capacity_;
  Budget* budget_;
};

inline BufferRef::BufferRef(const BufferRef& o) : b_(o.b_) {
  if (b_) b_->refs_.fetch_add(1, std::memory_order_relaxed);
}
inline BufferRef::~BufferRef() {
  if (b_ && b_->refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) b_->Free();
}

/// Immutable bytes that keep their buffer alive. Cheap to move; copying costs one atomic increment.
class Slice {
 public:
  Slice() = default;
  Slice(BufferRef buffer, const uint8_t* data, size_t size) : buffer_(std::move(buffer)), data_(data), size_(size) {}
  /// The first `size` bytes of `buffer`.
  Slice(BufferRef buffer, size_t size)
      : buffer_(std::move(buffer)), data_(buffer_ ? buffer_->data() : nullptr), size_(size) {}
  static Slice CopyOf(std::string_view bytes, Budget& budget = Budget::Process()) {
    return Slice(Buffer::CopyOf(bytes, budget), bytes.size());
  }
  /// Bytes that live as long as the program (literals, static tables); nothing is counted or copied.
  static Slice Static(std::string_view bytes) {
    return Slice(BufferRef(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }

  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::string_view view() const { return {reinterpret_cast<const char*>(data_), size_}; }
  std::span<const uint8_t> span() const { return {data_, size_}; }
  const BufferRef& buffer() const { return buffer_; }
  /// Bytes of memory that this slice keeps alive.
  size_t pinned() const { return buffer_ ? buffer_->capacity() : 0; }
  /// The part [offset, offset + n), clamped to the slice.
  Slice Sub(size_t offset, size_t n = SIZE_MAX) const {
    if (offset > size_) offset = size_;
    if (n > size_ - offset) n = size_ - offset;
    return Slice(buffer_, data_ + offset, n);
  }

 private:
  BufferRef buffer_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace naru
