#include "otlp/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <vector>

#include "otlp/build.h"
#include "otlp/scan.h"
#include "otlp/validate.h"
#include "wire/hash.h"

namespace naru::otlp {
namespace {

using testing::HasSubstr;

std::string ReadData(const std::string& name) {
  std::ifstream in(std::string(NARU_SOURCE_DIR) + "/src/otlp/testdata/" + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

FromJson Read(Signal signal, std::string_view json) {
  Result<FromJson> r = RequestFromJson(signal, json);
  EXPECT_TRUE(r) << r.error().message << "\n" << json;
  if (!r) return {};
  Verdict verdict = Validate(signal, r->bytes.view());
  EXPECT_TRUE(verdict.ok()) << FlawText(verdict.flaw) << " at " << verdict.offset;
  EXPECT_EQ(Count(signal, r->bytes.view()).items, r->items);
  EXPECT_EQ(r->odd_values == 0, r->message.empty());
  return std::move(*r);
}

std::string Json(Signal signal, const Slice& bytes) {
  Result<Slice> json = RequestToJson(signal, {&bytes, 1});
  EXPECT_TRUE(json) << json.error().message;
  return json ? std::string(json->view()) : "";
}

// In and out again.
std::string Echo(Signal signal, std::string_view json) {
  return Json(signal, Read(signal, json).bytes);
}

TEST(Json, WritesWhatTheReferenceWrites) {
  const uint64_t items[kSignals] = {8, 25, 33, 3};
  for (int i = 0; i < kSignals; ++i) {
    auto signal = static_cast<Signal>(i);
    std::string name(Names(signal).name);
    SCOPED_TRACE(name);
    FromJson in = Read(signal, ReadData(name + ".in.json"));
    EXPECT_EQ(in.odd_values, 0u) << in.message;
    EXPECT_EQ(in.items, items[i]);
    std::string want = ReadData(name + ".out.json");
    ASSERT_FALSE(want.empty());
    want.pop_back();  // the file exporter ends lines
    // The reference moves the strings of profiles' attributes into their dictionary when it writes.
    if (signal != Signal::kProfiles) {
      EXPECT_EQ(Json(signal, in.bytes), want);
    }
    // Its own output reads back to the same.
    FromJson again = Read(signal, want);
    EXPECT_EQ(again.odd_values, 0u) << again.message;
    EXPECT_EQ(Json(signal, again.bytes), want);
  }
}

TEST(Json, PartsAreOneRequest) {
  RequestBuilder b(Signal::kTraces);
  const std::string trace(16, '\1'), span(8, '\2');
  b.Resource({{"a", 1}});
  b.Add(SpanData{.trace_id = trace, .span_id = span, .name = "x"});
  Slice one = b.Finish();
  Slice parts[] = {one, Slice(), one};
  Result<Slice> json = RequestToJson(Signal::kTraces, parts);
  ASSERT_TRUE(json);
  const std::string resource =
      R"({"resource":{"attributes":[{"key":"a","value":{"intValue":"1"}}]},"scopeSpans":[{"scope":{},"spans":[{)"
      R"("traceId":"01010101010101010101010101010101","spanId":"0202020202020202","name":"x","status":{}}]}]})";
  EXPECT_EQ(json->view(), "{\"resourceSpans\":[" + resource + "," + resource + "]}");
  EXPECT_EQ(RequestToJson(Signal::kLogs, {})->view(), "{}");
  EXPECT_EQ(RequestToJson(Signal::kProfiles, {})->view(), "{\"dictionary\":{}}");
  EXPECT_FALSE(RequestToJson(Signal::kProfiles, parts));
}

TEST(Json, WritingStopsAtTheBudget) {
  wire::Writer w;
  auto resource = w.Begin(1), scope = w.Begin(2);
  for (int i = 0; i < 100000; ++i) w.BytesField(2, {});
  w.End(scope);
  w.End(resource);
  Slice part = w.Finish();
  Budget budget;
  budget.SetLimits(INT64_MAX, 1 << 20);
  Result<Slice> json = RequestToJson(Signal::kLogs, {&part, 1}, budget);
  ASSERT_FALSE(json);
  EXPECT_TRUE(json.error().retryable);
  EXPECT_EQ(budget.used(), 0);
}

TEST(Json, MalformedWireIsAnError) {
  for (std::string_view bytes : {"\x0a\x05\x0a", "\x0a\x02\x12\x05", "\x0a\x06\x12\x04\x12\x02\x4a\x09"}) {
    Slice part = Slice::Static(bytes);
    Result<Slice> json = RequestToJson(Signal::kTraces, {&part, 1});
    ASSERT_FALSE(json);
    EXPECT_EQ(json.error().code, Code::kInvalidArgument);
  }
}

constexpr std::string_view kIds = R"("traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174")";

std::string WithSpans(const std::string& spans) {
  return "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[" + spans + "]}]}]}";
}
std::string OneSpan(const std::string& fields) {
  return WithSpans("{" + std::string(kIds) + (fields.empty() ? "" : ",") + fields + "}");
}
// What the fields of one span come out as.
std::string EchoSpan(const std::string& fields) {
  std::string out = Echo(Signal::kTraces, OneSpan(fields));
  std::string before =
      "{\"resourceSpans\":[{\"resource\":{},\"scopeSpans\":[{\"scope\":{},\"spans\":[{" + std::string(kIds);
  EXPECT_TRUE(out.starts_with(before)) << out;
  out.erase(0, before.size());
  std::string after = "}]}]}]}";
  EXPECT_TRUE(out.ends_with(after)) << out;
  return out.substr(0, out.size() - after.size());
}

TEST(Json, UnderstandsMoreThanOneWriting) {
  struct {
    const char *fields, *want;
  } cases[] = {
      {"", ",\"status\":{}"},
      {R"("name":null,"attributes":null,"status":null,"kind":null)", ",\"status\":{}"},
      {R"("startTimeUnixNano":1700000000000000001)", R"(,"startTimeUnixNano":"1700000000000000001","status":{})"},
      {R"("startTimeUnixNano":"17e17")", R"(,"startTimeUnixNano":"1700000000000000000","status":{})"},
      {R"("start_time_unix_nano":1.5e1)", R"(,"startTimeUnixNano":"15","status":{})"},
      {R"("kind":"SPAN_KIND_SERVER","status":{"code":"STATUS_CODE_ERROR"})", R"(,"kind":2,"status":{"code":2})"},
      {R"("kind":3.0,"status":{"code":"1"})", R"(,"kind":3,"status":{"code":1})"},
      {R"("parent_span_id":"EEE19B7EC3C1B174")", R"(,"parentSpanId":"eee19b7ec3c1b174","status":{})"},
      {R"("parentSpanId":"7uGbfsPBsXQ=")", R"(,"parentSpanId":"eee19b7ec3c1b174","status":{})"},
      {R"("parentSpanId":"7uGbfsPBsXQ")", R"(,"parentSpanId":"eee19b7ec3c1b174","status":{})"},
      {R"("parentSpanId":"0000000000000000")", ",\"status\":{}"},
      {R"("n\u0061me":"x\ud83d\ude00\n")", ",\"name\":\"x\U0001f600\\n\",\"status\":{}"},
      {R"("unknown":{"a":[1,{"b":null}]},"name":"x","more":[])", R"(,"name":"x","status":{})"},
      {R"("attributes":[{"key":"a","value":{"string_value":"x"}}])",
       R"(,"attributes":[{"key":"a","value":{"stringValue":"x"}}],"status":{})"},
      {R"("attributes":[{"value":{"intValue":-0},"key":"a"}])",
       R"(,"attributes":[{"key":"a","value":{"intValue":"0"}}],"status":{})"},
      {R"("attributes":[{"key":"a","value":{"doubleValue":NaN}},{"key":"b","value":{"doubleValue":"-Infinity"}}])",
       R"(,"attributes":[{"key":"a","value":{"doubleValue":"NaN"}},{"key":"b","value":{"doubleValue":"-Infinity"}}],)"
       R"("status":{})"},
      {R"("attributes":[{"key":"a","value":{"doubleValue":"1.5"}},{"key":"b","value":{"boolValue":"true"}}])",
       R"(,"attributes":[{"key":"a","value":{"doubleValue":1.5}},{"key":"b","value":{"boolValue":true}}],"status":{})"},
      {R"("attributes":[{"key":"a","value":{"bytesValue":"-_8"}},{"key":"b","value":{"bytesValue":"+\/8="}}])",
       R"(,"attributes":[{"key":"a","value":{"bytesValue":"+/8="}},{"key":"b","value":{"bytesValue":"+/8="}}],)"
       R"("status":{})"},
      {R"("attributes":[{"key":"a","value":{"arrayValue":{"values":[{},null,{"intValue":1}]}}}])",
       R"(,"attributes":[{"key":"a","value":{"arrayValue":{"values":[{},{},{"intValue":"1"}]}}}],"status":{})"},
      {R"("attributes":[{"key":"a"},{"key":"b","value":null}])",
       R"(,"attributes":[{"key":"a","value":{}},{"key":"b","value":{}}],"status":{})"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.fields);
    EXPECT_EQ(Read(Signal::kTraces, OneSpan(c.fields)).message, "");
    EXPECT_EQ(EchoSpan(c.fields), c.want);
  }
}

TEST(Json, LeavesOutOddValuesAndNamesThem) {
  struct {
    const char *fields, *want, *named;
  } cases[] = {
      {R"("startTimeUnixNano":1.5)", ",\"status\":{}", "spans[0].startTimeUnixNano: 1.5 is not an unsigned integer"},
      {R"("endTimeUnixNano":-1)", ",\"status\":{}", "spans[0].endTimeUnixNano: -1 is not an unsigned integer"},
      {R"("endTimeUnixNano":1e20)", ",\"status\":{}", "1e20 is not an unsigned integer of 64 bits"},
      {R"("endTimeUnixNano":"")", ",\"status\":{}", "endTimeUnixNano:  is not an unsigned integer"},
      {R"("kind":"server")", ",\"status\":{}", "server is not a value of the enum"},
      {R"("kind":[1])", ",\"status\":{}", "kind: is not a number"},
      {R"("flags":4294967296)", ",\"status\":{}", "4294967296 is not an unsigned integer of 32 bits"},
      {R"("name":5)", ",\"status\":{}", "name: 5 is not a string"},
      {R"("name":{"x":1})", ",\"status\":{}", "name: is not a string"},
      {R"("name":"\x")", ",\"status\":{}", "name: is a string with an invalid escape"},
      {R"("status":[])", ",\"status\":{}", "status: is not an object"},
      {R"("attributes":{"a":1})", ",\"status\":{}", "attributes: is not an array"},
      {R"("attributes":5)", ",\"status\":{}", "attributes: 5 is not an array"},
      {R"("parentSpanId":"abc")", ",\"status\":{}", "parentSpanId: abc is not an id of 16 hexadecimal digits"},
      {R"("name":"a","name":"b")", R"(,"name":"a","status":{})", "name: occurs twice"},
      {R"("attributes":[{"key":"a","value":{"intValue":1e20}},{"key":"b","value":{"intValue":"2"}}])",
       R"(,"attributes":[{"key":"b","value":{"intValue":"2"}}],"status":{})",
       "attributes[0].value.intValue: 1e20 is not an integer of 64 bits"},
      {R"("attributes":[{"key":"a","value":{"intValue":1,"stringValue":"x"}}])",
       R"(,"attributes":[{"key":"a","value":{"intValue":"1"}}],"status":{})", "a second value where there can be one"},
      {R"("attributes":[{"key":"a","value":"plain"},7,null,{"key":"b","value":{"boolValue":1}}])", ",\"status\":{}",
       "attributes[0].value: is not an object"},
      {R"("attributes":[{"key":"a","value":{"arrayValue":{"values":[{"intValue":"x"},{"intValue":2}]}}}])",
       R"(,"attributes":[{"key":"a","value":{"arrayValue":{"values":[{},{"intValue":"2"}]}}}],"status":{})",
       "attributes[0].value.arrayValue.values[0].intValue: x is not an integer"},
      {R"("attributes":[{"key":"a","value":{"bytesValue":"?"}}])", ",\"status\":{}", "? is not base64"},
      {R"("links":[{"traceId":"zz"}],"events":[{"timeUnixNano":true,"name":"e"}])",
       R"(,"events":[{"name":"e"}],"status":{})", "links[0].traceId: zz is not an id of 32"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.fields);
    FromJson r = Read(Signal::kTraces, OneSpan(c.fields));
    EXPECT_EQ(r.items, 1u);
    EXPECT_EQ(r.rejected_items, 0u);
    EXPECT_GE(r.odd_values, 1u);
    EXPECT_THAT(r.message, HasSubstr(c.named));
    EXPECT_EQ(EchoSpan(c.fields), c.want);
  }
}

TEST(Json, RejectsARecordAndKeepsTheOthers) {
  std::string good = "{" + std::string(kIds) + "}";
  for (const char* bad :
       {R"({"traceId":"xyz","spanId":"eee19b7ec3c1b174","name":"bad"})",
        R"({"name":"bad","spanId":12,"attributes":[{"key":"a"}]})", "null", "5", "\"span\"", "[{}]"}) {
    SCOPED_TRACE(bad);
    FromJson r = Read(Signal::kTraces, WithSpans(good + "," + bad + "," + good));
    EXPECT_EQ(r.items, 2u);
    EXPECT_EQ(r.rejected_items, 1u);
    EXPECT_THAT(r.message, HasSubstr("resourceSpans[0].scopeSpans[0].spans[1]"));
    EXPECT_EQ(Json(Signal::kTraces, r.bytes), Echo(Signal::kTraces, WithSpans(good + "," + good)));
  }
  auto metric = [](const std::string& kind, const std::string& points) {
    return R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m",")" + kind + R"(":{"dataPoints":[)" +
           points + "]}}]}]}]}";
  };
  struct {
    const char *kind, *good, *bad;
  } points[] = {
      {"gauge", R"({"asInt":1})", R"({"asInt":"many"})"},
      {"sum", R"({"asDouble":1.5})", R"({"asDouble":"1,5"})"},
      {"histogram", R"({"count":1,"bucketCounts":[1,0],"explicitBounds":[1]})",
       R"({"count":1,"bucketCounts":[1,"x"]})"},
      {"histogram", R"({"count":1})", R"({"count":0.5})"},
      {"exponentialHistogram", R"({"count":1,"positive":{"bucketCounts":["1"]}})",
       R"({"count":1,"positive":{"bucketCounts":[-1]}})"},
      {"summary", R"({"count":1,"sum":2})", R"({"count":1,"sum":"two"})"},
  };
  for (const auto& p : points) {
    SCOPED_TRACE(p.bad);
    std::string ok = p.good;
    FromJson r = Read(Signal::kMetrics, metric(p.kind, ok + "," + p.bad + "," + ok));
    EXPECT_EQ(r.items, 2u);
    EXPECT_EQ(r.rejected_items, 1u);
    EXPECT_THAT(r.message, HasSubstr("dataPoints[1]"));
    EXPECT_EQ(Json(Signal::kMetrics, r.bytes), Echo(Signal::kMetrics, metric(p.kind, ok + "," + ok)));
  }
  // A log record keeps its meaning without its ids or its body.
  FromJson log =
      Read(Signal::kLogs, R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"x","body":{"intValue":0.5},)"
                          R"("severityNumber":"SEVERITY_NUMBER_WARN2"}]}]}]})");
  EXPECT_EQ(log.items, 1u);
  EXPECT_EQ(log.odd_values, 2u);
  EXPECT_EQ(
      Json(Signal::kLogs, log.bytes),
      R"({"resourceLogs":[{"resource":{},"scopeLogs":[{"scope":{},"logRecords":[{"severityNumber":14,"body":{}}]}]}]})");
}

TEST(Json, NamesAreBounded) {
  std::string spans;
  for (int i = 0; i < 1000; ++i) spans += std::string(i ? "," : "") + "\"" + std::string(1000, 'x') + "\"";
  FromJson r = Read(Signal::kTraces, WithSpans(spans));
  EXPECT_EQ(r.items, 0u);
  EXPECT_EQ(r.rejected_items, 1000u);
  EXPECT_THAT(r.message, HasSubstr("; and 992 more"));
  EXPECT_LT(r.message.size(), 2000u);
  // Excerpts end between characters.
  std::string wide;
  for (int i = 0; i < 30; ++i) wide += "\u20ac";
  FromJson cut = Read(Signal::kTraces, OneSpan("\"kind\":\"" + wide + "\""));
  EXPECT_THAT(cut.message, HasSubstr("\u20ac is not a value"));
}

TEST(Json, RepairsTextThatIsNotUtf8) {
  FromJson r = Read(Signal::kTraces, OneSpan("\"name\":\"a\xff"
                                             "b\""));
  EXPECT_EQ(r.items, 1u);
  EXPECT_EQ(r.message, "the text has bytes that are not UTF-8, replaced by U+FFFD");
  EXPECT_THAT(Json(Signal::kTraces, r.bytes), HasSubstr("\"name\":\"a\uFFFDb\""));
}

TEST(Json, DeepValuesAreLeftOut) {
  auto nested = [](int levels) {
    std::string value = R"({"stringValue":"x"})";
    for (int i = 0; i < levels; ++i) value = R"({"arrayValue":{"values":[)" + value + "]}}";
    return OneSpan(R"("attributes":[{"key":"ok","value":{"intValue":1}},{"key":"deep","value":)" + value + "}]");
  };
  FromJson fine = Read(Signal::kTraces, nested(40));
  EXPECT_EQ(fine.odd_values, 0u);
  for (int levels : {50, 200, 3000}) {
    FromJson r = Read(Signal::kTraces, nested(levels));
    EXPECT_EQ(r.items, 1u);
    EXPECT_EQ(r.odd_values, 1u);
    EXPECT_THAT(r.message, HasSubstr("nested too deep"));
    EXPECT_LT(r.message.size(), 500u);
  }
}

TEST(Json, NotJsonIsRefusedWithTheByte) {
  struct {
    const char *json, *named;
  } cases[] = {
      {"", "the text is empty"},
      {"{", "at byte 1"},
      {"{\"resourceSpans\":[}", "at byte 18"},
      {"{\"resourceSpans\":[]}}", "at byte 20"},
      {"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":tru}]}]}]}", "at byte 51"},
      {"{\"resourceSpans\":[{\"x\":01}]}", "at byte 23"},
      {"[]", "not an object"},
      {"null", "not an object"},
      {"\x1f\x8b", "not an object"},
  };
  for (const auto& c : cases) {
    Result<FromJson> r = RequestFromJson(Signal::kTraces, c.json);
    ASSERT_FALSE(r) << c.json;
    EXPECT_EQ(r.error().code, Code::kInvalidArgument);
    EXPECT_THAT(r.error().message, HasSubstr(c.named)) << c.json;
  }
  EXPECT_EQ(Read(Signal::kMetrics, " {\n}").bytes.size(), 0u);
}

TEST(ExportResponse, BothEncodings) {
  EXPECT_EQ(EncodeExportResponse({}), std::string("\x0a\x00", 2));
  EXPECT_EQ(ExportResponseToJson(Signal::kTraces, {}), R"({"partialSuccess":{}})");
  const char* json[] = {R"({"partialSuccess":{"rejectedSpans":"5","errorMessage":"b\"ad"}})",
                        R"({"partialSuccess":{"rejectedDataPoints":"5","errorMessage":"b\"ad"}})",
                        R"({"partialSuccess":{"rejectedLogRecords":"5","errorMessage":"b\"ad"}})",
                        R"({"partialSuccess":{"rejectedProfiles":"5","errorMessage":"b\"ad"}})"};
  ExportOutcome outcome{5, "b\"ad"};
  Result<ExportOutcome> decoded = DecodeExportResponse(EncodeExportResponse(outcome));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->rejected, 5);
  EXPECT_EQ(decoded->message, "b\"ad");
  for (int i = 0; i < kSignals; ++i) {
    auto signal = static_cast<Signal>(i);
    EXPECT_EQ(ExportResponseToJson(signal, outcome), json[i]);
    Result<ExportOutcome> read = ExportResponseFromJson(signal, json[i]);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->rejected, 5);
    EXPECT_EQ(read->message, "b\"ad");
  }
  Result<ExportOutcome> tolerant = ExportResponseFromJson(
      Signal::kLogs, R"({"x":[1],"partial_success":{"rejected_log_records":7,"error_message":null,"y":{}}})");
  ASSERT_TRUE(tolerant);
  EXPECT_EQ(tolerant->rejected, 7);
  EXPECT_EQ(tolerant->message, "");
  EXPECT_EQ(ExportResponseFromJson(Signal::kLogs, "")->rejected, 0);
  EXPECT_EQ(DecodeExportResponse("")->rejected, 0);
  EXPECT_FALSE(ExportResponseFromJson(Signal::kLogs, "<html>"));
  EXPECT_FALSE(DecodeExportResponse("<html>"));
}

TEST(RpcStatus, BothEncodings) {
  RpcStatus status{Code::kUnavailable, "later, gr\u00fc\u00dfe", Duration{1'500'000'000}};
  // As protoc encodes {code: 14 message: "later, grüße" details {type_url value}} with RetryInfo {retry_delay {1 s,
  // 5e8}}.
  EXPECT_EQ(wire::HexEncode(EncodeRpcStatus(status)),
            "080e120e6c617465722c206772c3bcc39f651a360a28747970652e676f6f676c65617069732e636f6d2f676f6f676c652e7270632e"
            "5265747279496e666f120a0a0808011080cab5ee01");
  EXPECT_EQ(RpcStatusToJson(status),
            "{\"code\":14,\"message\":\"later, gr\u00fc\u00dfe\",\"details\":[{\"@type\":\"type.googleapis.com/"
            "google.rpc.RetryInfo\",\"retryDelay\":\"1.500s\"}]}");
  for (Duration delay : {Duration{0}, Duration{1}, Duration{1'000'000}, Duration{60'000'000'000}, Duration{1'000}}) {
    status.retry_after = delay;
    Result<RpcStatus> binary = DecodeRpcStatus(EncodeRpcStatus(status)),
                      text = RpcStatusFromJson(RpcStatusToJson(status));
    for (const Result<RpcStatus>* r : {&binary, &text}) {
      ASSERT_TRUE(*r);
      EXPECT_EQ((*r)->code, status.code);
      EXPECT_EQ((*r)->message, status.message);
      EXPECT_EQ((*r)->retry_after, delay);
    }
  }
  EXPECT_EQ(RpcStatusToJson({Code::kInvalidArgument, "no", {}}), R"({"code":3,"message":"no"})");
  EXPECT_EQ(EncodeRpcStatus({}), "");
  EXPECT_EQ(RpcStatusToJson({}), "{}");
}

TEST(RpcStatus, HostileAnswersAreBounded) {
  EXPECT_EQ(RpcStatusFromJson(R"({"code":"99","details":[5,null,{"@type":"other","value":{"a":[]}}],"z":{}})")->code,
            Code::kUnknown);
  auto delay = [](const char* text) {
    return RpcStatusFromJson(
               std::string(R"({"code":14,"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo",)") +
               R"("retryDelay":")" + text + "\"}]}")
        ->retry_after;
  };
  EXPECT_EQ(delay("3s"), Duration{3'000'000'000});
  EXPECT_EQ(delay("0.25s"), Duration{250'000'000});
  EXPECT_EQ(delay("99999999999999999s"), Duration{365 * 86400 * 1'000'000'000ll});
  for (const char* bad : {"", "s", "3", "-3s", "1.s", "x.5s"}) EXPECT_EQ(delay(bad), std::nullopt) << bad;
  EXPECT_FALSE(DecodeRpcStatus("\x0a\xff"));
  EXPECT_FALSE(RpcStatusFromJson("[]"));
  EXPECT_FALSE(RpcStatusFromJson("{\"code\":3"));
}

}  // namespace
}  // namespace naru::otlp
