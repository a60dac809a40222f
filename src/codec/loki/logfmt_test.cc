#include "codec/loki/logfmt.h"

#include <string>

#include <gtest/gtest.h>

#include "otlp/build.h"

namespace naru::codec::loki {
namespace {

std::string Dump(const std::vector<LogfmtPair>& pairs) {
  std::string out;
  for (auto& p : pairs) out += "[" + std::string(p.key) + "|" + std::string(p.value.bytes) + "]";
  return out;
}

TEST(Logfmt, IsParsedAsGoLogfmtDoes) {
  const struct {
    std::string_view line, want;  // "no": it is none
  } kCases[] = {
      {"", ""},
      {"   ", ""},
      {"a=1", "[a|1]"},
      {"  a=1  b=two\tc=", "[a|1][b|two][c|]"},
      {"alone other", "[alone|][other|]"},
      {"a= b", "[a|][b|]"},
      {R"(msg="hello world" x=1)", "[msg|hello world][x|1]"},
      {R"(msg="")", "[msg|]"},
      {R"(msg="a\"b\\c\n\t\/\'é😀")", "[msg|a\"b\\c\n\t/'\xc3\xa9\xf0\x9f\x98\x80]"},
      {R"(msg="\ud800x")", "[msg|\xef\xbf\xbdx]"},
      {R"(a="x"b="y")", "[a|x][b|y]"},
      {"url=http://x/?q", "[url|http://x/?q]"},
      {"ключ=значение", "[ключ|значение]"},
      {"=x", "no"},
      {"a==b", "no"},
      {"a=b=c", "no"},
      {"a=b\"c", "no"},
      {"\"quoted\"", "no"},
      {"say \"hi\"", "no"},
      {R"(a="open)", "no"},
      {R"(a="bad \x")", "no"},
      {R"(a="bad \u12")", "no"},
      {"a\xff=1", "no"},
      {"one=1\ntwo=2", "no"},
  };
  for (auto& c : kCases) {
    TextArena arena;
    std::vector<LogfmtPair> pairs{{"kept", {}, false}};
    bool is = ParseLogfmt(c.line, arena, &pairs);
    ASSERT_FALSE(pairs.empty());
    pairs.erase(pairs.begin());
    EXPECT_EQ(is, c.want != "no") << c.line;
    EXPECT_EQ(Dump(pairs), c.want == "no" ? "" : c.want) << c.line;
  }
}

TEST(Logfmt, IsWritten) {
  auto value = [](const std::string& encoded) { return otlp::AnyValue::Parse(encoded); };
  const struct {
    std::string_view key;
    std::string encoded;
    std::string_view want;
  } kCases[] = {
      {"a", otlp::EncodeValue("x"), "a=x"},
      {"a", otlp::EncodeValue(""), "a="},
      {"a", otlp::EncodeValue("two words"), R"(a="two words")"},
      {"a", otlp::EncodeValue("k=v"), R"(a="k=v")"},
      {"a", otlp::EncodeValue("say \"hi\"\n"), R"(a="say \"hi\"\n")"},
      {"a", otlp::EncodeValue("null"), R"(a="null")"},
      {"a", otlp::EncodeValue("\xff"), "a=\"\xef\xbf\xbd\""},
      {"a", otlp::EncodeValue(true), "a=true"},
      {"a", otlp::EncodeValue(-7), "a=-7"},
      {"a", otlp::EncodeValue(1e6), "a=1e+06"},
      {"a", otlp::EncodeValue(1.5), "a=1.5"},
      {"a", otlp::EncodeValue(otlp::Value::OfBytes("abc")), "a=abc"},
      {"a", otlp::EncodeValue(otlp::Value::OfBytes("\xff\xfe")), "a=//4="},
      {"a b=\"c", otlp::EncodeValue("x"), "abc=x"},
      {"\xff k", otlp::EncodeValue("x"), "k=x"},
      {"= \"", otlp::EncodeValue("x"), "_=x"},
      {"", otlp::EncodeValue("x"), "_=x"},
  };
  for (auto& c : kCases) {
    wire::Writer out;
    WriteLogfmt({c.key, value(c.encoded), false}, out);
    EXPECT_EQ(out.view(), c.want);
  }
}

TEST(Logfmt, NestingIsBounded) {
  std::string value = otlp::EncodeValue("deep");
  for (int i = 0; i < 200; ++i) value = otlp::EncodeArray({otlp::Value::Encoded(value)});
  TextArena arena;
  std::vector<LogfmtPair> pairs;
  FlattenLogfmt("a", otlp::AnyValue::Parse(value), arena, &pairs);
  EXPECT_TRUE(pairs.empty());
}

}  // namespace
}  // namespace naru::codec::loki
