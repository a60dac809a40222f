#include "wire/proto.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace naru::wire {
namespace {

using namespace std::string_view_literals;

TEST(Proto, VarintSizesAndRoundTrips) {
  const uint64_t kValues[] = {
      0,          1,          127,        128,        255,        16383,      16384,     1u << 21, (1ull << 28) - 1,
      1ull << 28, 1ull << 35, 1ull << 42, 1ull << 49, 1ull << 56, 1ull << 63, UINT64_MAX};
  for (uint64_t v : kValues) {
    uint8_t bytes[10];
    size_t n = static_cast<size_t>(PutVarint(bytes, v) - bytes);
    EXPECT_EQ(n, VarintSize(v)) << v;
    Reader r({reinterpret_cast<char*>(bytes), n});
    EXPECT_EQ(r.Varint(), v);
    EXPECT_TRUE(r.done()) << v;
    for (size_t cut = 0; cut < n; ++cut) {
      Reader shorter({reinterpret_cast<char*>(bytes), cut});
      shorter.Varint();
      EXPECT_FALSE(shorter.ok()) << v << " cut at " << cut;
    }
  }
}

TEST(Proto, ZigZag) {
  for (int64_t v : {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{-2}, INT64_MAX, INT64_MIN})
    EXPECT_EQ(UnZigZag(ZigZag(v)), v);
  EXPECT_EQ(ZigZag(-1), 1u);
  EXPECT_EQ(ZigZag(1), 2u);
}

TEST(Proto, ReadsWhatIsWritten) {
  Writer w;
  w.VarintField(1, 300);
  w.SignedField(2, -5);
  w.Fixed32Field(3, 0xdeadbeef);
  w.Fixed64Field(4, 0x0123456789abcdef);
  w.DoubleField(5, -2.5);
  w.BytesField(6, "hello");
  Writer::Mark m = w.Begin(3000);
  w.VarintField(1, 1);
  w.End(m);
  std::string bytes(w.view());
  Reader r(bytes);
  EXPECT_EQ(r.Next(), Tag(1, kVarint));
  EXPECT_EQ(r.Varint(), 300u);
  EXPECT_EQ(r.Next(), Tag(2, kVarint));
  EXPECT_EQ(r.SignedVarint(), -5);
  EXPECT_EQ(r.Next(), Tag(3, kFixed32));
  EXPECT_EQ(r.Fixed32(), 0xdeadbeefu);
  EXPECT_EQ(r.Next(), Tag(4, kFixed64));
  EXPECT_EQ(r.Fixed64(), 0x0123456789abcdefu);
  EXPECT_EQ(r.Next(), Tag(5, kFixed64));
  EXPECT_EQ(r.Double(), -2.5);
  EXPECT_EQ(r.Next(), Tag(6, kLength));
  EXPECT_EQ(r.Bytes(), "hello");
  EXPECT_EQ(r.Next(), Tag(3000, kLength));
  Reader inner = r.Message();
  EXPECT_EQ(inner.Next(), Tag(1, kVarint));
  EXPECT_EQ(inner.Varint(), 1u);
  EXPECT_TRUE(inner.done());
  EXPECT_EQ(r.Next(), 0u);
  EXPECT_TRUE(r.done());
}

TEST(Proto, RefusesWhatIsMalformed) {
  struct {
    const char* what;
    std::string_view bytes;
  } const kCases[] = {
      {"field number zero", "\x00\x01"sv},
      {"group", "\x0b\x0c"sv},
      {"end of a group", "\x0c"sv},
      {"wire type 6", "\x0e\x01"sv},
      {"wire type 7", "\x0f\x01"sv},
      {"tag cut off", "\x80"sv},
      {"tag of six bytes", "\x88\x80\x80\x80\x80\x00\x01"sv},
      {"tag above 32 bits", "\x88\x80\x80\x80\x10\x01"sv},
      {"length beyond the end", "\x0a\x05\x61"sv},
      {"length of six bytes", "\x0a\x80\x80\x80\x80\x80\x00"sv},
      {"huge length", "\x0a\xff\xff\xff\xff\x0f"sv},
      {"varint of eleven bytes", "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"sv},
      {"fixed64 cut off", "\x09\x01\x02\x03"sv},
      {"fixed32 cut off", "\x0d\x01\x02"sv},
  };
  for (const auto& c : kCases) {
    Reader r(c.bytes);
    while (uint32_t tag = r.Next()) r.Skip(tag);
    EXPECT_FALSE(r.ok()) << c.what;
    EXPECT_EQ(r.Next(), 0u) << c.what;
    EXPECT_EQ(r.Bytes(), "") << c.what;
  }
}

TEST(Proto, LengthsArePatchedWhateverWasExpected) {
  for (size_t expected : {0, 100, 200, 20000, 3000000}) {
    for (size_t size : {0, 1, 127, 128, 16383, 16384}) {
      Writer w(16);
      Writer::Mark outer = w.Begin(1, expected);
      Writer::Mark m = w.Begin(2, expected);
      w.Raw(std::string(size, 'x'));
      w.End(m);
      w.End(outer);
      w.VarintField(3, 1);
      Writer straight;
      Writer inner;
      inner.BytesField(2, std::string(size, 'x'));
      straight.BytesField(1, inner.view());
      straight.VarintField(3, 1);
      EXPECT_EQ(w.view(), straight.view()) << expected << " " << size;
    }
  }
}

TEST(Proto, CancelAndFinish) {
  Writer w;
  w.BytesField(1, "keep");
  Writer::Mark m = w.Begin(2);
  w.Raw("thrown away");
  w.Cancel(m);
  EXPECT_EQ(w.view(), "\x0a\x04keep");
  Slice first = w.Finish();
  EXPECT_EQ(first.view(), "\x0a\x04keep");
  EXPECT_EQ(w.size(), 0u);
  w.VarintField(1, 1);
  EXPECT_EQ(w.Finish().view(), "\x08\x01");
  EXPECT_EQ(first.view(), "\x0a\x04keep");
}

TEST(Proto, FixedMemoryRefusesWhatDoesNotFit) {
  uint8_t memory[8];
  for (size_t room = 0; room <= sizeof memory; ++room) {
    Writer w(std::span<uint8_t>(memory, room));
    w.BytesField(1, "abcdef");
    EXPECT_EQ(w.ok(), room >= 8) << room;
    EXPECT_LE(w.size(), room);
  }
  Writer tight(std::span<uint8_t>(memory, 3));
  tight.VarintField(1, 300);
  EXPECT_TRUE(tight.ok());
  EXPECT_EQ(tight.view(), "\x08\xac\x02");
}

TEST(Proto, WriterIsChargedToItsBudget) {
  Budget budget;
  {
    Writer w(100, budget);
    w.Raw(std::string(1 << 20, 'x'));
    EXPECT_GE(budget.used(), 1 << 20);
  }
  EXPECT_EQ(budget.used(), 0);
}

}  // namespace
}  // namespace naru::wire
