#include "otlp/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <vector>

#include "otlp/build.h"
#include "otlp/json.h"
#include "otlp/text_writer.h"

namespace naru::otlp {
namespace {

std::string ReadData(const std::string& name) {
  std::ifstream in(std::string(NARU_SOURCE_DIR) + "/src/otlp/testdata/" + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

Slice Input(Signal signal) {
  Result<FromJson> r = RequestFromJson(signal, ReadData(std::string(Names(signal).name) + ".in.json"));
  EXPECT_TRUE(r) << r.error().message;
  return r ? r->bytes : Slice();
}

std::string Text(Signal signal, TextLayout layout, std::span<const Slice> parts) {
  wire::Writer out;
  EXPECT_TRUE(AppendText(out, signal, layout, parts));
  return std::string(out.view());
}

TEST(Text, IsTheReferencesLetterByLetter) {
  for (int i = 0; i < kSignals; ++i) {
    auto signal = static_cast<Signal>(i);
    std::string name(Names(signal).name);
    Slice in = Input(signal);
    for (TextLayout layout : {TextLayout::kNormal, TextLayout::kDetailed}) {
      SCOPED_TRACE(name + (layout == TextLayout::kNormal ? " normal" : " detailed"));
      // Its logger ends the summary, and the text once more.
      std::string got =
          SummaryLine(signal, CountForText(signal, {&in, 1})) + "\n" + Text(signal, layout, {&in, 1}) + "\n";
      EXPECT_EQ(got, ReadData(name + (layout == TextLayout::kNormal ? ".normal.txt" : ".detailed.txt")));
    }
  }
}

TEST(Text, PartsAreNumberedThrough) {
  RequestBuilder b(Signal::kLogs);
  b.Resource({});
  b.Add(LogData{.body = "one"});
  Slice part = b.Finish();
  Slice parts[] = {part, Slice(), part};
  EXPECT_EQ(Text(Signal::kLogs, TextLayout::kNormal, parts),
            "ResourceLog #0\nScopeLog #0\none \nResourceLog #1\nScopeLog #1\none \n");
  EXPECT_EQ(SummaryLine(Signal::kLogs, CountForText(Signal::kLogs, parts)),
            "Logs\t{\"resource logs\": 2, \"log records\": 2}");
  EXPECT_EQ(SummaryLine(Signal::kMetrics, {}),
            "Metrics\t{\"resource metrics\": 0, \"metrics\": 0, \"data points\": 0}");
}

TEST(Text, StopsAtTheLimit) {
  // Few bytes, much text: buckets without a count, each with bounds of 300 digits.
  wire::Writer w;
  auto resources = w.Begin(1), scopes = w.Begin(2), metrics = w.Begin(2);
  auto histogram = w.Begin(10), point = w.Begin(1), buckets = w.Begin(8);
  w.SignedField(1, 1000);
  w.BytesField(2, std::string(100000, '\0'));
  w.End(buckets);
  w.End(point);
  w.End(histogram);
  w.End(metrics);
  w.End(scopes);
  w.End(resources);
  Slice part = w.Finish();
  for (TextLayout layout : {TextLayout::kNormal, TextLayout::kDetailed}) {
    wire::Writer out;
    EXPECT_FALSE(AppendText(out, Signal::kMetrics, layout, {&part, 1}, 10000));
    EXPECT_GT(out.size(), 10000u);
    EXPECT_LT(out.size(), 12000u);
  }
}

// Two bytes each buy a line at every level: the limit ends all of them.
TEST(Text, StopsAtTheLimitAtEveryLevel) {
  std::string empties;
  auto many = [&](uint32_t field) {
    empties.clear();
    for (int i = 0; i < 20000; ++i) {
      empties += static_cast<char>(wire::Tag(field, wire::kLength));
      empties += '\0';
    }
    return std::string_view(empties);
  };
  struct {
    Signal signal;
    std::vector<uint32_t> way;  // fields from the request down to the message that holds the empty ones
    uint32_t field;
  } cases[] = {
      {Signal::kTraces, {}, 1},
      {Signal::kTraces, {1}, 2},
      {Signal::kTraces, {1, 1}, 1},
      {Signal::kTraces, {1, 1}, 3},
      {Signal::kTraces, {1, 1, 3}, 3},
      {Signal::kTraces, {1, 2}, 2},
      {Signal::kTraces, {1, 2, 2}, 9},
      {Signal::kTraces, {1, 2, 2}, 11},
      {Signal::kTraces, {1, 2, 2}, 13},
      {Signal::kTraces, {1, 2, 2, 9, 2, 5}, 1},
      {Signal::kTraces, {1, 2, 2, 9, 2, 6}, 1},
      {Signal::kLogs, {1, 2}, 2},
      {Signal::kMetrics, {1, 2}, 2},
      {Signal::kMetrics, {1, 2, 2, 5}, 1},
      {Signal::kMetrics, {1, 2, 2, 9}, 1},
      {Signal::kMetrics, {1, 2, 2, 9, 1}, 8},
      {Signal::kMetrics, {1, 2, 2, 10}, 1},
      {Signal::kMetrics, {1, 2, 2, 11}, 1},
      {Signal::kMetrics, {1, 2, 2, 11, 1}, 6},
      {Signal::kProfiles, {}, 1},
      {Signal::kProfiles, {1}, 2},
      {Signal::kProfiles, {1, 2}, 2},
      {Signal::kProfiles, {1, 2, 2}, 2},
      {Signal::kProfiles, {2}, 1},
      {Signal::kProfiles, {2}, 2},
      {Signal::kProfiles, {2}, 3},
      {Signal::kProfiles, {2}, 5},
  };
  for (const auto& c : cases) {
    wire::Writer w;
    std::vector<wire::Writer::Mark> marks;
    for (uint32_t field : c.way) marks.push_back(w.Begin(field));
    w.Raw(many(c.field));
    for (; !marks.empty(); marks.pop_back()) w.End(marks.back());
    Slice part = w.Finish();
    for (TextLayout layout : {TextLayout::kNormal, TextLayout::kDetailed}) {
      wire::Writer out;
      AppendText(out, c.signal, layout, {&part, 1}, 1000);
      EXPECT_LT(out.size(), 3000u) << Names(c.signal).name << " " << c.way.size() << " " << c.field;
    }
  }
}

TEST(Text, ToleratesMalformedParts) {
  for (int i = 0; i < kSignals; ++i) {
    auto signal = static_cast<Signal>(i);
    Slice in = Input(signal);
    for (size_t n = 0; n < in.size(); n += 7) {
      Slice cut = in.Sub(0, n);
      Text(signal, TextLayout::kDetailed, {&cut, 1});
      Text(signal, TextLayout::kNormal, {&cut, 1});
    }
  }
}

std::string Time(uint64_t t) {
  wire::Writer out;
  AppendTime(out, t);
  return std::string(out.view());
}

TEST(Text, Times) {
  EXPECT_EQ(Time(0), "1970-01-01 00:00:00 +0000 UTC");
  EXPECT_EQ(Time(1700000000500000000), "2023-11-14 22:13:20.5 +0000 UTC");
  EXPECT_EQ(Time(1700000000000000001), "2023-11-14 22:13:20.000000001 +0000 UTC");
  EXPECT_EQ(Time(1709164800123456000), "2024-02-29 00:00:00.123456 +0000 UTC");
  EXPECT_EQ(Time(UINT64_MAX), "1969-12-31 23:59:59.999999999 +0000 UTC");
  EXPECT_EQ(Time(INT64_MAX), "2262-04-11 23:47:16.854775807 +0000 UTC");
}

TEST(Text, Values) {
  auto text = [](const Value& value) { return ValueText(AnyValue::Parse(EncodeValue(value))); };
  EXPECT_EQ(text(Value()), "");
  EXPECT_EQ(text("a\"b"), "a\"b");
  EXPECT_EQ(text(true), "true");
  EXPECT_EQ(text(-5), "-5");
  EXPECT_EQ(text(1e21), "1e+21");
  EXPECT_EQ(text(1e-7), "1e-7");
  EXPECT_EQ(text(INFINITY), "Infinity");
  EXPECT_EQ(text(Value::OfBytes("\x01\x02")), "AQI=");
  std::string map = EncodeKvlist({{"b", "<\f>"}, {"a", 1}, {"b", 2.5}, {"\xff", false}});
  EXPECT_EQ(text(Value::Encoded(map)), "{\"a\":1,\"b\":2.5,\"\\ufffd\":false}");
  std::string array = EncodeArray({Value::Encoded(map), Value(), NAN});
  EXPECT_EQ(text(Value::Encoded(array)), "");  // JSON has no NaN
  std::string plain = EncodeArray({Value(), "\b\u2028<", Value::OfBytes("")});
  EXPECT_EQ(text(Value::Encoded(plain)), "[null,\"\\b\\u2028<\",null]");
}

// Values of math.Exp of Go 1.26 on amd64 with FMA.
TEST(Text, ExponentialsHaveGosLastDigits) {
  struct {
    double x, want;
  } cases[] = {{0, 1},
               {1, 2.718281828459045},
               {-1, 0.36787944117144233},
               {0.6931471805599453, 2},
               {-0.6931471805599453, 0.5},
               {2.772588722239781, 15.999999999999998},
               {0.1, 1.1051709180756477},
               {-0.1, 0.9048374180359595},
               {10, 22026.465794806718},
               {-10, 4.5399929762484854e-05},
               {100.5, 4.4319559098458955e+43},
               {700, 1.0142320547350045e+304},
               {709.7, INFINITY},
               {709.79, INFINITY},
               {-700, 9.85967654375977e-305},
               {-740, 4.2e-322},
               {-745.2, 0},
               {-746, 0},
               {1e+300, INFINITY},
               {-1e+300, 0},
               {INFINITY, INFINITY},
               {-INFINITY, 0},
               {1e-10, 1.0000000001},
               {3.3e-05, 1.000033000544506},
               {-99.81319400063212, 4.484155085839422e-44},
               {-44.3614195558365, 5.42101086242753e-20},
               {11.090354888959125, 65535.99999999998},
               {66.54212933375474, 7.922816251426388e+28},
               {121.99390377855038, 9.578097130411818e+52},
               {-12.476649250079015, 3.814697265625001e-06},
               {-5.545177444479562, 0.003906250000000001},
               {1.3862943611198906, 4},
               {8.317766166719343, 4095.999999999997},
               {15.249237972318797, 4.194304000000001e+06},
               {-1.559581156259877, 0.21022410381342865},
               {-0.6931471805599453, 0.5},
               {0.17328679513998632, 1.189207115002721},
               {1.0397207708399179, 2.82842712474619},
               {1.9061547465398496, 6.727171322029716},
               {-0.19494764453248462, 0.8228777390769824},
               {-0.08664339756999316, 0.9170040432046712},
               {0.02166084939249829, 1.0218971486541166},
               {0.12996509635498973, 1.1387886347566916},
               {0.2382693433174812, 1.2690509571917332},
               {-0.024368455566560577, 0.9759260581154892},
               {-0.010830424696249145, 0.9892280131939755},
               {0.0027076061740622863, 1.0027112750502025},
               {0.016245637044373717, 1.016378314910953},
               {0.02978366791468515, 1.030231637686041}};
  for (const auto& c : cases) EXPECT_EQ(text::GoExp(c.x), c.want) << c.x;
  EXPECT_TRUE(std::isnan(text::GoExp(NAN)));
}

}  // namespace
}  // namespace naru::otlp
