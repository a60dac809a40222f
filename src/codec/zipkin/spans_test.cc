// What spans become in Zipkin, as text that is kept in testdata/spans.golden.txt; NARU_UPDATE_GOLDEN=1 writes it anew.
// The protobuf form is read by libprotobuf, and says the same as the JSON form.
#include "codec/zipkin/spans.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "codec/testdata/zipkin.pb.h"
#include "otlp/build.h"
#include "wire/hash.h"

namespace naru::codec::zipkin {
namespace {

using otlp::EncodeArray;
using otlp::EncodeKvlist;
using otlp::RequestBuilder;
using otlp::SpanData;
using otlp::Value;

constexpr std::string_view kTrace = "0123456789abcdef", kSpan = "SPANSPAN", kParent = "PARENTID";

Round TranslateAll(std::string_view request, Format format, const Limits& limits = {}) {
  Translator t(format, "<missing service name>", limits);
  Cursor cursor(request);
  t.Begin();
  t.Take(cursor);
  return t.Finish();
}

std::string DumpEndpoint(const oracle::ZipkinEndpoint& e) {
  return fmt::format("{} {}{} {}", e.service_name(), wire::HexEncode(e.ipv4()), wire::HexEncode(e.ipv6()), e.port());
}

std::string DumpProto(const Round& round) {
  oracle::ListOfSpans list;
  if (!list.ParseFromArray(round.body.data(), static_cast<int>(round.body.size()))) return "libprotobuf refuses it\n";
  std::string out;
  for (auto& s : list.spans()) {
    out += fmt::format("  {} {} {} {} \"{}\" {} {}", wire::HexEncode(s.trace_id()), wire::HexEncode(s.id()),
                       wire::HexEncode(s.parent_id()), oracle::ZipkinSpan::Kind_Name(s.kind()), s.name(), s.timestamp(),
                       s.duration());
    if (s.has_local_endpoint()) out += " local " + DumpEndpoint(s.local_endpoint());
    if (s.has_remote_endpoint()) out += " remote " + DumpEndpoint(s.remote_endpoint());
    out += "\n";
    for (auto& a : s.annotations()) out += fmt::format("    {} {}\n", a.timestamp(), a.value());
    std::map<std::string, std::string> tags(s.tags().begin(), s.tags().end());
    for (auto& [k, v] : tags) out += fmt::format("    {}={}\n", k, v);
  }
  return out;
}

struct Case {
  std::string_view about;
  std::function<void(RequestBuilder&)> build;
};

const std::vector<Case>& Cases() {
  static const std::string kList = EncodeArray({"a", 1, Value()}), kNan = EncodeArray({1, std::nan("")});
  static const std::string kMap = EncodeKvlist({{"z", "<&>"}, {"a", 2.5}});
  static const auto* cases = new std::vector<Case>{
      {"a server's span",
       [](auto& b) {
         b.Resource({{"service.name", "shop"}, {"host.name", "h"}});
         b.Scope("http", "1.2");
         b.Add(SpanData{.trace_id = kTrace,
                        .span_id = kSpan,
                        .parent_span_id = kParent,
                        .trace_state = "k=v",
                        .name = "GET /Cart",
                        .kind = 2,
                        .start = 1'700'000'000'000'000'500,
                        .end = 1'700'000'000'000'123'499,
                        .attributes = {{"http.status", 200}, {"net.host.ip", "10.0.0.1"}, {"net.host.port", 8080}}});
       }},
      {"every kind, and one that does not exist",
       [](auto& b) {
         b.Resource({{"service.name", "s"}});
         for (int kind : {0, 1, 2, 3, 4, 5, 9})
           b.Add(SpanData{.trace_id = kTrace, .span_id = kSpan, .kind = kind, .start = 1000, .end = 2000});
       }},
      {"names of services: by their sources, and the default",
       [](auto& b) {
         auto one = [&](otlp::List<otlp::Attr> resource) {
           b.Resource(resource);
           b.Add(SpanData{.trace_id = kTrace, .span_id = kSpan, .start = 1000, .end = 2000});
         };
         one({});
         one({{"host.name", "h"}});
         one({{"process.executable.name", "exe"}, {"faas.name", "f"}});
         one({{"k8s.deployment.name", "d"}, {"process.executable.name", "exe"}});
         one({{"process.executable.name", "exe"}});
         one({{"service.name", 5}, {"faas.name", "f"}});
       }},
      {"times: rounded, absent, backwards, below a microsecond",
       [](auto& b) {
         b.Resource({{"service.name", "s"}});
         auto one = [&](uint64_t start, uint64_t end) {
           b.Add(SpanData{.trace_id = kTrace, .span_id = kSpan, .start = start, .end = end});
         };
         one(0, 0);
         one(1'499, 0);
         one(1'500, 3'000);
         one(1, 2);
         one(5'000, 4'000);
         one(5'000, 5'000);
       }},
      {"ids: of 64 bits, and those that are none",
       [](auto& b) {
         b.Resource({{"service.name", "s"}});
         std::string_view zero("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
         std::string low = std::string(zero.substr(0, 8)) + "lowbytes";
         b.Add(SpanData{.trace_id = low, .span_id = kSpan, .parent_span_id = zero.substr(0, 8), .name = "kept"});
         b.Add(SpanData{.trace_id = zero, .span_id = kSpan});
         b.Add(SpanData{.trace_id = kTrace, .span_id = zero.substr(0, 8)});
         b.Add(SpanData{.trace_id = "short", .span_id = kSpan});
         b.Add(SpanData{.trace_id = kTrace, .span_id = "longer than 8"});
       }},
      {"endpoints: what cannot be part of one stays a tag",
       [](auto& b) {
         b.Resource({{"service.name", "s"}});
         auto one = [&](otlp::List<otlp::Attr> attributes) {
           b.Add(SpanData{.trace_id = kTrace, .span_id = kSpan, .attributes = attributes});
         };
         one({{"peer.service", "db"}, {"net.peer.ip", "2001:DB8:0::1"}, {"net.peer.port", "5432"}});
         one({{"net.peer.ip", "1.2.3.4"}});
         one({{"net.peer.port", 80}});
         one({{"peer.service", "db"}, {"net.peer.ip", "db.example.com"}, {"net.peer.port", 70000}});
         one({{"peer.service", ""}, {"net.host.ip", "::1"}, {"net.host.port", "http"}});
       }},
      {"status: the error tag only with an error",
       [](auto& b) {
         b.Resource({{"service.name", "s"}});
         auto one = [&](int32_t code, std::string_view message) {
           b.Add(SpanData{.trace_id = kTrace,
                          .span_id = kSpan,
                          .attributes = {{"error", "of the span"}},
                          .status_code = code,
                          .status_message = message});
         };
         one(0, "unset");
         one(1, "");
         one(2, "it broke");
       }},
      {"events and links",
       [](auto& b) {
         b.Resource({{"service.name", "s"}});
         b.Add(SpanData{
             .trace_id = kTrace,
             .span_id = kSpan,
             .start = 5'000,
             .end = 6'000,
             .events = {{.time = 5'500, .name = "plain"},
                        {.time = 5'600,
                         .name = "with|more",
                         .attributes = {{"z", 1}, {"a", "<x>"}, {"m", Value::Encoded(kMap)}}},
                        {.time = 0, .name = "without a time", .dropped_attributes = 3}},
             .links = {{.trace_id = kTrace, .span_id = kSpan, .trace_state = "a=b", .attributes = {{"k", "v"}}},
                       {.dropped_attributes = 2}}});
       }},
      {"tags of every kind of value; the span's overwrite those of scope and resource",
       [](auto& b) {
         b.Resource({{"service.name", "s"}, {"both", "of the resource"}, {"otel.scope.name", "no"}, {"r", 1}});
         b.Scope("first");
         b.Add(SpanData{.trace_id = kTrace,
                        .span_id = kSpan,
                        .attributes = {{"both", "of the span"},
                                       {"bool", true},
                                       {"int", INT64_MIN},
                                       {"double", 1e21},
                                       {"nan", std::nan("")},
                                       {"bytes", Value::OfBytes("\xff\x00")},
                                       {"list", Value::Encoded(kList)},
                                       {"map", Value::Encoded(kMap)},
                                       {"nan in a list", Value::Encoded(kNan)},
                                       {"empty", Value()},
                                       {"no text",
                                        "a\xff"
                                        "b"},
                                       {"quote\"", "\"\n\\"}}});
         b.Scope("");
         b.Add(SpanData{.trace_id = kTrace, .span_id = kSpan, .name = "ÄNDERN é \xff"});
       }},
  };
  return *cases;
}

TEST(ZipkinSpans, Golden) {
  std::string text;
  for (const Case& c : Cases()) {
    RequestBuilder b(otlp::Signal::kTraces);
    c.build(b);
    Slice request = b.Finish();
    Round json = TranslateAll(request.view(), Format::kJson), proto = TranslateAll(request.view(), Format::kProto);
    EXPECT_EQ(json.unfit_of, proto.unfit_of);
    text += fmt::format("# {}\n", c.about);
    std::string body(json.body.view());
    for (size_t at = 0; (at = body.find("},{\"traceId\"", at)) != std::string::npos; at += 4)
      body.replace(at, 2, "},\n ");
    text += body + "\n" + DumpProto(proto);
    for (int8_t unfit : json.unfit_of) {
      if (unfit >= 0) text += fmt::format("unfit: {}\n", UnfitName(static_cast<Unfit>(unfit)));
    }
    text += "\n";
  }
  std::string path = NARU_SOURCE_DIR "/src/codec/zipkin/testdata/spans.golden.txt";
  if (std::getenv("NARU_UPDATE_GOLDEN")) std::ofstream(path) << text;
  std::ifstream in(path);
  EXPECT_EQ(text, std::string(std::istreambuf_iterator<char>(in), {})) << path;
}

TEST(ZipkinSpans, RoundsAreBounded) {
  RequestBuilder b(otlp::Signal::kTraces);
  for (int r = 0; r < 4; ++r) {
    b.Resource({{"service.name", "s"}, {"large", "0123456789"}});
    for (int i = 0; i < 5; ++i) b.Add(SpanData{.trace_id = kTrace, .span_id = kSpan, .name = "x"});
    std::string large(3000, 'y');
    b.Add(SpanData{.trace_id = kTrace, .span_id = kSpan, .name = large});
  }
  Slice request = b.Finish();
  for (Format format : {Format::kJson, Format::kProto}) {
    Translator t(format, "d", {.round_bytes = 600, .span_bytes = 1000});
    Cursor cursor(request.view());
    uint64_t spans = 0, unfit = 0, rounds = 0;
    while (!cursor.at_end()) {
      t.Begin();
      size_t passed = t.Take(cursor);
      Round round = t.Finish();
      EXPECT_EQ(round.unfit_of.size(), passed);
      EXPECT_LT(round.body.size(), 1600u);
      spans += round.spans;
      for (int8_t u : round.unfit_of) unfit += u >= 0;
      if (format == Format::kJson && round.spans > 0) {
        EXPECT_EQ(round.body.view().front(), '[');
        EXPECT_EQ(round.body.view().back(), ']');
      }
      ASSERT_LT(++rounds, 30u);
    }
    EXPECT_EQ(spans, 20u);
    EXPECT_EQ(unfit, 4u);
    EXPECT_GT(rounds, 1u);
  }
}

}  // namespace
}  // namespace naru::codec::zipkin
