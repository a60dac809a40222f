// What records become in Loki, as text that is kept in testdata/push.golden.txt; NARU_UPDATE_GOLDEN=1 writes it anew.
// The bytes of push requests are read by libprotobuf.
#include "codec/loki/push.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "codec/testdata/loki_push.pb.h"
#include "otlp/build.h"
#include "wire/hash.h"

namespace naru::codec::loki {
namespace {

using otlp::EncodeArray;
using otlp::EncodeKvlist;
using otlp::LogData;
using otlp::RequestBuilder;
using otlp::Value;

constexpr uint64_t kNow = 1700000000123456789;

Round TranslateAll(std::string_view request, const DefaultLabels& defaults = {}, const Limits& limits = {}) {
  Translator t(defaults, limits);
  Cursor cursor(request);
  t.Begin();
  t.Take(cursor, kNow);
  return t.Finish();
}

std::string Dump(const Round& round) {
  std::string out;
  for (const Push& p : round.pushes) {
    out += fmt::format("tenant \"{}\": {} records\n", p.tenant, p.records);
    oracle::PushRequest request;
    if (!request.ParseFromArray(p.body.data(), static_cast<int>(p.body.size()))) return "libprotobuf refuses it";
    for (auto& s : request.streams()) {
      out += fmt::format("  {}\n", s.labels());
      for (auto& e : s.entries())
        out += fmt::format("    {}.{:09} {}\n", e.timestamp().seconds(), e.timestamp().nanos(), e.line());
    }
  }
  for (size_t i = 0; i < kUnfits; ++i) {
    if (round.unfit[i])
      out += fmt::format("unfit: {} {} ({})\n", round.unfit[i], UnfitName(static_cast<Unfit>(i)), round.example[i]);
  }
  return out;
}

struct Case {
  std::string_view about;
  std::function<void(RequestBuilder&)> build;
  DefaultLabels defaults{};
};

// Default labels off, and one label of its own, so that lines stand alone.
constexpr DefaultLabels kNone{false, false, false, false};

void Line(RequestBuilder& b, std::string_view format, otlp::Value body, otlp::List<otlp::Attr> attributes = {}) {
  std::vector<otlp::Attr> all{{"loki.format", format}, {"loki.attribute.labels", "l"}, {"l", "v"}};
  for (auto& a : attributes) all.push_back(a);
  b.Add(LogData{.time = 1, .body = body, .attributes = all});
}

const std::vector<Case>& Cases() {
  static const std::string kList = EncodeArray({"a", 1, true, Value()});
  static const std::string kMap =
      EncodeKvlist({{"z", 1}, {"a", "<&>"}, {"empty", Value()}, {"l", Value::Encoded(kList)}});
  static const std::string kNested = EncodeKvlist({{"pod", Value::Encoded(EncodeKvlist({{"name", "p-1"}, {"n", 7}}))}});
  static const std::string kNames = EncodeArray({" service.name ", "host", 5});
  static const std::string kNan = EncodeArray({1, std::nan("")});
  static const std::string kTwice = EncodeKvlist({{"k", 1}, {"k", 2}});
  static const auto* cases = new std::vector<Case>{
      {"default labels",
       [](auto& b) {
         b.Resource({{"service.name", "cart"}, {"service.namespace", "shop"}, {"service.instance.id", "i-1"}});
         b.Scope("logger", "1.2");
         b.Add(LogData{.time = 1'000'000'001,
                       .severity_number = 9,
                       .severity_text = "Information",
                       .body = "hello",
                       .attributes = {{"k", "v"}},
                       .flags = 1,
                       .trace_id = "0123456789abcdef",
                       .span_id = "01234567"});
       }},
      {"job without a namespace, no instance",
       [](auto& b) {
         b.Resource({{"service.name", "cart"}});
         b.Add(LogData{.time = 1, .body = "x"});
       }},
      {"no job without a name; labels are texts whatever the attributes are",
       [](auto& b) {
         b.Resource({{"service.namespace", "shop"}, {"service.instance.id", 42}});
         b.Add(LogData{.time = 1, .body = "x"});
       }},
      {"default labels switched off one by one",
       [](auto& b) {
         b.Resource({{"service.name", "cart"}, {"service.instance.id", "i"}});
         b.Add(LogData{.time = 1, .severity_number = 17, .body = "x"});
       },
       {.exporter = false, .job = true, .instance = false, .level = false}},
      {"no labels at all", [](auto& b) { b.Add(LogData{.time = 1, .body = "x"}); }, kNone},
      {"level: by number, from the attribute, not for unknown numbers",
       [](auto& b) {
         b.Add(LogData{.time = 1, .severity_number = 1, .severity_text = "INFO", .body = "by number"});
         b.Add(LogData{.time = 2, .severity_number = 24, .body = "by number"});
         b.Add(LogData{.time = 3, .severity_number = 9, .body = "own", .attributes = {{"level", "custom"}}});
         b.Add(LogData{.time = 4, .body = "no severity", .attributes = {{"level", "stays"}}});
         b.Add(LogData{.time = 5, .severity_number = 25, .body = "no such number"});
         b.Add(LogData{.time = 6, .severity_number = -1, .body = "no such number"});
       }},
      {"level beside hints: text, list, and a number, which takes no more names",
       [](auto& b) {
         b.Add(LogData{.time = 1, .severity_number = 9, .attributes = {{"loki.attribute.labels", "a"}, {"a", 1}}});
         b.Add(LogData{.time = 2,
                       .severity_number = 9,
                       .attributes = {{"loki.attribute.labels", Value::Encoded(EncodeArray({"a"}))}, {"a", 1}}});
         b.Add(LogData{.time = 3, .severity_number = 9, .attributes = {{"loki.attribute.labels", 5}, {"5", "five"}}});
       }},
      {"resource labels: by the resource's hint and the record's; hints and labels leave the line",
       [](auto& b) {
         b.Resource({{"service.name", "cart"}, {"host", "h"}, {"zone", "z"}, {"loki.resource.labels", "host, zone ,"}});
         b.Add(LogData{.time = 1, .body = "x", .attributes = {{"host", "of the record"}, {"other", 1}}});
         b.Add(LogData{
             .time = 2, .body = "x", .attributes = {{"loki.resource.labels", Value::Encoded(kNames)}, {"other", 1}}});
       }},
      {"labels overwrite: the record's attribute is last",
       [](auto& b) {
         b.Resource({{"service.name", "cart"}, {"job", "of the resource"}, {"loki.resource.labels", "job"}});
         b.Add(LogData{.time = 1, .body = "x"});
         b.Add(LogData{
             .time = 2, .body = "x", .attributes = {{"loki.attribute.labels", "job"}, {"job", "of the record"}}});
       }},
      {"labels of every kind of value",
       [](auto& b) {
         b.Add(LogData{.time = 1,
                       .attributes = {{"loki.attribute.labels", "s,b,i,d,bytes,list,map,nan,empty,none"},
                                      {"s", "a \"b\"\n"},
                                      {"b", false},
                                      {"i", -9},
                                      {"d", 0.25},
                                      {"bytes", Value::OfBytes("\x01\x02")},
                                      {"list", Value::Encoded(kList)},
                                      {"map", Value::Encoded(kMap)},
                                      {"nan", Value::Encoded(kNan)},
                                      {"empty", Value()}}});
       },
       kNone},
      {"dotted names lead into maps, and stay in the line",
       [](auto& b) {
         b.Add(LogData{.time = 1,
                       .attributes = {{"loki.attribute.labels", "k8s.pod.name, k8s.pod.n, k8s.pod.x, k8s., other.x"},
                                      {"k8s", Value::Encoded(kNested)},
                                      {"other", "no map"}}});
       },
       kNone},
      {"names that Loki does not take",
       [](auto& b) {
         b.Add(LogData{
             .time = 1,
             .attributes = {
                 {"loki.attribute.labels", "9x,_y,서비스,a-b"}, {"9x", 1}, {"_y", 2}, {"서비스", 3}, {"a-b", 4}}});
       },
       kNone},
      {"tenants: of the resource before the record, of texts only",
       [](auto& b) {
         b.Resource({{"loki.tenant", "team"}, {"team", "blue"}});
         b.Add(LogData{.time = 1, .body = "blue", .attributes = {{"loki.tenant", "other"}, {"other", "no"}}});
         b.Resource({{"team", "green"}});
         b.Add(LogData{.time = 2, .body = "named by the record", .attributes = {{"loki.tenant", "team"}}});
         b.Add(LogData{.time = 3, .body = "red", .attributes = {{"loki.tenant", "t"}, {"t", "red"}}});
         b.Add(LogData{.time = 4, .body = "no text", .attributes = {{"loki.tenant", "t"}, {"t", 5}}});
         b.Add(LogData{.time = 5, .body = "not there", .attributes = {{"loki.tenant", "absent"}}});
         b.Add(LogData{.time = 6, .body = "none"});
       }},
      {"tenants that fit no header",
       [](auto& b) {
         b.Add(LogData{.time = 1, .attributes = {{"loki.tenant", "t"}, {"t", "a\r\nx-evil: 1"}}});
         b.Add(LogData{.time = 1, .attributes = {{"loki.tenant", "t"}, {"t", "ünïcode"}}});
         b.Add(LogData{.time = 1,
                       .attributes = {{"loki.tenant", "t"},
                                      {"t", std::string_view(std::string_view("0123456789012345678901234567890123456789"
                                                                              "0123456789012345678901234567890123456789"
                                                                              "0123456789012345678901234567890123456789"
                                                                              "0123456789012345678901234567890"))}}});
       }},
      {"times: its own, observed, now",
       [](auto& b) {
         b.Add(LogData{.time = 1'700'000'000'000'000'001, .observed_time = 5});
         b.Add(LogData{.observed_time = 1'600'000'000'500'000'000});
         b.Add(LogData{});
       }},
      {"streams keep the order of their records",
       [](auto& b) {
         for (int i = 0; i < 6; ++i)
           b.Add(LogData{.time = static_cast<uint64_t>(10 - i), .severity_number = i % 2 ? 9 : 17, .body = i});
       }},
      {"formats: the resource's hint before the record's, and one that does not exist",
       [](auto& b) {
         b.Resource({{"loki.format", "raw"}, {"service.name", "x"}});
         b.Add(LogData{.time = 1, .body = "raw it is", .attributes = {{"loki.format", "json"}}});
         b.Resource({{"service.name", "x"}});
         b.Add(LogData{.time = 2, .body = "a", .attributes = {{"loki.format", "logfmt"}}});
         b.Add(LogData{.time = 3, .body = "a", .attributes = {{"loki.format", "xml"}}});
         b.Add(LogData{.time = 4, .body = "a", .attributes = {{"loki.format", ""}}});
       }},
      {"json: bodies of every kind",
       [](auto& b) {
         Line(b, "json", Value());
         Line(b, "json", "");
         Line(b, "json", "line\n\t\"quoted\" <b>&amp;</b> \xe2\x80\xa8 \x01 é \U0001F600 \xff");
         Line(b, "json", true);
         Line(b, "json", INT64_MIN);
         Line(b, "json", 0.1);
         Line(b, "json", 1e21);
         Line(b, "json", 1e-7);
         Line(b, "json", std::nan(""));
         Line(b, "json", -std::numeric_limits<double>::infinity());
         Line(b, "json", Value::OfBytes("abc"));
         Line(b, "json", Value::OfBytes(""));
         Line(b, "json", Value::Encoded(kList));
         Line(b, "json", Value::Encoded(kMap));
         Line(b, "json", Value::Encoded(kTwice));
         Line(b, "json", Value::Encoded(EncodeKvlist({})));
       },
       kNone},
      {"json: attributes are sorted, of equal keys the last one; scopes without a name say nothing",
       [](auto& b) {
         b.Resource({{"z", 1}, {"a", 2}, {"m<", 3}});
         b.Scope("", "1.0");
         Line(b, "json", "x", {{"z", 1}, {"a", Value::Encoded(kMap)}, {"z", 3}, {"B", Value()}});
       },
       kNone},
      {"logfmt: bodies of every kind",
       [](auto& b) {
         Line(b, "logfmt", Value());
         Line(b, "logfmt", "");
         Line(b, "logfmt", "msg=\"hello world\" n=1 alone null=null");
         Line(b, "logfmt", "it says \"no\"");
         Line(b, "logfmt", "two\nlines");
         Line(b, "logfmt", "plain words");
         Line(b, "logfmt", 12);
         Line(b, "logfmt", 2.5);
         Line(b, "logfmt", true);
         Line(b, "logfmt", Value::OfBytes("abc"));
         Line(b, "logfmt", Value::Encoded(kList));
         Line(b, "logfmt", Value::Encoded(kMap));
       },
       kNone},
      {"logfmt: the record's fields replace those of the body; attributes and resource follow",
       [](auto& b) {
         b.Resource({{"host.name", "a b"}, {"nested", Value::Encoded(kNested)}});
         b.Scope("logger", "v1");
         b.Add(LogData{.time = 1,
                       .severity_text = "error",
                       .body = "severity=body traceID=body x=1",
                       .attributes = {{"loki.format", "logfmt"},
                                      {"loki.attribute.labels", "l"},
                                      {"l", "v"},
                                      {"list", Value::Encoded(kList)},
                                      {"null", Value()}},
                       .flags = 1,
                       .trace_id = "0123456789abcdef",
                       .span_id = "01234567"});
       },
       kNone},
      {"raw",
       [](auto& b) {
         Line(b, "raw", Value());
         Line(b, "raw", "as it is <>\n\xff");
         Line(b, "raw", 7);
         Line(b, "raw", Value::Encoded(kMap));
       },
       kNone},
      {"ids that are zero are absent",
       [](auto& b) {
         std::string_view zero("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
         b.Add(LogData{.time = 1, .body = "x", .trace_id = zero, .span_id = zero.substr(0, 8)});
       }},
  };
  return *cases;
}

TEST(LokiPush, Golden) {
  std::string text;
  for (const Case& c : Cases()) {
    RequestBuilder b(otlp::Signal::kLogs);
    c.build(b);
    Slice request = b.Finish();
    text += fmt::format("# {}\n{}\n", c.about, Dump(TranslateAll(request.view(), c.defaults)));
  }
  std::string path = NARU_SOURCE_DIR "/src/codec/loki/testdata/push.golden.txt";
  if (std::getenv("NARU_UPDATE_GOLDEN")) std::ofstream(path) << text;
  std::ifstream in(path);
  EXPECT_EQ(text, std::string(std::istreambuf_iterator<char>(in), {})) << path;
}

TEST(LokiPush, Bytes) {
  RequestBuilder b(otlp::Signal::kLogs);
  b.Add(LogData{.time = 1'000'000'002, .body = "hi", .attributes = {{"loki.format", "raw"}}});
  Slice request = b.Finish();
  Round round = TranslateAll(request.view());
  ASSERT_EQ(round.pushes.size(), 1u);
  // streams { labels: "{exporter=\"OTLP\"}" entries { timestamp { seconds: 1 nanos: 2 } line: "hi" } }
  EXPECT_EQ(wire::HexEncode(round.pushes[0].body.view()),
            "0a1f0a11" + wire::HexEncode("{exporter=\"OTLP\"}") + "120a0a04080110021202" + wire::HexEncode("hi"));
}

// Rounds end at their limits, and go on behind the last record.
TEST(LokiPush, RoundsAreBounded) {
  RequestBuilder b(otlp::Signal::kLogs);
  for (int r = 0; r < 10; ++r) {
    std::string name = fmt::format("service-{}", r), team = fmt::format("team-{}", r);
    b.Resource({{"service.name", name}, {"loki.tenant", "team"}, {"team", team}});
    b.Scope("a");
    for (int i = 0; i < 5; ++i) b.Add(LogData{.time = 1, .body = "body"});
    b.Scope("b");
  }
  Slice request = b.Finish();
  const struct {
    Limits limits;
    size_t rounds;
  } kCases[] = {
      {{}, 1}, {{.round_bytes = 1}, 50}, {{.streams = 3}, 5}, {{.tenants = 5}, 3}, {{.round_bytes = 1 << 20}, 1}};
  for (auto& c : kCases) {
    Translator t(DefaultLabels(), c.limits);
    Cursor cursor(request.view());
    size_t rounds = 0;
    uint64_t records = 0, told = 0;
    while (!cursor.at_end()) {
      t.Begin();
      t.Take(cursor, kNow);
      Round round = t.Finish();
      ++rounds;
      told += round.push_of.size();
      for (auto& p : round.pushes) records += p.records;
      ASSERT_LE(rounds, 100u);
    }
    EXPECT_EQ(records, 50u);
    EXPECT_EQ(told, 50u);
    EXPECT_EQ(rounds, c.rounds);
  }
}

TEST(LokiPush, SeveralRequestsMakeOneRound) {
  RequestBuilder b(otlp::Signal::kLogs);
  b.Resource({{"service.name", "one"}});
  b.Add(LogData{.time = 1, .body = "a"});
  Slice first = b.Finish();
  b.Resource({{"service.name", "two"}});
  b.Add(LogData{.time = 2, .body = "b"});
  Slice second = b.Finish();
  Translator t{DefaultLabels()};
  t.Begin();
  Cursor one(first.view()), two(second.view());
  t.Take(one, kNow);
  t.Take(two, kNow);
  EXPECT_EQ(Dump(t.Finish()),
            "tenant \"\": 2 records\n"
            "  {exporter=\"OTLP\", job=\"one\"}\n"
            "    0.000000001 {\"body\":\"a\",\"resources\":{\"service.name\":\"one\"}}\n"
            "  {exporter=\"OTLP\", job=\"two\"}\n"
            "    0.000000002 {\"body\":\"b\",\"resources\":{\"service.name\":\"two\"}}\n");
}

// Every way to cut a push in two leaves the same records in the same order, and tells each its place.
TEST(LokiPush, IsCut) {
  RequestBuilder b(otlp::Signal::kLogs);
  b.Resource({{"service.name", "shop"}});
  for (int i = 0; i < 9; ++i)
    b.Add(LogData{.time = static_cast<uint64_t>(i + 1), .severity_number = 1 + 4 * (i % 3), .body = i});
  Slice request = b.Finish();
  Round round = TranslateAll(request.view());
  ASSERT_EQ(round.pushes.size(), 1u);
  EXPECT_EQ(round.places, (std::vector<uint32_t>{0, 3, 6, 1, 4, 7, 2, 5, 8}));
  auto entries = [](const Push& p) {
    std::vector<std::string> out;
    oracle::PushRequest request;
    EXPECT_TRUE(request.ParseFromArray(p.body.data(), static_cast<int>(p.body.size())));
    for (auto& s : request.streams()) {
      EXPECT_GT(s.entries_size(), 0);
      for (auto& e : s.entries()) out.push_back(s.labels() + e.line());
    }
    EXPECT_EQ(out.size(), p.records);
    return out;
  };
  std::vector<std::string> all = entries(round.pushes[0]);
  for (uint64_t n = 1; n < 9; ++n) {
    auto [first, second] = Cut(round.pushes[0], n);
    std::vector<std::string> both = entries(first), more = entries(second);
    EXPECT_EQ(both.size(), n);
    both.insert(both.end(), more.begin(), more.end());
    EXPECT_EQ(both, all);
  }
}

TEST(LokiPush, WhatIsTooLargeIsUnfitAndTheRestGoesOn) {
  std::string names, big(2000, 'x');
  for (int i = 0; i < 200; ++i) names += fmt::format("name-{},", i);
  RequestBuilder b(otlp::Signal::kLogs);
  b.Add(LogData{.time = 1, .body = big});
  b.Add(LogData{.time = 2, .body = "fits"});
  b.Add(LogData{.time = 3, .body = "x", .attributes = {{"loki.attribute.labels", names}}});
  b.Add(LogData{.time = 4, .body = "x", .attributes = {{"loki.attribute.labels", "l"}, {"l", big}}});
  Slice request = b.Finish();
  Round round = TranslateAll(request.view(), {}, {.line_bytes = 1000, .label_bytes = 1000});
  EXPECT_EQ(round.push_of,
            (std::vector<uint16_t>{Round::kUnfitFrom + 4, 0, Round::kUnfitFrom + 3, Round::kUnfitFrom + 3}));
  EXPECT_EQ(round.unfit[static_cast<size_t>(Unfit::kLineTooLarge)], 1u);
  EXPECT_EQ(round.unfit[static_cast<size_t>(Unfit::kLabelsTooLarge)], 2u);
  ASSERT_EQ(round.pushes.size(), 1u);
  EXPECT_EQ(round.pushes[0].records, 1u);
}

TEST(LokiCursor, PassesOverWhatIsEmpty) {
  RequestBuilder b(otlp::Signal::kLogs);
  b.Resource({{"empty", 1}});
  b.Resource({{"empty scopes", 1}});
  b.Scope("a");
  b.Scope("b");
  b.Resource({{"r", 1}});
  b.Scope("c");
  b.Scope("d");
  b.Add(LogData{.time = 1});
  b.Scope("e");
  b.Resource({{"empty", 2}});
  Slice request = b.Finish();
  Cursor cursor(request.view());
  ASSERT_FALSE(cursor.at_end());
  EXPECT_EQ(cursor.scope().scope.name, "d");
  EXPECT_EQ(cursor.record().time, 1u);
  cursor.Advance();
  EXPECT_TRUE(cursor.at_end());
  EXPECT_TRUE(Cursor("").at_end());
  EXPECT_TRUE(Cursor("\x0a\x7f").at_end());
}

}  // namespace
}  // namespace naru::codec::loki
