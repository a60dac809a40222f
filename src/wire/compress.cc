#include "wire/compress.h"

#include <algorithm>

#include "wire/codecs.h"

namespace naru::wire {
namespace {

struct Named {
  std::string_view name;
  Codec codec;
};
constexpr Named kNames[] = {
    {"", Codec::kIdentity},       {"identity", Codec::kIdentity},
    {"none", Codec::kIdentity},   {"gzip", Codec::kGzip},
    {"x-gzip", Codec::kGzip},     {"zlib", Codec::kZlib},
    {"deflate", Codec::kDeflate}, {"zstd", Codec::kZstd},
    {"snappy", Codec::kSnappy},   {"x-snappy-framed", Codec::kSnappyFramed},
    {"lz4", Codec::kLz4},
};

bool EqualsFolded(std::string_view a, std::string_view lower) {
  return a.size() == lower.size() && std::equal(a.begin(), a.end(), lower.begin(), [](char x, char y) {
           return (x >= 'A' && x <= 'Z' ? static_cast<char>(x | 0x20) : x) == y;
         });
}

// First two bytes of RFC 1950: method 8, window at most 32 KiB, and a check modulo 31.
bool HasZlibHeader(std::string_view bytes) {
  if (bytes.size() < 2) return false;
  auto first = static_cast<uint8_t>(bytes[0]), second = static_cast<uint8_t>(bytes[1]);
  return (first & 0xf) == 8 && first >> 4 <= 7 && (first * 256 + second) % 31 == 0;
}

}  // namespace

std::optional<Codec> CodecByHttpName(std::string_view name) {
  for (const Named& n : kNames) {
    if (EqualsFolded(name, n.name)) return n.codec;
  }
  return std::nullopt;
}

std::optional<Codec> CodecByGrpcName(std::string_view name) {
  std::optional<Codec> codec = CodecByHttpName(name);
  return codec == Codec::kSnappy ? Codec::kSnappyFramed : codec;
}

std::string_view HttpName(Codec codec) {
  switch (codec) {
    case Codec::kIdentity:
      return "identity";
    case Codec::kGzip:
      return "gzip";
    case Codec::kZlib:
      return "zlib";
    case Codec::kDeflate:
      return "deflate";
    case Codec::kZstd:
      return "zstd";
    case Codec::kSnappy:
      return "snappy";
    case Codec::kSnappyFramed:
      return "x-snappy-framed";
    case Codec::kLz4:
      return "lz4";
  }
  return "identity";
}

std::string_view GrpcName(Codec codec) {
  return codec == Codec::kSnappyFramed ? "snappy" : HttpName(codec);
}

Unexpected CorruptInput(Codec codec) {
  return Fail(Code::kInvalidArgument, "the {} data is truncated or corrupt", HttpName(codec));
}

Unexpected OutputTooLarge(size_t max_output) {
  return Fail(Code::kResourceExhausted, "the decompressed message is larger than the limit of {} bytes", max_output);
}

Result<Slice> Decompress(Codec codec, std::string_view bytes, size_t max_output, Budget& budget) {
  switch (codec) {
    case Codec::kIdentity:
      if (bytes.size() > max_output) return OutputTooLarge(max_output);
      return Slice::CopyOf(bytes, budget);
    case Codec::kGzip:
      return Inflate(codec, DeflateFormat::kGzip, bytes, max_output, budget);
    case Codec::kZlib:
      return Inflate(codec, DeflateFormat::kZlib, bytes, max_output, budget);
    case Codec::kDeflate:
      return Inflate(codec, HasZlibHeader(bytes) ? DeflateFormat::kZlib : DeflateFormat::kRaw, bytes, max_output,
                     budget);
    case Codec::kZstd:
      return DecodeZstd(bytes, max_output, budget);
    case Codec::kSnappy:
    case Codec::kSnappyFramed:
      return IsSnappyFramed(bytes) ? DecodeSnappyFramed(bytes, max_output, budget)
                                   : DecodeSnappyBlock(bytes, max_output, budget);
    case Codec::kLz4:
      return DecodeLz4(bytes, max_output, budget);
  }
  return Fail(Code::kInternal, "no such codec: {}", static_cast<int>(codec));
}

Result<Slice> Compress(Codec codec, std::span<const Slice> parts, int level, Budget& budget) {
  size_t total = 0;
  for (const Slice& part : parts) total += part.size();
  if (codec == Codec::kIdentity && parts.size() == 1) return parts[0];

  Writer out(codec == Codec::kIdentity ? total : std::max<size_t>(512, total / 4), budget);
  Status status;
  switch (codec) {
    case Codec::kIdentity:
      for (const Slice& part : parts) out.Raw(part.view());
      break;
    case Codec::kGzip:
    case Codec::kZlib:
    case Codec::kDeflate: {
      DeflateFormat format = codec == Codec::kGzip ? DeflateFormat::kGzip : DeflateFormat::kZlib;
      status = level >= 4 ? DeflateDense(format, parts, total, level, out) : DeflateFast(format, parts, total, out);
      break;
    }
    case Codec::kZstd:
      status = EncodeZstd(parts, total, level, out);
      break;
    case Codec::kSnappy:
      status = EncodeSnappyBlock(parts, total, out);
      break;
    case Codec::kSnappyFramed:
      status = EncodeSnappyFramed(parts, out);
      break;
    case Codec::kLz4:
      status = EncodeLz4(parts, out);
      break;
  }
  if (!status) return Unexpected(status.error());
  return out.Finish();
}

void TrimCompressionContexts() {
  TrimDeflate();
  TrimZstd();
}

}  // namespace naru::wire
