#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "wire/json_reader.h"
#include "wire/json_writer.h"

namespace naru::wire {
namespace {

std::string Float(double v, FloatStyle style) {
  char text[kFloatText];
  return {text, PutFloat(text, v, style)};
}

// The texts are those of Go 1.26: strconv 'f' and 'e' with the cut-offs of its JSON encoders, encoding/json, %v, %f.
TEST(Numbers, FloatsAsGoPrintsThem) {
  struct {
    double v;
    const char *shortest, *ecma, *general, *fixed;
  } cases[] = {
      {0, "0", "0", "0", "0.000000"},
      {-1, "-1", "-1", "-1", "-1.000000"},
      {0.5, "0.5", "0.5", "0.5", "0.500000"},
      {100, "100", "100", "100", "100.000000"},
      {99999, "99999", "99999", "99999", "99999.000000"},
      {1e6, "1000000", "1000000", "1e+06", "1000000.000000"},
      {123456789, "123456789", "123456789", "1.23456789e+08", "123456789.000000"},
      {1e20, "100000000000000000000", "100000000000000000000", "1e+20", "100000000000000000000.000000"},
      {123456789012345678901.0, "123456789012345680000", "123456789012345680000", "1.2345678901234568e+20",
       "123456789012345683968.000000"},
      {1e21, "1e+21", "1e+21", "1e+21", "1000000000000000000000.000000"},
      {1.5e21, "1.5e+21", "1.5e+21", "1.5e+21", "1500000000000000000000.000000"},
      {1e-4, "0.0001", "0.0001", "0.0001", "0.000100"},
      {1.25e-5, "0.0000125", "0.0000125", "1.25e-05", "0.000013"},
      {1e-6, "0.000001", "0.000001", "1e-06", "0.000001"},
      {1e-7, "1e-07", "1e-7", "1e-07", "0.000000"},
      {1.5e-9, "1.5e-09", "1.5e-9", "1.5e-09", "0.000000"},
      {1e-10, "1e-10", "1e-10", "1e-10", "0.000000"},
      {5e-324, "5e-324", "5e-324", "5e-324", "0.000000"},
      {1.0 / 3, "0.3333333333333333", "0.3333333333333333", "0.3333333333333333", "0.333333"},
      {12345678.9, "12345678.9", "12345678.9", "1.23456789e+07", "12345678.900000"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Float(c.v, FloatStyle::kShortest), c.shortest);
    EXPECT_EQ(Float(c.v, FloatStyle::kEcmaScript), c.ecma);
    EXPECT_EQ(Float(c.v, FloatStyle::kGeneral), c.general);
    EXPECT_EQ(Float(c.v, FloatStyle::kFixed6), c.fixed);
  }
  EXPECT_EQ(Float(1.7976931348623157e308, FloatStyle::kShortest), "1.7976931348623157e+308");
  EXPECT_EQ(Float(-1.7976931348623157e308, FloatStyle::kFixed6).size(), 317u);
  EXPECT_EQ(Float(-0.0, FloatStyle::kShortest), "-0");
  EXPECT_EQ(Float(NAN, FloatStyle::kShortest), "NaN");
  EXPECT_EQ(Float(-INFINITY, FloatStyle::kShortest), "-Infinity");
  EXPECT_EQ(Float(INFINITY, FloatStyle::kGeneral), "+Inf");
  EXPECT_EQ(Float(-INFINITY, FloatStyle::kFixed6), "-Inf");
}

TEST(Numbers, IntegersInAllWritings) {
  EXPECT_EQ(ParseInt64("0"), 0);
  EXPECT_EQ(ParseInt64("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(ParseInt64("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(ParseInt64("9223372036854775808"), std::nullopt);
  EXPECT_EQ(ParseInt64("1.0"), 1);
  EXPECT_EQ(ParseInt64("-1.50e1"), -15);
  EXPECT_EQ(ParseInt64("1e18"), 1000000000000000000);
  EXPECT_EQ(ParseInt64("1e19"), std::nullopt);
  EXPECT_EQ(ParseInt64("1e20"), std::nullopt);
  EXPECT_EQ(ParseInt64("12300e-2"), 123);
  EXPECT_EQ(ParseInt64("12345e-2"), std::nullopt);
  EXPECT_EQ(ParseInt64("0.5"), std::nullopt);
  EXPECT_EQ(ParseInt64("0e999999999999999999999"), 0);
  EXPECT_EQ(ParseInt64("1e999999999999999999999"), std::nullopt);
  EXPECT_EQ(ParseInt64("0.0001e-999999999999"), std::nullopt);
  EXPECT_EQ(ParseInt64("9.223372036854775807e18"), INT64_MAX);
  EXPECT_EQ(ParseUint64("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(ParseUint64("18446744073709551615.000"), UINT64_MAX);
  EXPECT_EQ(ParseUint64("18446744073709551616"), std::nullopt);
  EXPECT_EQ(ParseUint64("-0"), 0u);
  EXPECT_EQ(ParseUint64("-1"), std::nullopt);
  for (const char* text : {"", "-", "+", "1.", ".5", "1e", "1e+", "0x10", " 1", "1 ", "NaN", "true", "1,0"}) {
    EXPECT_EQ(ParseInt64(text), std::nullopt) << text;
    EXPECT_EQ(ParseUint64(text), std::nullopt) << text;
  }
}

TEST(Numbers, FloatsInAllWritings) {
  EXPECT_EQ(ParseDouble("1.5"), 1.5);
  EXPECT_EQ(ParseDouble("-1e3"), -1000);
  EXPECT_EQ(ParseDouble("Infinity"), INFINITY);
  EXPECT_EQ(ParseDouble("-inf"), -INFINITY);
  EXPECT_TRUE(std::isnan(*ParseDouble("NaN")));
  EXPECT_EQ(ParseDouble("1e-999"), 0.0);
  EXPECT_EQ(ParseDouble("1e999"), std::nullopt);
  for (const char* text : {"", "-", "abc", "0x1p3", "1.5x", "infinit", ".5", " 1"}) {
    EXPECT_EQ(ParseDouble(text), std::nullopt) << text;
  }
  for (const char* text : {"0", "-0", "1.5", "1e5", "1E-5", "10.25e+3"}) EXPECT_TRUE(IsJsonNumber(text)) << text;
  for (const char* text : {"", "-", "01", "1.", ".5", "+1", "1e", "NaN", "1x"})
    EXPECT_FALSE(IsJsonNumber(text)) << text;
}

std::string Quoted(std::string_view text, JsonEscapes escapes = JsonEscapes::kLeast) {
  Writer out;
  AppendJsonString(out, text, escapes);
  return std::string(out.view());
}

TEST(JsonWriter, Strings) {
  EXPECT_EQ(Quoted(""), "\"\"");
  EXPECT_EQ(Quoted("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
  EXPECT_EQ(Quoted(std::string("\0\x1f\n\r\t\b\f\x7f", 8)), "\"\\u0000\\u001f\\n\\r\\t\\u0008\\u000c\x7f\"");
  EXPECT_EQ(Quoted("<&>\u00fc\u20ac\U0001f600"), "\"<&>\u00fc\u20ac\U0001f600\"");
  EXPECT_EQ(Quoted("<&>\b\f\v\u2028\xff", JsonEscapes::kGo), "\"<&>\\b\\f\\u000b\\u2028\\ufffd\"");
  // Wherever in a word the odd one stands.
  for (size_t at = 0; at < 20; ++at) {
    std::string text(20, 'a');
    text[at] = '<';
    EXPECT_EQ(Quoted(text, JsonEscapes::kGoHtml), "\"" + text.substr(0, at) + "\\u003c" + text.substr(at + 1) + "\"");
    EXPECT_EQ(Quoted(text, JsonEscapes::kGo), "\"" + text + "\"");
  }
  EXPECT_EQ(Quoted("<&>\u2028\u2029\u202a", JsonEscapes::kGoHtml), "\"\\u003c\\u0026\\u003e\\u2028\\u2029\u202a\"");
  // Bytes that are not UTF-8, surrogates and overlong forms among them, become one U+FFFD each.
  EXPECT_EQ(Quoted("a\xff"
                   "b"),
            "\"a\uFFFDb\"");
  EXPECT_EQ(Quoted("\xc3"), "\"\uFFFD\"");
  EXPECT_EQ(Quoted("\xed\xa0\x80"), "\"\uFFFD\uFFFD\uFFFD\"");
  EXPECT_EQ(Quoted("\xc0\xaf"), "\"\uFFFD\uFFFD\"");
  EXPECT_EQ(Quoted("\xf4\x90\x80\x80"), "\"\uFFFD\uFFFD\uFFFD\uFFFD\"");
  // Every position in a word.
  for (size_t n = 0; n < 20; ++n) {
    EXPECT_EQ(Quoted(std::string(n, 'x') + "\n" + std::string(n, 'y')),
              "\"" + std::string(n, 'x') + "\\n" + std::string(n, 'y') + "\"");
  }
}

TEST(JsonWriter, PlacesCommas) {
  Writer out;
  JsonWriter w(out);
  w.BeginObject();
  w.Key("a");
  w.BeginArray();
  w.Int(-1);
  w.Uint(2);
  w.QuotedInt(INT64_MIN);
  w.QuotedUint(UINT64_MAX);
  w.Double(0.1);
  w.Double(NAN);
  w.BeginArray();
  w.EndArray();
  w.BeginObject();
  w.EndObject();
  w.EndArray();
  w.AnyKey("q\"");
  w.Bool(true);
  w.Key("n");
  w.Null();
  w.Key("h");
  w.Hex("\x01\xab");
  w.Key("b");
  w.Base64("abcd");
  w.Key("s");
  w.String("x");
  w.EndObject();
  EXPECT_EQ(
      out.view(),
      "{\"a\":[-1,2,\"-9223372036854775808\",\"18446744073709551615\",0.1,\"NaN\",[],{}],\"q\\\"\":true,\"n\":null,"
      "\"h\":\"01ab\",\"b\":\"YWJjZA==\",\"s\":\"x\"}");
}

// Reads a document into a canonical text of its own: keys, strings and tokens between marks.
void Dump(JsonReader& r, std::string* out) {
  switch (r.Peek()) {
    case JsonKind::kObject: {
      *out += '{';
      r.Enter();
      JsonText key;
      while (r.NextKey(&key)) {
        *out += std::string(key.raw) + "=";
        Dump(r, out);
      }
      *out += '}';
      return;
    }
    case JsonKind::kArray:
      *out += '[';
      r.Enter();
      while (r.NextElement()) Dump(r, out);
      *out += ']';
      return;
    case JsonKind::kString: {
      Writer w;
      *out += r.String().AppendTo(w) ? '\'' : '!';
      *out += std::string(w.view()) + "'";
      return;
    }
    case JsonKind::kScalar:
      *out += std::string(r.Scalar()) + ";";
      return;
    case JsonKind::kNone:
      FAIL() << "no value";
  }
}

TEST(JsonReader, Reads) {
  struct {
    const char *json, *want;
  } cases[] = {
      {"{}", "{}"},
      {" [ ] ", "[]"},
      {"5", "5;"},
      {"\"x\"", "'x'"},
      {"[1, -2.5e3 ,true,false,null,NaN,-Infinity]", "[1;-2.5e3;true;false;null;NaN;-Infinity;]"},
      {"{\"a\":{\"b\":[{},[],\"\"]},\"c\" : \"d\" }", "{a={b=[{}[]'']}c='d'}"},
      {R"(["\"\\\/\b\f\n\r\t"])", "['\"\\/\b\f\n\r\t']"},
      {R"(["\u0041\u00e9\u20ac\ud83d\ude00"])", "['A\u00e9\u20ac\U0001f600']"},
      {R"(["\ud83d","\ude00x","\ud83d\u0041"])", "['\uFFFD''\uFFFDx''\uFFFDA']"},
      {R"(["\x41","\u12g4","\u12"])", "[!'!'!']"},
  };
  JsonReader r;
  for (const auto& c : cases) {
    SCOPED_TRACE(c.json);
    ASSERT_TRUE(r.Open(c.json));
    std::string got;
    Dump(r, &got);
    EXPECT_TRUE(r.Close()) << r.error().message;
    EXPECT_EQ(got, c.want);
    ASSERT_TRUE(r.Open(c.json));
    r.Skip();
    EXPECT_TRUE(r.Close()) << r.error().message;
  }
}

TEST(JsonReader, RefusesWithTheOffset) {
  struct {
    const char* json;
    int offset;
  } cases[] = {
      {"{", 1},          {"[1,]", 3},      {"[,1]", 1},       {"[1 2]", 3},          {"[1}", 2},
      {"{\"a\":1,}", 7}, {"{\"a\" 1}", 5}, {"{\"a\":}", 5},   {"{1:2}", 1},          {"[tru]", 1},
      {"[01]", 1},       {"[1.]", 1},      {"[{} {}]", 4},    {"[\"a\"b]", 4},       {"[1]x", 3},
      {"[1]]", 3},       {"\"abc", 0},     {"[\"a\nb\"]", 3}, {"{\"a\":[1,\"b]", 8}, {"[123\"a\"]", 1},
      {"]", 0},          {"[+1]", 1},      {"[.5]", 1},       {"[undefined]", 1},    {"[--1]", 1},
  };
  JsonReader r;
  for (const auto& c : cases) {
    SCOPED_TRACE(c.json);
    Status status = r.Open(c.json);
    if (status) {
      r.Skip();
      status = r.Close();
    }
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Code::kInvalidArgument);
    EXPECT_NE(status.error().message.find("at byte " + std::to_string(c.offset)), std::string::npos)
        << status.error().message;
  }
  EXPECT_FALSE(r.Open(""));
  EXPECT_FALSE(r.Open("  \n"));
  bool not_utf8 = false;
  EXPECT_FALSE(r.Open("[\"\xff\"]", &not_utf8));
  EXPECT_TRUE(not_utf8);
}

TEST(JsonReader, BoundsDepthAndMemory) {
  JsonReader r;
  std::string deep = std::string(JsonReader::kMaxSkipDepth, '[') + std::string(JsonReader::kMaxSkipDepth, ']');
  ASSERT_TRUE(r.Open(deep));
  r.Skip();
  EXPECT_TRUE(r.Close());
  std::string deeper = "[" + deep + "]";
  ASSERT_TRUE(r.Open(deeper));
  r.Skip();
  EXPECT_FALSE(r.Close());

  Budget budget;
  {
    JsonReader counted(budget);
    std::string big = "[\"" + std::string(JsonReader::kKeep, 'x') + "\"]";
    ASSERT_TRUE(counted.Open(big));
    EXPECT_EQ(budget.used(), static_cast<int64_t>(4 * big.size()));
    counted.Trim();
    EXPECT_EQ(budget.used(), 0);
    ASSERT_TRUE(counted.Open("[]"));
    counted.Trim();
    EXPECT_EQ(budget.used(), 8);
    budget.SetLimits(INT64_MAX, 1 << 20);
    Status status = counted.Open(big);
    ASSERT_FALSE(status);
    EXPECT_TRUE(status.error().retryable);
  }
  EXPECT_EQ(budget.used(), 0);
}

TEST(AppendValidUtf8, ReplacesByteByByte) {
  Writer w;
  EXPECT_TRUE(AppendValidUtf8(w, "gr\u00fc\u00dfe"));
  EXPECT_FALSE(AppendValidUtf8(w, "\xff|\xe2\x82|\xe2\x82\xac"));
  EXPECT_EQ(w.view(), "gr\u00fc\u00dfe\uFFFD|\uFFFD\uFFFD|\u20ac");
}

}  // namespace
}  // namespace naru::wire
