#include "otlp/edit.h"

#include <map>

#include <gtest/gtest.h>

#include "otlp/build.h"
#include "otlp/scan.h"
#include "otlp/testdata/oracle.h"
#include "otlp/validate.h"
#include "otlp/value_text.h"

namespace naru::otlp {
namespace {

using Kind = Action::Kind;

std::string TestHash(std::string_view bytes) {
  return "#" + std::to_string(std::hash<std::string_view>()(bytes)) + "#";
}

const std::map<std::string, std::string, std::less<>> kContext = {{"metadata.tenant", "acme"},
                                                                  {"client.address", "10.0.0.1"}};
bool TestContext(std::string_view key, std::string* value) {
  auto it = kContext.find(key);
  if (it == kContext.end()) return false;
  *value = it->second;
  return true;
}

// One list of attributes, written as "k=v k=v".
std::string RunOn(std::vector<Action> actions, List<Attr> attributes) {
  RequestBuilder b(Signal::kTraces);
  b.Resource(attributes);
  auto program = EditProgram::Compile(Signal::kTraces, {.resource = std::move(actions), .hash = TestHash});
  if (!program) return "error: " + program.error().message;
  auto edited = program->Apply(b.Finish(), TestContext);
  if (!edited) return "error: " + edited.error().message;
  std::string out;
  for (const ResourceItems& r : Resources(edited->bytes.view())) {
    for (const KeyValue& kv : r.resource.attributes) {
      static constexpr char kTypes[] = "esbidaky";
      out.append(out.empty() ? "" : " ").append(kv.key).append("=");
      out.push_back(kTypes[static_cast<int>(kv.value.kind)]);
      out.push_back(':');
      AppendText(kv.value, &out);
    }
  }
  return out;
}

TEST(Edit, Actions) {
  auto set = [](Kind kind, const char* key, const Value& value) {
    return Action{.kind = kind, .key = key, .value = EncodeValue(value)};
  };
  auto from = [](Kind kind, const char* key, const char* source) {
    return Action{.kind = kind, .key = key, .from_attribute = source};
  };
  auto convert = [](const char* key, Action::Type type) {
    return Action{.kind = Kind::kConvert, .key = key, .convert_to = type};
  };
  std::string list = EncodeArray({"x", 1, 2.5, true, Value::OfBytes("\x01")});
  std::string map = EncodeKvlist({{"b", "<\"&\n>"}, {"a", Value::Encoded(list)}, {"n", Value()}});
  struct {
    std::vector<Action> actions;
    std::vector<Attr> attributes;
    const char* want;
  } const kCases[] = {
      {{set(Kind::kInsert, "a", 1)}, {{"b", 2}}, "b=i:2 a=i:1"},
      {{set(Kind::kInsert, "b", 1)}, {{"b", 2}}, "b=i:2"},
      {{set(Kind::kUpdate, "a", 1)}, {{"b", 2}}, "b=i:2"},
      {{set(Kind::kUpdate, "b", "x")}, {{"a", 1}, {"b", 2}, {"c", 3}}, "a=i:1 b=s:x c=i:3"},
      {{set(Kind::kUpsert, "b", "x"), set(Kind::kUpsert, "d", 4)}, {{"a", 1}, {"b", 2}}, "a=i:1 b=s:x d=i:4"},
      {{Action{.kind = Kind::kDelete, .key = "b"}}, {{"a", 1}, {"b", 2}, {"c", 3}}, "a=i:1 c=i:3"},
      {{Action{.kind = Kind::kDelete, .key = "b"}}, {{"b", 1}, {"a", 2}, {"b", 3}}, "a=i:2"},
      {{Action{.kind = Kind::kDelete, .pattern = "^x\\."}}, {{"x.a", 1}, {"y.x.", 2}, {"x.", 3}}, "y.x.=i:2"},
      {{Action{.kind = Kind::kDelete, .key = "k", .pattern = "^x"}}, {{"x", 1}, {"k", 2}, {"z", 3}}, "z=i:3"},
      {{set(Kind::kInsert, "a", 1), Action{.kind = Kind::kDelete, .key = "a"}}, {{"b", 2}}, "b=i:2"},
      {{Action{.kind = Kind::kDelete, .key = "a"}, set(Kind::kInsert, "a", 1)}, {{"a", 2}}, "a=i:1"},
      {{from(Kind::kInsert, "copy", "a")}, {{"a", 1.5}}, "a=d:1.5 copy=d:1.5"},
      {{from(Kind::kInsert, "copy", "missing")}, {{"a", 1}}, "a=i:1"},
      {{Action{.kind = Kind::kUpsert, .key = "copy", .from_attribute = "missing", .default_value = EncodeValue("d")}},
       {{"a", 1}},
       "a=i:1 copy=s:d"},
      {{from(Kind::kUpsert, "b", "a"), set(Kind::kUpdate, "a", 9)}, {{"a", 1}, {"b", 2}}, "a=i:9 b=i:1"},
      {{Action{.kind = Kind::kInsert, .key = "t", .from_context = "metadata.tenant"}}, {}, "t=s:acme"},
      {{Action{.kind = Kind::kInsert, .key = "t", .from_context = "metadata.none"}}, {{"a", 1}}, "a=i:1"},
      {{Action{.kind = Kind::kInsert, .key = "t", .from_context = "metadata.none", .default_value = EncodeValue(1)}},
       {},
       "t=i:1"},
      {{Action{.kind = Kind::kExtract, .key = "url", .pattern = "^(?P<scheme>.*?)://(?<host>[^/]*)(?P<rest>/x)?"}},
       {{"url", "http://a.b/c"}, {"host", "old"}},
       "url=s:http://a.b/c host=s:a.b scheme=s:http rest=s:"},
      {{Action{.kind = Kind::kExtract, .key = "url", .pattern = "^(?P<n>\\d+)$"}}, {{"url", 12}}, "url=i:12"},
      {{convert("a", Action::Type::kInt), convert("b", Action::Type::kInt), convert("c", Action::Type::kInt),
        convert("d", Action::Type::kInt)},
       {{"a", "42"}, {"b", -2.9}, {"c", true}, {"d", "4x"}},
       "a=i:42 b=i:-2 c=i:1 d=s:4x"},
      {{convert("a", Action::Type::kInt)}, {{"a", 1e300}}, "a=i:-9223372036854775808"},
      {{convert("a", Action::Type::kDouble), convert("b", Action::Type::kDouble), convert("c", Action::Type::kDouble)},
       {{"a", "1e3"}, {"b", 7}, {"c", false}},
       "a=d:1000 b=d:7 c=d:0"},
      {{convert("a", Action::Type::kString), convert("b", Action::Type::kString), convert("c", Action::Type::kString)},
       {{"a", 1.0}, {"b", -7}, {"c", false}},
       "a=s:1 b=s:-7 c=s:false"},
      {{convert("a", Action::Type::kString), convert("b", Action::Type::kString)},
       {{"a", Value::Encoded(map)}, {"b", Value::OfBytes("abcd")}},
       "a=s:{\"a\":[\"x\",1,2.5,true,\"AQ==\"],\"b\":\"<\\\"&\\n>\",\"n\":null} b=s:YWJjZA=="},
      {{convert("a", Action::Type::kInt)}, {{"a", Value::OfBytes("1")}}, "a=y:MQ=="},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(RunOn(c.actions, c.attributes), c.want);
  }
}

TEST(Edit, Hash) {
  std::string list = EncodeArray({"x"});
  auto hash = [](const char* key, const char* pattern = "") {
    return Action{.kind = Kind::kHash, .key = key, .pattern = pattern};
  };
  auto of = [](std::string_view bytes) { return "s:" + TestHash(bytes); };
  EXPECT_EQ(RunOn({hash("a"), hash("b"), hash("c"), hash("d"), hash("e")},
                  {{"a", "text"}, {"b", 258}, {"c", true}, {"d", 0.0}, {"e", Value::Encoded(list)}}),
            "a=" + of("text") + " b=" + of(std::string_view("\x02\x01\0\0\0\0\0\0", 8)) + " c=" + of("\x01") +
                " d=" + of(std::string(8, '\0')) + " e=s:");
  EXPECT_EQ(RunOn({hash("", "^user")}, {{"user.id", "a"}, {"id", "b"}}), "user.id=" + of("a") + " id=s:b");
  // Key and pattern both: hashed twice, as in the reference.
  EXPECT_EQ(RunOn({hash("user", "^user")}, {{"user", "a"}}), "user=" + of(TestHash("a")));
}

TEST(Edit, WrongActionsAreNamed) {
  struct {
    Action action;
    const char* message;
  } const kCases[] = {
      {{.kind = Kind::kInsert, .value = "x"}, "needs a key"},
      {{.kind = Kind::kInsert, .key = "a"}, "needs value"},
      {{.kind = Kind::kInsert, .key = "a", .value = "", .from_attribute = "b"}, "only one of"},
      {{.kind = Kind::kInsert, .key = "a", .value = "", .pattern = "b"}, "takes no pattern"},
      {{.kind = Kind::kDelete}, "needs a key or a pattern"},
      {{.kind = Kind::kDelete, .key = "a", .value = ""}, "takes no value"},
      {{.kind = Kind::kDelete, .pattern = "("}, "not a regular expression"},
      {{.kind = Kind::kExtract, .key = "a"}, "needs a pattern"},
      {{.kind = Kind::kExtract, .key = "a", .pattern = "x"}, "no named groups"},
      {{.kind = Kind::kExtract, .key = "a", .pattern = "(x)(?P<y>z)"}, "group without a name"},
      {{.kind = Kind::kConvert, .key = "a"}, "needs a type"},
      {{.kind = Kind::kHash, .key = "a", .convert_to = Action::Type::kInt}, "takes no type"},
  };
  for (const auto& c : kCases) {
    auto program = EditProgram::Compile(Signal::kLogs, {.record = {c.action}, .hash = TestHash});
    ASSERT_FALSE(program) << c.message;
    EXPECT_EQ(program.error().code, Code::kInvalidArgument);
    EXPECT_NE(program.error().message.find(c.message), std::string::npos) << program.error().message;
  }
  EXPECT_FALSE(EditProgram::Compile(Signal::kLogs, {.record = {{.kind = Kind::kHash, .key = "a"}}}));
}

TEST(Edit, AKeyHiddenBehindAnotherIsFound) {
  // Decoders take the last key of a KeyValue: "secret", wherever it stands.
  for (std::string_view kv : {std::string_view("\x0a\x01x\x0a\x06secret\x12\x03\x0a\x01v", 16),
                              std::string_view("\x12\x03\x0a\x01v\x0a\x06secret", 13)}) {
    wire::Writer w;
    auto r = w.Begin(1);
    auto resource = w.Begin(1);
    w.BytesField(1, kv);
    w.End(resource);
    w.End(r);
    auto program = EditProgram::Compile(Signal::kTraces, {.resource = {{.kind = Kind::kDelete, .key = "secret"}}});
    auto edited = program->Apply(w.Finish());
    ASSERT_TRUE(edited);
    EXPECT_EQ(edited->bytes.view(), std::string_view("\x0a\x02\x0a\x00", 4));
  }
}

TEST(Edit, DropsPointsAndEmptiedParents) {
  RequestBuilder b(Signal::kMetrics);
  b.Resource({{"r", 1}});
  b.Scope("s");
  b.Metric({.name = "mixed", .kind = Metric::Kind::kSum, .temporality = 2});
  for (int i = 0; i < 6; ++i) b.Add(NumberPointData{.number = i});
  b.Metric({.name = "odd", .kind = Metric::Kind::kSum});
  b.Add(NumberPointData{.number = 1});
  b.Resource({{"r", 2}});
  b.Metric({.name = "odd"});
  b.Add(NumberPointData{.number = 3});
  auto odd = [](const RecordRef& ref, Metric::Kind kind, std::string_view point) {
    return Metric::Parse(ref.record).kind == kind && NumberPoint::Parse(point).integer % 2 == 1;
  };
  auto program = EditProgram::Compile(Signal::kMetrics, {.drop_point = odd});
  ASSERT_TRUE(program);
  auto edited = program->Apply(b.Finish());
  ASSERT_TRUE(edited);
  EXPECT_EQ(edited->dropped, 5u);
  EXPECT_EQ(Count(Signal::kMetrics, edited->bytes.view()).items, 3u);
  ASSERT_EQ(Resources(edited->bytes.view()).size(), 1u);
  for (const ResourceItems& r : Resources(edited->bytes.view())) {
    for (const ScopeItems& s : r.scopes) {
      ASSERT_EQ(s.raw_records.size(), 1u);
      for (const Metric& m : s.records<Metric>()) {
        EXPECT_EQ(m.name, "mixed");
        EXPECT_EQ(m.temporality, 2);
      }
    }
  }
}

TEST(Edit, APassReplacesAndRemovesRecords) {
  // Names say what is to become of the span: "k..." is kept, "d..." removed, "r..." replaced by something much longer.
  struct Pass final : RecordPass {
    explicit Pass(int* done) : done(done) {}
    Verdict Visit(std::string_view record, wire::Writer& out) override {
      ++visited;
      Span span = Span::Parse(record);
      out.BytesField(field::span::kName, std::string(300, 'x'));
      switch (span.name[0]) {
        case 'k':
          return Verdict::kKeep;
        case 'r':
          return Verdict::kReplace;
        case 'd':
          return Verdict::kDrop;
        default:
          return Verdict::kMalformed;
      }
    }
    void Done() override { *done += visited; }
    int visited = 0;
    int* done;
  };
  struct {
    std::vector<std::string> names;  // "-" begins another scope, "=" another resource
    const char* want;
    int visited;
  } const kCases[] = {
      {{"k1", "r1", "d1", "k2"}, "k1 x k2 ", 4},
      {{"d1", "-", "k1", "=", "d2", "-", "d3"}, "k1 ", 4},
      {{"d1", "=", "d2"}, "", 2},
      {{"=", "r1"}, "x ", 1},
      {{"k1", "m"}, "malformed", 0},
  };
  for (const auto& c : kCases) {
    RequestBuilder b(Signal::kTraces);
    b.Resource({{"r", 1}});
    uint64_t spans = 0;
    for (const std::string& name : c.names) {
      if (name == "=") {
        b.Resource({{"r", 2}});
      } else if (name == "-") {
        b.Scope("other");
      } else {
        b.Add(SpanData{.name = name});
        ++spans;
      }
    }
    int done = 0;
    auto program = EditProgram::Compile(Signal::kTraces, {.pass = [&done] { return std::make_unique<Pass>(&done); }});
    ASSERT_TRUE(program);
    EXPECT_FALSE(program->empty());
    auto edited = program->Apply(b.Finish());
    std::string got = edited ? "" : "malformed";
    if (edited) {
      EXPECT_TRUE(Validate(Signal::kTraces, edited->bytes.view()).ok());
      for (const ResourceItems& r : Resources(edited->bytes.view())) {
        EXPECT_FALSE(r.scopes.empty());
        for (const ScopeItems& s : r.scopes) {
          EXPECT_FALSE(s.raw_records.empty());
          for (const Span& span : s.records<Span>()) {
            got.append(span.name.size() == 300 ? "x" : span.name).append(" ");
            --spans;
          }
        }
      }
      EXPECT_EQ(edited->dropped, spans);
    }
    EXPECT_EQ(got, c.want);
    EXPECT_EQ(done, c.visited);
  }
  auto make = [] { return std::unique_ptr<RecordPass>(); };
  auto all = [](const RecordRef&) { return true; };
  EXPECT_FALSE(EditProgram::Compile(Signal::kMetrics, {.pass = make}));
  EXPECT_FALSE(EditProgram::Compile(Signal::kLogs, {.drop = all, .pass = make}));
  EXPECT_FALSE(EditProgram::Compile(Signal::kLogs, {.record = {{.kind = Kind::kDelete, .key = "a"}}, .pass = make}));
}

TEST(Edit, EverythingDroppedLeavesNothing) {
  RequestBuilder b(Signal::kLogs);
  b.Add(LogData{.body = "x"});
  auto program = EditProgram::Compile(Signal::kLogs, {.drop = [](const RecordRef&) { return true; }});
  auto edited = program->Apply(b.Finish());
  ASSERT_TRUE(edited);
  EXPECT_TRUE(edited->bytes.empty());
  EXPECT_EQ(edited->dropped, 1u);
}

TEST(Edit, MalformedInputIsRefused) {
  Random random(42);
  auto program = EditProgram::Compile(Signal::kTraces, {.record = {{.kind = Kind::kDelete, .key = "card"}}});
  ASSERT_TRUE(program);
  int refused = 0;
  for (int i = 0; i < 500; ++i) {
    std::string bytes = RandomRequest(Signal::kTraces, random);
    if (bytes.empty()) continue;
    for (int n = 0; n < 3; ++n) bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    auto edited = program->Apply(Slice::CopyOf(bytes));
    if (!edited) {
      ++refused;
      EXPECT_EQ(edited.error().code, Code::kInvalidArgument);
      EXPECT_FALSE(Validate(Signal::kTraces, bytes).ok());
      // What Sanitize leaves can be edited.
      EXPECT_TRUE(program->Apply(Sanitize(Signal::kTraces, Slice::CopyOf(bytes)).bytes));
    }
  }
  EXPECT_GT(refused, 50);
}

TEST(Edit, AnEmptyProgramHandsTheInputOn) {
  auto program = EditProgram::Compile(Signal::kTraces, {});
  ASSERT_TRUE(program);
  EXPECT_TRUE(program->empty());
  Slice in = Slice::CopyOf("whatever");
  EXPECT_EQ(program->Apply(in)->bytes.data(), in.data());
}

}  // namespace
}  // namespace naru::otlp
