#include "wire/hash.h"

#include <gtest/gtest.h>

namespace naru::wire {
namespace {

TEST(Hash, KnownDigests) {
  EXPECT_EQ(Md5Hex(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(Md5Hex("abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(Sha1Hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Hash, KnownChecksums) {
  EXPECT_EQ(Xxh3(""), 0x2d06800538d394c2u);
  EXPECT_NE(Xxh3("a", 1), Xxh3("a", 2));
  EXPECT_EQ(Fnv1a32(""), 0x811c9dc5u);
  EXPECT_EQ(Fnv1a32("foobar"), 0xbf9cf968u);
  EXPECT_EQ(Fnv1a64("foobar"), 0x85944171f73967e8u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c("56789", Crc32c("1234")), Crc32c("123456789"));
}

TEST(Base64, Rfc4648Vectors) {
  const char* vectors[][2] = {{"", ""},
                              {"f", "Zg=="},
                              {"fo", "Zm8="},
                              {"foo", "Zm9v"},
                              {"foob", "Zm9vYg=="},
                              {"fooba", "Zm9vYmE="},
                              {"foobar", "Zm9vYmFy"}};
  for (auto [bytes, text] : vectors) {
    EXPECT_EQ(Base64Encode(bytes), text);
    EXPECT_EQ(Base64Decode(text), bytes);
  }
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  for (size_t n = 0; n <= all.size(); ++n) {
    EXPECT_EQ(Base64Decode(Base64Encode(all.substr(0, n))), all.substr(0, n));
    EXPECT_EQ(Base64Decode(Base64Encode(all.substr(0, n), true), Base64Form::kUrl), all.substr(0, n));
  }
}

TEST(Base64, RefusesWhatIsNotExact) {
  for (const char* text : {"Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zm9v=", "Zh==", "Zm9=", "Zm9v\n", "Zm 9", "Zm-_",
                           "Zg==Zg==", "Z"}) {
    EXPECT_EQ(Base64Decode(text), std::nullopt) << text;
  }
  EXPECT_EQ(Base64Decode("-_-_", Base64Form::kUrl), "\xfb\xff\xbf");
  EXPECT_EQ(Base64Decode("+/+/", Base64Form::kUrl), std::nullopt);
  EXPECT_EQ(Base64Decode("-/-/", Base64Form::kEither), "\xfb\xff\xbf");
  EXPECT_EQ(Base64Decode("Zm8", Base64Form::kEither), "fo");
  EXPECT_EQ(Base64Decode("Zm8=", Base64Form::kEither), "fo");
  EXPECT_EQ(Base64Decode("Zm9vY", Base64Form::kEither), std::nullopt);
}

TEST(Hex, RoundTripsAndRefuses) {
  EXPECT_EQ(HexEncode(std::string("\x00\x9f\xff", 3)), "009fff");
  EXPECT_EQ(HexDecode("009FfF"), std::string("\x00\x9f\xff", 3));
  EXPECT_EQ(HexDecode(""), "");
  EXPECT_EQ(HexDecode("0"), std::nullopt);
  EXPECT_EQ(HexDecode("0g"), std::nullopt);
  EXPECT_EQ(HexDecode("g0"), std::nullopt);
  EXPECT_EQ(HexDecode("\xff\xff"), std::nullopt);
}

}  // namespace
}  // namespace naru::wire
