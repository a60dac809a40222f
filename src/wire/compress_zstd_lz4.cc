// zstd and the lz4 frame format.
#include <lz4frame.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <memory>

#include "wire/codecs.h"

namespace naru::wire {
namespace {

struct FreeZstd {
  void operator()(ZSTD_DCtx* c) const { ZSTD_freeDCtx(c); }
  void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
};
struct Contexts {
  std::unique_ptr<ZSTD_DCtx, FreeZstd> in;
  std::unique_ptr<ZSTD_CCtx, FreeZstd> out;
};
thread_local Contexts contexts;

struct FreeLz4 {
  void operator()(LZ4F_dctx* c) const { LZ4F_freeDecompressionContext(c); }
  void operator()(LZ4F_cctx* c) const { LZ4F_freeCompressionContext(c); }
};

// What an lz4 context takes for itself when a frame begins, by the block size that the frame names: room for a block of
// input and one of output. Charged while it lives.
class Lz4Blocks {
 public:
  explicit Lz4Blocks(Budget& budget) : budget_(budget) {}
  ~Lz4Blocks() { budget_.Release(charged_); }
  bool Charge(const LZ4F_frameInfo_t& frame) {
    size_t block = frame.blockSizeID >= LZ4F_max64KB && frame.blockSizeID <= LZ4F_max4MB
                       ? size_t{64 << 10} << 2 * (frame.blockSizeID - LZ4F_max64KB)
                       : 64 << 10;
    size_t want = 2 * block + (128 << 10);
    if (want <= charged_) return true;
    if (!budget_.TryCharge(want - charged_)) return false;
    charged_ = want;
    return true;
  }

 private:
  Budget& budget_;
  size_t charged_ = 0;
};

}  // namespace

Result<Slice> DecodeZstd(std::string_view bytes, size_t max_output, Budget& budget) {
  if (bytes.empty()) return CorruptInput(Codec::kZstd);
  if (!contexts.in) contexts.in.reset(ZSTD_createDCtx());
  if (!contexts.in) return Unavailable("no memory for a decompressor");
  // Decoding at once into the output needs no window buffer, so a frame's claim of a huge window costs nothing.
  size_t guess = bytes.size() * 8;
  unsigned long long claimed = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (claimed != ZSTD_CONTENTSIZE_UNKNOWN && claimed != ZSTD_CONTENTSIZE_ERROR) {
    guess = std::min<unsigned long long>(claimed, bytes.size() * 16);
  }
  return DecodeByTrial(Codec::kZstd, guess, max_output, budget, [&](uint8_t* out, size_t capacity, size_t* produced) {
    size_t n = ZSTD_decompressDCtx(contexts.in.get(), out, capacity, bytes.data(), bytes.size());
    if (ZSTD_isError(n)) {
      return ZSTD_getErrorCode(n) == ZSTD_error_dstSize_tooSmall ? Attempt::kTooSmall : Attempt::kCorrupt;
    }
    *produced = n;
    return Attempt::kDone;
  });
}

Status EncodeZstd(std::span<const Slice> parts, size_t total, int level, Writer& out) {
  if (!contexts.out) contexts.out.reset(ZSTD_createCCtx());
  if (!contexts.out) return Unavailable("no memory for a compressor");
  ZSTD_CCtx* c = contexts.out.get();
  // Levels above 19 need windows that receivers may refuse.
  level = level == 0 || level == kDefaultLevel ? 1 : std::clamp(level, -7, 19);
  ZSTD_CCtx_reset(c, ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setPledgedSrcSize(c, total);
  auto feed = [&](ZSTD_inBuffer in, ZSTD_EndDirective end) -> Status {
    for (;;) {
      const size_t room = 16 << 10;
      ZSTD_outBuffer to{out.Room(room), room, 0};
      size_t left = ZSTD_compressStream2(c, &to, &in, end);
      if (ZSTD_isError(left)) {
        return Fail(Code::kInternal, "compression failed: zstd says {}", ZSTD_getErrorName(left));
      }
      out.Advance(to.pos);
      if (end == ZSTD_e_end ? left == 0 : in.pos == in.size) return {};
    }
  };
  for (const Slice& part : parts) {
    if (part.empty()) continue;
    if (Status s = feed({part.data(), part.size(), 0}, ZSTD_e_continue); !s) return s;
  }
  return feed({nullptr, 0, 0}, ZSTD_e_end);
}

Result<Slice> DecodeLz4(std::string_view bytes, size_t max_output, Budget& budget) {
  LZ4F_dctx* raw = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION))) {
    return Unavailable("no memory for a decompressor");
  }
  std::unique_ptr<LZ4F_dctx, FreeLz4> context(raw);
  Output out(bytes.size() * 4, max_output + 1, budget);
  Lz4Blocks blocks(budget);
  bool complete = false, begins = true;
  while (!bytes.empty()) {
    if (begins) {
      LZ4F_frameInfo_t frame{};
      size_t consumed = bytes.size();
      if (LZ4F_isError(LZ4F_getFrameInfo(context.get(), &frame, bytes.data(), &consumed)))
        return CorruptInput(Codec::kLz4);
      if (!blocks.Charge(frame)) return Unavailable("no memory to decompress into: the limit is reached");
      bytes.remove_prefix(consumed);
      begins = complete = false;
      continue;
    }
    // One byte more than allowed, so that a message of exactly the limit can be told from a longer one.
    size_t room = std::min<size_t>(64 << 10, max_output - out.size() + 1);
    uint8_t* to = out.Room(room);
    if (!to) return Unavailable("no memory to decompress into: the limit is reached");
    size_t consumed = bytes.size();
    size_t left = LZ4F_decompress(context.get(), to, &room, bytes.data(), &consumed, nullptr);
    if (LZ4F_isError(left)) return CorruptInput(Codec::kLz4);
    if (consumed == 0 && room == 0) return CorruptInput(Codec::kLz4);
    out.Advance(room);
    if (out.size() > max_output) return OutputTooLarge(max_output);
    bytes.remove_prefix(consumed);
    begins = complete = left == 0;
  }
  // Output may be waiting although all input is consumed.
  while (!complete) {
    size_t room = std::min<size_t>(64 << 10, max_output - out.size() + 1), consumed = 0;
    uint8_t* to = out.Room(room);
    if (!to) return Unavailable("no memory to decompress into: the limit is reached");
    size_t left = LZ4F_decompress(context.get(), to, &room, nullptr, &consumed, nullptr);
    if (LZ4F_isError(left) || (room == 0 && left != 0)) return CorruptInput(Codec::kLz4);
    out.Advance(room);
    if (out.size() > max_output) return OutputTooLarge(max_output);
    complete = left == 0;
  }
  return out.Finish();
}

Status EncodeLz4(std::span<const Slice> parts, Writer& out) {
  LZ4F_cctx* raw = nullptr;
  if (LZ4F_isError(LZ4F_createCompressionContext(&raw, LZ4F_VERSION))) {
    return Unavailable("no memory for a compressor");
  }
  std::unique_ptr<LZ4F_cctx, FreeLz4> context(raw);
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;  // some readers know no other
  preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
  auto take = [&](size_t n) -> Status {
    if (LZ4F_isError(n)) return Fail(Code::kInternal, "compression failed: lz4 says {}", LZ4F_getErrorName(n));
    out.Advance(n);
    return {};
  };
  Status s = take(LZ4F_compressBegin(raw, out.Room(LZ4F_HEADER_SIZE_MAX), LZ4F_HEADER_SIZE_MAX, &preferences));
  constexpr size_t kPiece = 64 << 10;
  const size_t bound = LZ4F_compressBound(kPiece, &preferences);
  for (const Slice& part : parts) {
    for (size_t at = 0; s && at < part.size(); at += kPiece) {
      size_t n = std::min(kPiece, part.size() - at);
      s = take(LZ4F_compressUpdate(raw, out.Room(bound), bound, part.data() + at, n, nullptr));
    }
  }
  if (s) s = take(LZ4F_compressEnd(raw, out.Room(bound), bound, nullptr));
  return s;
}

void TrimZstd() {
  contexts = Contexts();
}

}  // namespace naru::wire
