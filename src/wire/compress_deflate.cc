// gzip and zlib: libdeflate in, ISA-L out, libdeflate out for dense levels, zlib out where ISA-L does not exist.
#include <libdeflate.h>
#include <zlib.h>

#include <cstring>
#include <memory>

#include "wire/codecs.h"

#if __has_include(<isa-l/igzip_lib.h>)
#include <isa-l/igzip_lib.h>
#define NARU_HAS_ISAL 1
#else
#define NARU_HAS_ISAL 0
#endif

namespace naru::wire {
namespace {

struct FreeDecompressor {
  void operator()(libdeflate_decompressor* d) const { libdeflate_free_decompressor(d); }
};
struct FreeCompressor {
  void operator()(libdeflate_compressor* c) const { libdeflate_free_compressor(c); }
};

#if NARU_HAS_ISAL
struct FastDeflater {
  isal_zstream stream;
  std::unique_ptr<uint8_t[]> level_buffer;
};
#endif

struct Contexts {
  std::unique_ptr<libdeflate_decompressor, FreeDecompressor> decompressor;
  std::unique_ptr<libdeflate_compressor, FreeCompressor> compressor;
  int compressor_level = 0;
#if NARU_HAS_ISAL
  std::unique_ptr<FastDeflater> fast;
#endif
};
thread_local Contexts contexts;

// The size that a gzip trailer claims (modulo 2^32, of the last member, and the sender may lie).
size_t ClaimedSize(std::string_view bytes) {
  if (bytes.size() < 18) return 0;
  const auto* p = reinterpret_cast<const uint8_t*>(bytes.data() + bytes.size() - 4);
  return p[0] | static_cast<size_t>(p[1]) << 8 | static_cast<size_t>(p[2]) << 16 | static_cast<size_t>(p[3]) << 24;
}

// One member or stream at `in`; `*used` is what it took.
libdeflate_result InflateOne(DeflateFormat format, std::string_view in, uint8_t* out, size_t room, size_t* used,
                             size_t* produced) {
  libdeflate_decompressor* d = contexts.decompressor.get();
  switch (format) {
    case DeflateFormat::kGzip:
      return libdeflate_gzip_decompress_ex(d, in.data(), in.size(), out, room, used, produced);
    case DeflateFormat::kZlib:
      return libdeflate_zlib_decompress_ex(d, in.data(), in.size(), out, room, used, produced);
    case DeflateFormat::kRaw:
      return libdeflate_deflate_decompress_ex(d, in.data(), in.size(), out, room, used, produced);
  }
  return LIBDEFLATE_BAD_DATA;
}

}  // namespace

Result<Slice> Inflate(Codec codec, DeflateFormat format, std::string_view bytes, size_t max_output, Budget& budget) {
  if (!contexts.decompressor) contexts.decompressor.reset(libdeflate_alloc_decompressor());
  if (!contexts.decompressor) return Unavailable("no memory for a decompressor");
  // Telemetry shrinks 3 to 11 times; a claim beyond 16 has to prove itself by output.
  size_t guess = bytes.size() * 8;
  if (format == DeflateFormat::kGzip) guess = std::min(ClaimedSize(bytes), bytes.size() * 16);
  return DecodeByTrial(codec, guess, max_output, budget, [&](uint8_t* out, size_t capacity, size_t* produced) {
    std::string_view in = bytes;
    size_t total = 0;
    do {
      size_t used = 0, got = 0;
      libdeflate_result r = InflateOne(format, in, out + total, capacity - total, &used, &got);
      if (r == LIBDEFLATE_INSUFFICIENT_SPACE) return Attempt::kTooSmall;
      if (r != LIBDEFLATE_SUCCESS) return Attempt::kCorrupt;
      total += got;
      in.remove_prefix(used);
    } while (!in.empty() && format == DeflateFormat::kGzip);
    if (!in.empty()) return Attempt::kCorrupt;
    *produced = total;
    return Attempt::kDone;
  });
}

#if NARU_HAS_ISAL

Status DeflateFast(DeflateFormat format, std::span<const Slice> parts, size_t total, Writer& out) {
  constexpr size_t kPiece = 1u << 30;  // the library counts input in 32 bits
  constexpr size_t kRoom = 16 << 10;
  if (!contexts.fast) {
    contexts.fast = std::make_unique<FastDeflater>();
    contexts.fast->level_buffer = std::make_unique_for_overwrite<uint8_t[]>(ISAL_DEF_LVL1_DEFAULT);
    isal_deflate_init(&contexts.fast->stream);
  }
  isal_zstream& z = contexts.fast->stream;
  isal_deflate_reset(&z);
  z.level = 1;
  z.level_buf = contexts.fast->level_buffer.get();
  z.level_buf_size = ISAL_DEF_LVL1_DEFAULT;
  z.gzip_flag = format == DeflateFormat::kGzip ? IGZIP_GZIP : IGZIP_ZLIB;
  z.flush = NO_FLUSH;
  z.end_of_stream = 0;
  auto feed = [&](const uint8_t* data, size_t size) -> Status {
    z.next_in = const_cast<uint8_t*>(data);  // only read
    z.avail_in = static_cast<uint32_t>(size);
    do {
      uint8_t* room = out.Room(kRoom);
      z.next_out = room;
      z.avail_out = kRoom;
      if (int r = isal_deflate(&z); r != COMP_OK) return Fail(Code::kInternal, "compression failed: ISA-L says {}", r);
      out.Advance(kRoom - z.avail_out);
    } while (z.avail_out == 0 || z.avail_in > 0);
    return {};
  };
  size_t left = total;
  for (const Slice& part : parts) {
    for (size_t at = 0; at < part.size();) {
      size_t n = std::min(kPiece, part.size() - at);
      left -= n;
      z.end_of_stream = left == 0;
      if (Status s = feed(part.data() + at, n); !s) return s;
      at += n;
    }
  }
  if (total == 0) {
    z.end_of_stream = 1;
    return feed(nullptr, 0);
  }
  return {};
}

#else

Status DeflateFast(DeflateFormat format, std::span<const Slice> parts, size_t, Writer& out) {
  return DeflateZlib(format, parts, 1, out);
}

#endif

Status DeflateDense(DeflateFormat format, std::span<const Slice> parts, size_t total, int level, Writer& out) {
  level = std::clamp(level, 1, 12);
  if (!contexts.compressor || contexts.compressor_level != level) {
    contexts.compressor.reset(libdeflate_alloc_compressor(level));
    contexts.compressor_level = level;
  }
  if (!contexts.compressor) return Unavailable("no memory for a compressor");
  BufferRef joined;
  const uint8_t* data = nullptr;
  if (parts.size() == 1) {
    data = parts[0].data();
  } else {
    joined = Buffer::Allocate(std::max<size_t>(total, 1));
    size_t at = 0;
    for (const Slice& part : parts) {
      if (!part.empty()) std::memcpy(joined->data() + at, part.data(), part.size());
      at += part.size();
    }
    data = joined->data();
  }
  libdeflate_compressor* c = contexts.compressor.get();
  bool gzip = format == DeflateFormat::kGzip;
  size_t bound = gzip ? libdeflate_gzip_compress_bound(c, total) : libdeflate_zlib_compress_bound(c, total);
  uint8_t* room = out.Room(bound);
  size_t n = gzip ? libdeflate_gzip_compress(c, data, total, room, bound)
                  : libdeflate_zlib_compress(c, data, total, room, bound);
  if (n == 0) return Fail(Code::kInternal, "compression failed");
  out.Advance(n);
  return {};
}

Status DeflateZlib(DeflateFormat format, std::span<const Slice> parts, int level, Writer& out) {
  constexpr size_t kRoom = 16 << 10;
  z_stream z{};
  int window = format == DeflateFormat::kGzip ? 15 + 16 : 15;
  if (deflateInit2(&z, level, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return Unavailable("no memory for a compressor");
  }
  auto run = [&](int flush) {
    int r;
    do {
      z.next_out = out.Room(kRoom);
      z.avail_out = kRoom;
      r = deflate(&z, flush);
      out.Advance(kRoom - z.avail_out);
    } while (z.avail_out == 0);
    return r;
  };
  for (const Slice& part : parts) {
    for (size_t at = 0; at < part.size();) {
      size_t n = std::min<size_t>(1u << 30, part.size() - at);
      z.next_in = const_cast<uint8_t*>(part.data() + at);  // only read
      z.avail_in = static_cast<uInt>(n);
      run(Z_NO_FLUSH);
      at += n;
    }
  }
  int r = run(Z_FINISH);
  deflateEnd(&z);
  if (r != Z_STREAM_END) return Fail(Code::kInternal, "compression failed: zlib says {}", r);
  return {};
}

void TrimDeflate() {
  contexts = Contexts();
}

}  // namespace naru::wire
