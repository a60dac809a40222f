// Memory of HTTP/2 sessions, laid out so that an idle connection costs little: nghttp2 takes a frame buffer of 16 KiB
// and a table of 4 KiB for every session, and touches a fraction of them.
#pragma once

#include <cstddef>

#include <nghttp2/nghttp2.h>

namespace naru::net {

/// The allocator of one session, for nghttp2_session_*_new3. Blocks of a page and more start on a page of their own and
/// come zeroed from the system, so that only touched pages count; smaller ones are the C library's. Outlives its
/// session. One thread at a time.
class SessionMemory {
 public:
  SessionMemory();
  SessionMemory(const SessionMemory&) = delete;
  nghttp2_mem* get() { return &mem_; }

  /// Gives back pages that hold nothing: those of the frame buffer, and that of the table of streams if no stream has
  /// an entry in it. Only while nghttp2 has nothing to send: it keeps nothing in the frame buffer between two frames.
  void Trim();

 private:
  static void* Malloc(size_t n, void* self);
  static void Free(void* p, void* self);
  static void* Calloc(size_t n, size_t size, void* self);
  static void* Realloc(void* p, size_t n, void* self);

  nghttp2_mem mem_;
  void *frame_buffer_ = nullptr, *table_ = nullptr;
};

}  // namespace naru::net
