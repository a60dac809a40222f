#include "wire/compress.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdio>
#include <string>
#include <vector>

#include "wire/codecs.h"
#include "wire/hash.h"

namespace naru::wire {
namespace {

std::string Repeat(std::string_view text, int n) {
  std::string s;
  for (int i = 0; i < n; ++i) s += text;
  return s;
}

// Repetitive like telemetry, but not so much that an encoder has nothing to do.
std::string Sample(size_t size) {
  std::string s;
  uint32_t x = 1;
  while (s.size() < size) {
    x = x * 1664525u + 1013904223u;
    s += "http.request.method=GET url.path=/api/";
    s += std::to_string(x >> 20);
    s += static_cast<char>(x >> 24);
  }
  s.resize(size);
  return s;
}

std::vector<Slice> Pieces(std::string_view text, size_t piece) {
  std::vector<Slice> parts = {Slice::Static("")};
  for (size_t at = 0; at < text.size(); at += piece) parts.push_back(Slice::CopyOf(text.substr(at, piece)));
  parts.push_back(Slice::Static(""));
  return parts;
}

constexpr Codec kAll[] = {Codec::kIdentity, Codec::kGzip,   Codec::kZlib,         Codec::kDeflate,
                          Codec::kZstd,     Codec::kSnappy, Codec::kSnappyFramed, Codec::kLz4};
static_assert(std::size(kAll) == kCodecs);

TEST(Compress, NamesOfHttpAndGrpc) {
  for (Codec codec : kAll) {
    EXPECT_EQ(CodecByHttpName(HttpName(codec)), codec);
    if (codec != Codec::kSnappy) {
      EXPECT_EQ(CodecByGrpcName(GrpcName(codec)), codec);
    }
  }
  EXPECT_EQ(CodecByHttpName(""), Codec::kIdentity);
  EXPECT_EQ(CodecByHttpName("none"), Codec::kIdentity);
  EXPECT_EQ(CodecByHttpName("GZip"), Codec::kGzip);
  EXPECT_EQ(CodecByHttpName("x-gzip"), Codec::kGzip);
  EXPECT_EQ(CodecByHttpName("snappy"), Codec::kSnappy);
  EXPECT_EQ(CodecByGrpcName("snappy"), Codec::kSnappyFramed);
  EXPECT_EQ(CodecByHttpName("br"), std::nullopt);
  EXPECT_EQ(CodecByHttpName("gzip "), std::nullopt);
}

TEST(Compress, RoundTripsEveryCodecSizeAndLevel) {
  for (Codec codec : kAll) {
    for (size_t size : {0u, 1u, 100u, 65535u, 65536u, 65537u, 400000u}) {
      std::string text = Sample(size);
      for (size_t piece : {size_t{7000}, size_t{1} << 20}) {
        for (int level : {kDefaultLevel, 0, 1, 6}) {
          SCOPED_TRACE(std::string(HttpName(codec)) + " " + std::to_string(size) + " " + std::to_string(level));
          Result<Slice> packed = Compress(codec, Pieces(text, piece), level);
          ASSERT_TRUE(packed) << packed.error().message;
          if (codec != Codec::kIdentity && size > 1000) {
            EXPECT_LT(packed->size(), size * 3 / 4);
          }
          Result<Slice> back = Decompress(codec, packed->view(), size);
          ASSERT_TRUE(back) << back.error().message;
          EXPECT_EQ(back->view(), text);
        }
      }
    }
  }
}

TEST(Compress, OnePartOfIdentityIsShared) {
  Slice one = Slice::CopyOf("abc");
  Result<Slice> same = Compress(Codec::kIdentity, {&one, 1});
  ASSERT_TRUE(same);
  EXPECT_EQ(same->data(), one.data());
}

// Written by gzip, Python's zlib, zstd, lz4 and Go's snappy.
TEST(Decompress, ReadsWhatOthersWrote) {
  const std::string text = Repeat("naru reads telemetry. ", 40);
  struct Case {
    const char* what;
    Codec codec;
    const char* base64;
  } cases[] = {
      {"gzip -9", Codec::kGzip, "H4sIAAAAAAACA8tLLCpVKEpNTClWKEnNSc1NLSmq1FPIGxUdFR0VpYEoANxFyB1wAwAA"},
      {"two members", Codec::kGzip,
       "H4sIAAAAAAAAA8tLLCpVKEpNTClWKEnNSc1NLSmq1FPIGxUd5KIAKHKox7gBAAAfiwgAAAAAAAQDy0ssKlUoSk1MKVYoSc1JzU0tKarUU8gbFR"
       "3k4QAAKHKox7gBAAA="},
      {"zlib", Codec::kZlib, "eJzLSywqVShKTUwpVihJzUnNTS0pqtRTyBsVHRUdFaWBKACQDUdA"},
      {"deflate as zlib", Codec::kDeflate, "eJzLSywqVShKTUwpVihJzUnNTS0pqtRTyBsVHRUdFaWBKACQDUdA"},
      {"deflate, raw", Codec::kDeflate, "y0ssKlUoSk1MKVYoSc1JzU0tKarUU8gbFR0VHRWlgSgA"},
      {"zstd -19", Codec::kZstd, "KLUv/QRo7QAAsG5hcnUgcmVhZHMgdGVsZW1ldHJ5LiABAK5mNZsxiGXU"},
      {"two zstd frames", Codec::kZstd,
       "KLUv/QRY7QAAsG5hcnUgcmVhZHMgdGVsZW1ldHJ5LiABAD5TnU2yvJ+DKLUv/QRY7QAAsG5hcnUgcmVhZHMgdGVsZW1ldHJ5LiABAD5TnU2yvJ"
       "+D"},
      {"lz4 -9", Codec::kLz4, "BCJNGGRApyQAAAD/B25hcnUgcmVhZHMgdGVsZW1ldHJ5LiAWAP///0VQdHJ5LiAAAAAAXhP83g=="},
      {"snappy block", Codec::kSnappy,
       "8AZUbmFydSByZWFkcyB0ZWxlbWV0cnkuIP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAGYWAA=="},
      {"snappy framed", Codec::kSnappyFramed,
       "/wYAAHNOYVBwWQBHAABE7h+G8AZUbmFydSByZWFkcyB0ZWxlbWV0cnkuIP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAG"
       "YWAA=="},
      {"framed under the name of the block format", Codec::kSnappy,
       "/wYAAHNOYVBwWQBHAABE7h+G8AZUbmFydSByZWFkcyB0ZWxlbWV0cnkuIP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAP4WAG"
       "YWAA=="},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    std::optional<std::string> packed = Base64Decode(c.base64);
    ASSERT_TRUE(packed);
    Result<Slice> got = Decompress(c.codec, *packed, 1 << 20);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->view(), text);
    // Exactly at the limit it passes, one byte less is refused.
    EXPECT_TRUE(Decompress(c.codec, *packed, text.size()));
    Result<Slice> refused = Decompress(c.codec, *packed, text.size() - 1);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kResourceExhausted);
    EXPECT_NE(refused.error().message.find("879"), std::string::npos) << refused.error().message;
    EXPECT_FALSE(refused.error().retryable);
    // No prefix is a message, except a whole first member or frame.
    for (size_t n = 0; n < packed->size(); ++n) {
      Result<Slice> cut = Decompress(c.codec, std::string_view(*packed).substr(0, n), 1 << 20);
      if (cut) {
        EXPECT_LT(cut->size(), text.size()) << n;
      } else {
        EXPECT_EQ(cut.error().code, Code::kInvalidArgument) << n;
      }
    }
    Result<Slice> longer = Decompress(c.codec, *packed + "x", 1 << 20);
    ASSERT_FALSE(longer);
    EXPECT_EQ(longer.error().code, Code::kInvalidArgument);
  }
}

TEST(Decompress, RefusesGarbage) {
  for (Codec codec : kAll) {
    if (codec == Codec::kIdentity) continue;
    SCOPED_TRACE(HttpName(codec));
    for (std::string_view bytes : {"", "{\"resourceSpans\":[]}", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"}) {
      Result<Slice> got = Decompress(codec, bytes, 1 << 20);
      ASSERT_FALSE(got);
      EXPECT_EQ(got.error().code, Code::kInvalidArgument) << got.error().message;
    }
  }
}

TEST(Decompress, BombsStopAtTheLimit) {
  constexpr size_t kLimit = 4 << 20;
  std::vector<Slice> zeros(256, Slice::CopyOf(std::string(1 << 20, '\0')));  // 256 MiB
  for (Codec codec : kAll) {
    SCOPED_TRACE(HttpName(codec));
    if (codec == Codec::kIdentity) continue;
    Result<Slice> bomb = Compress(codec, std::span(zeros).first(codec == Codec::kGzip ? 256 : 32));
    ASSERT_TRUE(bomb);
    Budget budget;
    budget.SetLimits(INT64_MAX, 16 << 20);
    Result<Slice> got = Decompress(codec, bomb->view(), kLimit, budget);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Code::kResourceExhausted) << got.error().message;
    EXPECT_EQ(budget.used(), 0);
  }
}

TEST(Decompress, StopsAtTheBudgetAndMayBeTriedAgain) {
  Slice text = Slice::CopyOf(Sample(3 << 20));
  for (Codec codec : {Codec::kGzip, Codec::kZstd, Codec::kSnappy, Codec::kSnappyFramed, Codec::kLz4}) {
    SCOPED_TRACE(HttpName(codec));
    Result<Slice> packed = Compress(codec, {&text, 1});
    ASSERT_TRUE(packed);
    Budget budget;
    budget.SetLimits(INT64_MAX, 1 << 20);
    Result<Slice> got = Decompress(codec, packed->view(), 20 << 20, budget);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Code::kUnavailable);
    EXPECT_TRUE(got.error().retryable);
    EXPECT_EQ(budget.used(), 0);
  }
}

// Decoders that do not know how much comes grow by doubling, and the old bytes are there until the new have room: that
// counts.
TEST(Decompress, GrowthStaysWithinTheBudget) {
  Slice text = Slice::CopyOf(std::string(12 << 20, 'x'));
  for (Codec codec : {Codec::kSnappyFramed, Codec::kLz4, Codec::kGzip, Codec::kZstd}) {
    SCOPED_TRACE(HttpName(codec));
    Result<Slice> packed = Compress(codec, {&text, 1});
    ASSERT_TRUE(packed);
    for (int64_t mib : {9, 14, 20, 64}) {
      Budget budget;
      budget.SetLimits(INT64_MAX, mib << 20);
      Result<Slice> got = Decompress(codec, packed->view(), 20 << 20, budget);
      EXPECT_LE(budget.used(), mib << 20);
      if (mib < 12) EXPECT_FALSE(got) << mib;
      if (mib == 64) EXPECT_TRUE(got);
      if (got) EXPECT_EQ(got->view(), text.view());
    }
  }
}

// A header that claims 4 GiB buys no memory.
TEST(Decompress, ClaimsBuyNoMemory) {
  std::string gzip = *Base64Decode("H4sIAAAAAAACA8tLLCpVKEpNTClWKEnNSc1NLSmq1FPIGxUdFR0VpYEoANxFyB1wAwAA");
  gzip.replace(gzip.size() - 4, 4, "\xff\xff\xff\xff");
  Budget budget;
  budget.SetLimits(INT64_MAX, 1 << 20);
  EXPECT_EQ(Decompress(Codec::kGzip, gzip, SIZE_MAX / 2, budget).error().code, Code::kInvalidArgument);
  EXPECT_EQ(Decompress(Codec::kSnappy,
                       "\xff\xff\xff\xff\x0f"
                       "abc",
                       SIZE_MAX / 2, budget)
                .error()
                .code,
            Code::kInvalidArgument);
}

TEST(Decompress, FramedSnappyChecksItsChecksums) {
  std::string framed = *Base64Decode("/wYAAHNOYVBwWQEGAAB4DQ5pAZI=");
  EXPECT_EQ(Decompress(Codec::kSnappyFramed, framed, 100)->view(), "\x01\x92");
  std::string skippable = framed.substr(0, 10) +
                          std::string(
                              "\x80\x02\x00\x00"
                              "xy",
                              6) +
                          framed.substr(10);
  EXPECT_EQ(Decompress(Codec::kSnappyFramed, skippable, 100)->view(), "\x01\x92");
  std::string reserved = framed.substr(0, 10) +
                         std::string(
                             "\x02\x02\x00\x00"
                             "xy",
                             6) +
                         framed.substr(10);
  EXPECT_FALSE(Decompress(Codec::kSnappyFramed, reserved, 100));
  framed.back() ^= 1;
  EXPECT_FALSE(Decompress(Codec::kSnappyFramed, framed, 100));
}

// zlib itself, as the judge of all three encoders.
std::string ZlibInflate(std::string_view bytes) {
  z_stream z{};
  EXPECT_EQ(inflateInit2(&z, 15 + 32), Z_OK);
  std::string out(4 << 20, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
  EXPECT_EQ(z.avail_in, 0u);
  out.resize(z.total_out);
  inflateEnd(&z);
  return out;
}

TEST(Compress, DeflateEncodersAgreeWithZlib) {
  for (size_t size : {size_t{0}, size_t{885}, size_t{1} << 21}) {
    std::string text = Sample(size);
    std::vector<Slice> parts = Pieces(text, 100000);
    for (DeflateFormat format : {DeflateFormat::kGzip, DeflateFormat::kZlib}) {
      Writer fast, dense, portable;
      ASSERT_TRUE(DeflateFast(format, parts, size, fast));
      ASSERT_TRUE(DeflateDense(format, parts, size, 6, dense));
      ASSERT_TRUE(DeflateZlib(format, parts, 1, portable));
      EXPECT_EQ(ZlibInflate(fast.view()), text);
      EXPECT_EQ(ZlibInflate(dense.view()), text);
      EXPECT_EQ(ZlibInflate(portable.view()), text);
    }
  }
}

TEST(Compress, SystemGzipReadsOurs) {
  std::string text = Sample(300000);
  std::vector<Slice> parts = Pieces(text, 4096);
  Result<Slice> packed = Compress(Codec::kGzip, parts);
  ASSERT_TRUE(packed);
  std::string path = testing::TempDir() + "naru_compress_test.gz";
  FILE* f = fopen(path.c_str(), "wb");
  ASSERT_NE(f, nullptr);
  ASSERT_EQ(fwrite(packed->data(), 1, packed->size(), f), packed->size());
  fclose(f);
  FILE* p = popen(("gzip -dc " + path).c_str(), "r");
  ASSERT_NE(p, nullptr);
  std::string got(text.size() + 1, '\0');
  got.resize(fread(got.data(), 1, got.size(), p));
  EXPECT_EQ(pclose(p), 0);
  EXPECT_EQ(got, text);
  remove(path.c_str());
}

TEST(Compress, ContextsCanBeTrimmed) {
  Slice text = Slice::CopyOf(Sample(1000));
  for (Codec codec : kAll) {
    TrimCompressionContexts();
    Result<Slice> packed = Compress(codec, {&text, 1}, 6);
    TrimCompressionContexts();
    ASSERT_TRUE(packed);
    EXPECT_EQ(Decompress(codec, packed->view(), 1000)->view(), text.view());
  }
}

}  // namespace
}  // namespace naru::wire
