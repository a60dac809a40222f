// Compression of whole messages: what HTTP names in Content-Encoding and gRPC in grpc-encoding.
//
// Contexts of the libraries are kept per thread and reused; everything here may be called from any thread. Work is
// proportional to the bytes, so large messages belong on a worker thread and not on an event loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"

namespace naru::wire {

enum class Codec : uint8_t {
  kIdentity,      // no compression
  kGzip,          // RFC 1952, several members allowed on input
  kZlib,          // RFC 1950
  kDeflate,       // what HTTP calls deflate: RFC 1950; raw RFC 1951 is understood on input
  kZstd,          // RFC 8878, several frames allowed on input
  kSnappy,        // block format; the framing format is understood on input
  kSnappyFramed,  // framing format; the block format is understood on input
  kLz4,           // frame format, several frames allowed on input
};
inline constexpr int kCodecs = 8;

/// The codec that a Content-Encoding or a `compression` setting names: "" (and "identity", "none"), gzip (x-gzip),
/// zlib, deflate, zstd, snappy (block), x-snappy-framed, lz4. Case does not matter. Nothing for other names.
std::optional<Codec> CodecByHttpName(std::string_view name);
/// The codec that a grpc-encoding names: the same, except that snappy is the framing format there, as in Go's clients.
std::optional<Codec> CodecByGrpcName(std::string_view name);
/// "identity", "gzip", "zlib", "deflate", "zstd", "snappy", "x-snappy-framed", "lz4".
std::string_view HttpName(Codec codec);
/// As HttpName; "snappy" for the framing format.
std::string_view GrpcName(Codec codec);

/// The message that `bytes` is the compressed form of. The memory for it is charged to `budget` and grows with the
/// output that really comes out, whatever sizes the headers claim.
///
/// Errors: kResourceExhausted when there are more than `max_output` bytes of output (found without producing more than
/// that); kInvalidArgument for truncated or corrupt input and for bytes behind its end; kUnavailable, retryable, when
/// the budget's hard limit stands in the way.
Result<Slice> Decompress(Codec codec, std::string_view bytes, size_t max_output, Budget& budget = Budget::Process());

/// Level that lets each codec choose: gzip, zlib and deflate then take the fastest there is, zstd level 1.
inline constexpr int kDefaultLevel = -1;

/// The compressed form of the message that `parts` are the pieces of, one after another; parts are not copied together
/// unless the codec needs it. `level` counts as in zlib for gzip, zlib and deflate (below 4 the fast encoder serves)
/// and as in zstd for zstd; 0 means the default, and other codecs have no levels. Never fails for valid input;
/// kInternal tells that a library refused to work.
Result<Slice> Compress(Codec codec, std::span<const Slice> parts, int level = kDefaultLevel,
                       Budget& budget = Budget::Process());

/// Frees the contexts that the calling thread keeps (up to about 3 MiB when every codec was used). Event loops call it
/// when they have been idle.
void TrimCompressionContexts();

}  // namespace naru::wire
