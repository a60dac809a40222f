#include "net/session_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

namespace naru::net {
namespace {

constexpr size_t kPage = 4096;
// Blocks of one page (the table of streams) and of five (the frame buffer with its frame header).
constexpr size_t kPages[] = {1, 5};
constexpr size_t kRegion = size_t{2} << 30;  // of addresses, not of memory: some 80,000 sessions; then the C library

// Hands out page-aligned blocks of two sizes from one stretch of addresses, by which Free knows them. Thread-safe.
class Pages {
 public:
  static Pages& Instance() {
    static auto* pages = new Pages;  // never destroyed: sessions may outlive static destruction
    return *pages;
  }

  /// Zeroed; null when there is none of that size.
  void* Take(size_t bytes) {
    for (size_t c = 0; c < std::size(kPages); ++c) {
      if (bytes > kPages[c] * kPage || bytes <= (c ? kPages[c - 1] : 0) * kPage || bytes < kPage) continue;
      std::lock_guard lock(mutex_);
      auto& free = free_[c];
      if (!free.empty()) {
        void* p = free.back();
        free.pop_back();
        return p;
      }
      // Where a block starts tells its size: the sizes have halves of their own.
      size_t& used = used_[c];
      if (!base_ || used + kPages[c] * kPage > kRegion / 2) return nullptr;
      used += kPages[c] * kPage;
      return base_ + c * (kRegion / 2) + used - kPages[c] * kPage;
    }
    return nullptr;
  }
  bool Has(const void* p) const {
    auto* at = static_cast<const char*>(p);
    return base_ && at >= base_ && at < base_ + kRegion;
  }
  size_t SizeOf(const void* p) const { return kPages[ClassOf(p)] * kPage; }
  void Give(void* p) {
    madvise(p, SizeOf(p), MADV_DONTNEED);
    std::lock_guard lock(mutex_);
    free_[ClassOf(p)].push_back(p);
  }

 private:
  Pages() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // these watch the C library's blocks
    void* p = mmap(nullptr, kRegion, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return;
    base_ = static_cast<char*>(p);
    madvise(p, kRegion, MADV_NOHUGEPAGE);
#endif
  }
  size_t ClassOf(const void* p) const {
    return static_cast<const char*>(p) >= base_ + kRegion / 2 ? 1 : 0;
  }

  char* base_ = nullptr;
  std::mutex mutex_;  // guards these
  size_t used_[std::size(kPages)] = {};
  std::vector<void*> free_[std::size(kPages)];
};

}  // namespace

SessionMemory::SessionMemory() : mem_{this, Malloc, Free, Calloc, Realloc} {}

void* SessionMemory::Malloc(size_t n, void* self) {
  if (n < kPage) return std::malloc(n);
  void* p = Pages::Instance().Take(n);
  if (!p) return std::malloc(n);
  auto& me = *static_cast<SessionMemory*>(self);
  if (n > kPage && !me.frame_buffer_) me.frame_buffer_ = p;  // the first large block of a session
  return p;
}

void SessionMemory::Free(void* p, void* self) {
  auto& pages = Pages::Instance();
  if (!pages.Has(p)) return std::free(p);
  auto& me = *static_cast<SessionMemory*>(self);
  if (p == me.frame_buffer_) me.frame_buffer_ = nullptr;
  if (p == me.table_) me.table_ = nullptr;
  pages.Give(p);
}

void* SessionMemory::Calloc(size_t n, size_t size, void* self) {
  if (size && n > SIZE_MAX / size) return nullptr;
  if (n * size < kPage) return std::calloc(n, size);
  void* p = Pages::Instance().Take(n * size);
  if (!p) return std::calloc(n, size);
  static_cast<SessionMemory*>(self)->table_ = p;  // nghttp2 takes nothing else that is zeroed and large
  return p;
}

void* SessionMemory::Realloc(void* p, size_t n, void* self) {
  if (!p) return Malloc(n, self);
  auto& pages = Pages::Instance();
  if (!pages.Has(p)) return std::realloc(p, n);
  size_t size = pages.SizeOf(p);
  if (n <= size) return p;
  void* larger = std::malloc(n);
  if (!larger) return nullptr;
  std::memcpy(larger, p, size);
  Free(p, self);
  return larger;
}

void SessionMemory::Trim() {
  auto& pages = Pages::Instance();
  if (frame_buffer_) madvise(frame_buffer_, pages.SizeOf(frame_buffer_), MADV_DONTNEED);
  if (!table_) return;
  // Zeros are what a page is again that was given back, whatever they mean to nghttp2.
  size_t size = pages.SizeOf(table_);
  auto* begin = static_cast<const uint64_t*>(table_);
  if (std::all_of(begin, begin + size / sizeof *begin, [](uint64_t word) { return word == 0; }))
    madvise(table_, size, MADV_DONTNEED);
}

}  // namespace naru::net
