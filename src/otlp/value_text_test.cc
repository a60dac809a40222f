#include "otlp/value_text.h"

#include <cmath>

#include <gtest/gtest.h>

#include "otlp/build.h"

namespace naru::otlp {
namespace {

TEST(ValueText, Numbers) {
  struct {
    double value;
    const char* text;
  } const kCases[] = {{0, "0"},
                      {-0.0, "-0"},
                      {1, "1"},
                      {-1.5, "-1.5"},
                      {100, "100"},
                      {123456.789, "123456.789"},
                      {0.1, "0.1"},
                      {1e-6, "0.000001"},
                      {1e-7, "1e-7"},
                      {1.5e-7, "1.5e-7"},
                      {1e20, "100000000000000000000"},
                      {1.2345678901234567e20, "123456789012345670000"},
                      {1e21, "1e+21"},
                      {1.25e100, "1.25e+100"},
                      {5e-324, "5e-324"},
                      {1e-10, "1e-10"},
                      {INFINITY, "Infinity"},
                      {-INFINITY, "-Infinity"},
                      {NAN, "NaN"}};
  for (const auto& c : kCases) {
    AnyValue v;
    v.kind = AnyValue::Kind::kDouble;
    v.real = c.value;
    std::string text;
    AppendText(v, &text);
    EXPECT_EQ(text, c.text);
  }
}

TEST(ValueText, MapsAreWhatTheReferencePrints) {
  std::string list = EncodeArray({true, Value::OfBytes("\x01\x02\x03\x04")});
  std::string empty_map = EncodeKvlist({}), empty_list = EncodeArray({});
  std::string map = EncodeKvlist({{"b", "<\"&\n>\b\f\x01\x7f\xe2\x80\xa8\xc3\xa9\xff"},
                                  {"d", 1e21},
                                  {"i", 1},
                                  {"n", Value()},
                                  {"i", -3},
                                  {"a", Value::Encoded(list)},
                                  {"z", Value::Encoded(empty_map)},
                                  {"y", Value::Encoded(empty_list)}});
  std::string text;
  AppendText(AnyValue::Parse(map), &text);
  EXPECT_EQ(text,
            "{\"a\":[true,\"AQIDBA==\"],\"b\":\"<\\\"&\\n>\\b\\f\\u0001\x7f\\u2028\xc3\xa9\\ufffd\",\"d\":1e+21,\"i\":-"
            "3,\"n\":null,"
            "\"y\":[],\"z\":{}}");
  text.clear();
  AppendText(AnyValue::Parse(EncodeArray({1, NAN})), &text);
  EXPECT_EQ(text, "");
}

TEST(ValueText, DeepNestingEnds) {
  std::string value = EncodeValue(1);
  for (int i = 0; i < 200; ++i) value = EncodeArray({Value::Encoded(value)});
  std::string text;
  AppendText(AnyValue::Parse(value), &text);
  EXPECT_EQ(text, std::string(64, '[') + "null" + std::string(64, ']'));
}

TEST(ValueText, ParsesAsGoDoes) {
  int64_t n = 0;
  for (const char* bad : {"", "+", "-", "+-1", "1.0", "1e3", " 1", "0x10", "1_000", "9223372036854775808"})
    EXPECT_FALSE(ParseInt(bad, &n)) << bad;
  EXPECT_TRUE(ParseInt("+12", &n) && n == 12);
  EXPECT_TRUE(ParseInt("-9223372036854775808", &n) && n == INT64_MIN);
  double d = 0;
  for (const char* bad : {"",   "+",  "-",    "--1",  "+-1",   "1e",   "abc",  " 1",     "1 ",    "0x10", "0x",
                          "_1", "1_", "1__0", "1_.5", "1e400", "-nan", "+nan", "nan(1)", "infin", "in_f"}) {
    EXPECT_FALSE(ParseFloat(bad, &d)) << bad;
  }
  struct {
    const char* text;
    double value;
  } const kGood[] = {{"1", 1},         {"+1.5", 1.5},     {"-.5", -.5},
                     {"5.", 5},        {"1e3", 1000},     {"1E-3", 0.001},
                     {"0x1p-2", 0.25}, {"-0X1.8p1", -3},  {"1_000.5_0", 1000.5},
                     {"0x_1p4", 16},   {"inf", INFINITY}, {"-Infinity", -INFINITY},
                     {"1e-400", 0}};
  for (const auto& c : kGood) {
    EXPECT_TRUE(ParseFloat(c.text, &d)) << c.text;
    EXPECT_EQ(d, c.value) << c.text;
  }
  EXPECT_TRUE(ParseFloat("NaN", &d) && std::isnan(d));
}

}  // namespace
}  // namespace naru::otlp
