// The product's malloc: glibc's, with one question in front of it. While somebody profiles the heap (HeapProfile),
// every block is shown to the profile; else a call costs one load and one branch that is always foretold right.
//
// Linked into the executable only, and empty in sanitizer builds, whose malloc is their own. operator new is here too:
// that of the C++ library has no frame pointer, and the function that called it would be missing in every stack.
#if !defined(NARU_NO_MALLOC_HOOKS)

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>

#include "base/heap_profile.h"

#define NARU_HOOK __attribute__((visibility("default")))

extern "C" {
// glibc's own, under the names that it keeps for this.
void* __libc_malloc(size_t n);
void* __libc_calloc(size_t count, size_t n);
void* __libc_realloc(void* p, size_t n);
void* __libc_memalign(size_t alignment, size_t n);
void __libc_free(void* p);
}

namespace {

using naru::HeapProfile;

// Never inlined, so that the usual way through a hook has no frame of its own to set up for it.
[[gnu::noinline]] void* Show(void* p, size_t n, void* frame) {
  if (HeapProfile* profile = HeapProfile::Active()) profile->Allocated(p, n, frame);
  return p;
}

[[gnu::noinline]] void* ShowRealloc(void* old, size_t n, void* frame) {
  HeapProfile* profile = HeapProfile::Active();
  // First out of the books, for when it is freed another thread may get it. Should there be no memory, the block stays
  // and is missing in the profile.
  if (profile) profile->Freed(old);
  return Show(__libc_realloc(old, n), n, frame);
}

[[gnu::noinline]] void ShowFree(void* p) {
  if (HeapProfile* profile = HeapProfile::Active()) profile->Freed(p);
  __libc_free(p);
}

inline bool Off() {
  return !HeapProfile::Active();
}

[[gnu::noinline]] void* NewFailed(size_t n) {
  for (;;) {
    std::new_handler handler = std::get_new_handler();
    if (!handler) throw std::bad_alloc();
    handler();
    if (void* p = __libc_malloc(n)) return p;
  }
}

}  // namespace

#define NARU_FRAME __builtin_frame_address(0)

extern "C" {

NARU_HOOK void* malloc(size_t n) noexcept {
  if (Off()) [[likely]]
    return __libc_malloc(n);
  return Show(__libc_malloc(n), n, NARU_FRAME);
}

NARU_HOOK void* calloc(size_t count, size_t n) noexcept {
  if (Off()) [[likely]]
    return __libc_calloc(count, n);
  return Show(__libc_calloc(count, n), count * n, NARU_FRAME);
}

NARU_HOOK void* realloc(void* p, size_t n) noexcept {
  if (Off()) [[likely]]
    return __libc_realloc(p, n);
  return ShowRealloc(p, n, NARU_FRAME);
}

NARU_HOOK void free(void* p) noexcept {
  if (Off()) [[likely]]
    return __libc_free(p);
  ShowFree(p);
}

NARU_HOOK void* memalign(size_t alignment, size_t n) noexcept {
  if (Off()) [[likely]]
    return __libc_memalign(alignment, n);
  return Show(__libc_memalign(alignment, n), n, NARU_FRAME);
}

NARU_HOOK void* aligned_alloc(size_t alignment, size_t n) noexcept {
  if (Off()) [[likely]]
    return __libc_memalign(alignment, n);
  return Show(__libc_memalign(alignment, n), n, NARU_FRAME);
}

NARU_HOOK int posix_memalign(void** out, size_t alignment, size_t n) noexcept {
  if (alignment % sizeof(void*) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
  int error = errno;  // the function's result says it, not errno
  void* p = __libc_memalign(alignment, n);
  errno = error;
  if (!p) return ENOMEM;
  *out = Off() ? p : Show(p, n, NARU_FRAME);
  return 0;
}

}  // extern "C"

NARU_HOOK void* operator new(size_t n) {
  void* p = __libc_malloc(n);
  if (!p) [[unlikely]]
    p = NewFailed(n);
  return Off() ? p : Show(p, n, NARU_FRAME);
}

NARU_HOOK void* operator new[](size_t n) {
  void* p = __libc_malloc(n);
  if (!p) [[unlikely]]
    p = NewFailed(n);
  return Off() ? p : Show(p, n, NARU_FRAME);
}

NARU_HOOK void operator delete(void* p) noexcept {
  free(p);
}
NARU_HOOK void operator delete[](void* p) noexcept {
  free(p);
}
NARU_HOOK void operator delete(void* p, size_t) noexcept {
  free(p);
}
NARU_HOOK void operator delete[](void* p, size_t) noexcept {
  free(p);
}

#endif  // NARU_NO_MALLOC_HOOKS
