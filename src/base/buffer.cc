#include "base/buffer.h"

#include <atomic>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <vector>

namespace naru {

Budget& Budget::Process() {
  static auto* budget = new Budget;  // never destroyed: buffers may outlive static destruction
  return *budget;
}

namespace {

// Size classes 2^k and 1.5 * 2^k from 4 KiB to 6 MiB are cached; smaller blocks are the allocator's business, larger
// ones are rare.
constexpr size_t kSmallestCached = 4096;
constexpr uint32_t kClasses = 22;
constexpr uint32_t kUncached = UINT32_MAX;

constexpr size_t ClassSize(uint32_t c) {
  size_t base = kSmallestCached << (c / 2);
  return c % 2 ? base + base / 2 : base;
}

uint32_t ClassFor(size_t n) {
  if (n < kSmallestCached) return kUncached;
  uint32_t k = static_cast<uint32_t>(std::bit_width(n - 1)) - 12;  // 4 KiB -> 0
  uint32_t c = 2 * k;
  if (c >= 1 && ClassSize(c - 1) >= n) --c;
  return c < kClasses ? c : kUncached;
}

// Bytes in the caches of all threads.
std::atomic<int64_t> cached_in_all{0};

struct ThreadCache {
  std::vector<void*> free[kClasses];
  size_t bytes = 0;
  void Trim() {
    for (auto& list : free) {
      for (void* p : list) ::free(p);
      list.clear();
      list.shrink_to_fit();
    }
    cached_in_all.fetch_sub(static_cast<int64_t>(bytes), std::memory_order_relaxed);
    bytes = 0;
  }
  ~ThreadCache();
};

thread_local bool cache_gone = false;
thread_local ThreadCache cache;

ThreadCache::~ThreadCache() {
  Trim();
  cache_gone = true;  // buffers freed by later thread-local destructors go to the allocator
}

}  // namespace

BufferRef Buffer::Allocate(size_t capacity, Budget& budget) {
  uint32_t c = ClassFor(capacity + sizeof(Buffer));
  if (c != kUncached) capacity = ClassSize(c) - sizeof(Buffer);
  budget.Charge(sizeof(Buffer) + capacity);
  return Make(capacity, c, budget);
}

BufferRef Buffer::TryAllocate(size_t capacity, Budget& budget) {
  uint32_t c = ClassFor(capacity + sizeof(Buffer));
  if (c != kUncached) capacity = ClassSize(c) - sizeof(Buffer);
  if (!budget.TryCharge(sizeof(Buffer) + capacity)) return {};
  return Make(capacity, c, budget);
}

// The charge is made already.
BufferRef Buffer::Make(size_t capacity, uint32_t c, Budget& budget) {
  void* p = nullptr;
  if (c != kUncached) {
    if (!cache_gone && !cache.free[c].empty()) {
      p = cache.free[c].back();
      cache.free[c].pop_back();
      cache.bytes -= ClassSize(c);
      cached_in_all.fetch_sub(static_cast<int64_t>(ClassSize(c)), std::memory_order_relaxed);
    }
  }
  if (!p) p = std::malloc(sizeof(Buffer) + capacity);
  if (!p) {
    std::fputs("naru: out of memory\n", stderr);
    std::abort();
  }
  auto* b = new (p) Buffer(capacity, budget);
  b->class_ = c;
  return BufferRef(b);
}

BufferRef Buffer::CopyOf(std::string_view bytes, Budget& budget) {
  BufferRef b = Allocate(bytes.size(), budget);
  if (!bytes.empty()) std::memcpy(b->data(), bytes.data(), bytes.size());
  return b;
}

void Buffer::Free() {
  budget_->Release(sizeof(Buffer) + capacity_);
  int64_t cachable = budget_->soft_limit() / kCachedPartOfLimit;
  uint32_t c = class_;
  void* p = this;
  this->~Buffer();
  auto size = c == kUncached ? int64_t{0} : static_cast<int64_t>(ClassSize(c));
  if (c != kUncached && !cache_gone && cache.bytes + ClassSize(c) <= kThreadCacheLimit &&
      cached_in_all.load(std::memory_order_relaxed) + size <= cachable) {
    cache.free[c].push_back(p);
    cache.bytes += ClassSize(c);
    cached_in_all.fetch_add(size, std::memory_order_relaxed);
    return;
  }
  std::free(p);
}

void Buffer::TrimThreadCache() {
  if (!cache_gone) cache.Trim();
}

size_t Buffer::ThreadCacheBytes() {
  return cache_gone ? 0 : cache.bytes;
}

}  // namespace naru
