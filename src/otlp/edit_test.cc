#include "otlp/edit.h"

#include <regex.h>
#include <cmath>
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
using Pairs = google::protobuf::RepeatedPtrField<oracle::KeyValue>;

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

// The actions on messages of libprotobuf, as the reference defines them. Patterns are extended POSIX here, the tests'
// patterns mean the same in both.
struct PosixPattern {
  explicit PosixPattern(const std::string& p) { EXPECT_EQ(regcomp(&re, p.c_str(), REG_EXTENDED | REG_NOSUB), 0); }
  ~PosixPattern() { regfree(&re); }
  bool Found(const std::string& s) const { return regexec(&re, s.c_str(), 0, nullptr, 0) == 0; }
  regex_t re;
};

oracle::KeyValue* Find(Pairs* list, const std::string& key) {
  for (auto& kv : *list) {
    if (kv.key() == key) return &kv;
  }
  return nullptr;
}

void Hash(oracle::AnyValue* v) {
  auto little = [](uint64_t n) {
    std::string s;
    for (int i = 0; i < 8; ++i) s.push_back(static_cast<char>(n >> (8 * i)));
    return s;
  };
  switch (v->value_case()) {
    case oracle::AnyValue::kStringValue:
      v->set_string_value(TestHash(v->string_value()));
      return;
    case oracle::AnyValue::kBoolValue:
      v->set_string_value(TestHash(std::string(1, v->bool_value() ? '\1' : '\0')));
      return;
    case oracle::AnyValue::kIntValue:
      v->set_string_value(TestHash(little(static_cast<uint64_t>(v->int_value()))));
      return;
    case oracle::AnyValue::kDoubleValue:
      v->set_string_value(TestHash(little(std::bit_cast<uint64_t>(v->double_value()))));
      return;
    default:
      v->set_string_value("");
  }
}

void Convert(oracle::AnyValue* v, Action::Type type) {
  std::string bytes = v->SerializeAsString();
  if (type == Action::Type::kString) {
    if (v->value_case() == oracle::AnyValue::kStringValue) return;
    std::string text;
    AppendText(AnyValue::Parse(bytes), &text);
    v->set_string_value(text);
    return;
  }
  double number = 0;
  int64_t integer = 0;
  bool to_int = type == Action::Type::kInt;
  switch (v->value_case()) {
    case oracle::AnyValue::kStringValue:
      if (to_int && ParseInt(v->string_value(), &integer)) v->set_int_value(integer);
      if (!to_int && ParseFloat(v->string_value(), &number)) v->set_double_value(number);
      return;
    case oracle::AnyValue::kBoolValue:
      number = v->bool_value();
      integer = v->bool_value();
      break;
    case oracle::AnyValue::kIntValue:
      number = static_cast<double>(v->int_value());
      integer = v->int_value();
      break;
    case oracle::AnyValue::kDoubleValue:
      number = v->double_value();
      integer = std::abs(number) < 9e18 ? static_cast<int64_t>(number) : INT64_MIN;
      break;
    default:
      return;
  }
  if (to_int) {
    v->set_int_value(integer);
  } else {
    v->set_double_value(number);
  }
}

void Apply(const std::vector<Action>& actions, Pairs* list) {
  for (const Action& a : actions) {
    oracle::KeyValue* hit = Find(list, a.key);
    switch (a.kind) {
      case Kind::kInsert:
      case Kind::kUpdate:
      case Kind::kUpsert: {
        std::string text;
        oracle::AnyValue value;
        oracle::KeyValue* source = nullptr;
        if (a.value) {
          value.ParseFromString(*a.value);
        } else if (!a.from_context.empty() && TestContext(a.from_context, &text)) {
          value.set_string_value(text);
        } else if (!a.from_attribute.empty() && (source = Find(list, a.from_attribute))) {
          value = source->value();
        } else if (a.default_value) {
          value.ParseFromString(*a.default_value);
        } else {
          break;
        }
        if (hit && a.kind != Kind::kInsert) *hit->mutable_value() = value;
        if (!hit && a.kind != Kind::kUpdate) {
          oracle::KeyValue* kv = list->Add();
          kv->set_key(a.key);
          *kv->mutable_value() = value;
        }
        break;
      }
      case Kind::kDelete: {
        std::optional<PosixPattern> pattern;
        if (!a.pattern.empty()) pattern.emplace(a.pattern);
        for (int i = list->size() - 1; i >= 0; --i) {
          const std::string& key = list->Get(i).key();
          if ((!a.key.empty() && key == a.key) || (pattern && pattern->Found(key))) list->DeleteSubrange(i, 1);
        }
        break;
      }
      case Kind::kHash: {
        if (hit && !a.key.empty()) Hash(hit->mutable_value());
        if (a.pattern.empty()) break;
        PosixPattern pattern(a.pattern);
        for (auto& kv : *list) {
          if (pattern.Found(kv.key())) Hash(kv.mutable_value());
        }
        break;
      }
      case Kind::kExtract: {
        // The one pattern of these tests: (?P<user.id>name)@(?P<host>rest)
        if (!hit || hit->value().value_case() != oracle::AnyValue::kStringValue) break;
        std::string s = hit->value().string_value();
        size_t at = s.find('@');
        if (at == std::string::npos || at == 0 || at + 1 == s.size()) break;
        for (auto [key, part] : {std::pair("user_id", s.substr(0, at)), std::pair("host", s.substr(at + 1))}) {
          oracle::KeyValue* kv = Find(list, key);
          if (!kv) (kv = list->Add())->set_key(key);
          kv->mutable_value()->set_string_value(part);
        }
        break;
      }
      case Kind::kConvert:
        if (hit) Convert(hit->mutable_value(), a.convert_to);
        break;
    }
  }
}

const char kExtract[] = "(?P<user_id>[a-z]+)@(?P<host>[a-z.]+)";

Action RandomAction(Random& random, bool plain) {
  Action a;
  auto key = [&] {
    return random.Chance(80) ? kKeys[random.Below(std::size(kKeys))]
                             : std::string("new") + static_cast<char>('0' + random.Below(4));
  };
  auto value = [&] {
    switch (random.Below(4)) {
      case 0:
        return EncodeValue(static_cast<int64_t>(random.Next()));
      case 1:
        return EncodeArray({"x", 1, true});
      case 2:
        return EncodeValue("alice@example.com");
      default:
        return EncodeValue(std::string(random.Below(300), 'v'));
    }
  };
  static constexpr Kind kPlain[] = {Kind::kInsert, Kind::kUpdate, Kind::kUpsert, Kind::kDelete};
  a.kind = plain ? kPlain[random.Below(4)] : static_cast<Kind>(random.Below(7));
  a.key = key();
  switch (a.kind) {
    case Kind::kInsert:
    case Kind::kUpdate:
    case Kind::kUpsert:
      switch (random.Below(plain ? 3 : 5)) {
        case 0:
          a.from_context = random.Chance(60) ? "metadata.tenant" : "metadata.unknown";
          break;
        case 3:
        case 4:
          a.from_attribute = key();
          break;
        default:
          a.value = value();
      }
      if (random.Chance(20)) a.default_value = value();
      break;
    case Kind::kDelete:
    case Kind::kHash:
      if (!plain && random.Chance(40)) a.pattern = random.Chance(50) ? "^user" : "e$|k[0-9]";
      if (!a.pattern.empty() && random.Chance(50)) a.key.clear();
      break;
    case Kind::kExtract:
      a.pattern = kExtract;
      break;
    case Kind::kConvert:
      a.convert_to = static_cast<Action::Type>(1 + random.Below(3));
      break;
  }
  return a;
}

std::vector<Action> RandomActions(Random& random, bool plain, size_t most) {
  std::vector<Action> actions;
  for (size_t n = random.Below(most + 1); n > 0; --n) actions.push_back(RandomAction(random, plain));
  return actions;
}

// Edits on the messages.
template <class P>
void EditPoints(const std::vector<Action>& actions, P* points) {
  for (auto& p : *points) Apply(actions, p.mutable_attributes());
}
void EditRecord(const std::vector<Action>& actions, oracle::Span* s) {
  Apply(actions, s->mutable_attributes());
}
void EditRecord(const std::vector<Action>& actions, oracle::LogRecord* l) {
  Apply(actions, l->mutable_attributes());
}
void EditRecord(const std::vector<Action>& actions, oracle::Metric* m) {
  if (m->has_gauge()) EditPoints(actions, m->mutable_gauge()->mutable_points());
  if (m->has_sum()) EditPoints(actions, m->mutable_sum()->mutable_points());
  if (m->has_histogram()) EditPoints(actions, m->mutable_histogram()->mutable_points());
  if (m->has_exp_histogram()) EditPoints(actions, m->mutable_exp_histogram()->mutable_points());
  if (m->has_summary()) EditPoints(actions, m->mutable_summary()->mutable_points());
}
void EditRecord(const std::vector<Action>&, oracle::Profile*) {}

// The test that select and drop use: something about the record and its resource.
std::string NameOf(const oracle::Span& s) {
  return s.name();
}
std::string NameOf(const oracle::LogRecord& l) {
  return l.severity_text();
}
std::string NameOf(const oracle::Metric& m) {
  return m.name();
}
std::string NameOf(const oracle::Profile&) {
  return "";
}
std::string NameOf(const RecordRef& ref) {
  switch (ref.signal) {
    case Signal::kTraces:
      return std::string(Span::Parse(ref.record).name);
    case Signal::kLogs:
      return std::string(LogRecord::Parse(ref.record).severity_text);
    case Signal::kMetrics:
      return std::string(Metric::Parse(ref.record).name);
    case Signal::kProfiles:
      break;
  }
  return "";
}
template <class R>
bool TestOf(uint32_t dropped_attributes, const std::string& schema_url, const R& record, size_t salt) {
  return (std::hash<std::string>()(NameOf(record)) + dropped_attributes + schema_url.size() + salt) % 3 == 0;
}
RecordTest MakeTest(size_t salt) {
  return [salt](const RecordRef& ref) {
    return TestOf(Resource::Parse(ref.resource).dropped_attributes, std::string(ref.scope_schema_url), ref, salt);
  };
}

struct Program {
  std::vector<Action> resource, scope, record;
  bool select = false, drop = false;
};

template <class R>
uint64_t ApplyToMessage(const Program& program, R* request) {
  uint64_t dropped = 0;
  auto* resources = request->mutable_resources();
  for (int i = 0; i < resources->size(); ++i) {
    auto* r = resources->Mutable(i);
    uint32_t count = r->resource().dropped_attributes_count();
    uint64_t records = 0;
    for (int j = 0; j < r->scopes_size(); ++j) {
      auto* s = r->mutable_scopes(j);
      for (int k = 0; k < s->records_size(); ++k) {
        auto* record = s->mutable_records(k);
        if (program.drop && TestOf(count, s->schema_url(), *record, 0)) {
          dropped += ItemsOf(*record);
          s->mutable_records()->DeleteSubrange(k--, 1);
          continue;
        }
        if (!program.select || TestOf(count, s->schema_url(), *record, 1)) EditRecord(program.record, record);
      }
      records += static_cast<uint64_t>(s->records_size());
      if (program.drop && s->records_size() == 0) {
        r->mutable_scopes()->DeleteSubrange(j--, 1);
        continue;
      }
      bool had = s->has_scope();
      Apply(program.scope, s->mutable_scope()->mutable_attributes());
      if (!had && s->scope().attributes().empty()) s->clear_scope();
    }
    if (program.drop && records == 0) {
      resources->DeleteSubrange(i--, 1);
      continue;
    }
    bool had = r->has_resource();
    Apply(program.resource, r->mutable_resource()->mutable_attributes());
    if (!had && r->resource().attributes().empty()) r->clear_resource();
  }
  return dropped;
}

void CheckProgram(Signal signal, const Program& program, const std::string& in) {
  EditSpec spec{program.resource, program.scope, program.record};
  if (program.select) spec.select = MakeTest(1);
  if (program.drop) spec.drop = MakeTest(0);
  spec.hash = TestHash;
  auto compiled = EditProgram::Compile(signal, std::move(spec));
  ASSERT_TRUE(compiled) << compiled.error().message;
  auto edited = compiled->Apply(Slice::CopyOf(in), TestContext);
  ASSERT_TRUE(edited) << edited.error().message;
  ASSERT_TRUE(Validate(signal, edited->bytes.view()).ok());
  std::string want;
  uint64_t dropped = 0;
  ASSERT_TRUE(WithMessage(signal, in, [&](auto& request) {
    dropped = ApplyToMessage(program, &request);
    want = request.SerializeAsString();
  }));
  ASSERT_EQ(edited->dropped, dropped);
  // The attributes stand where libprotobuf would write them, the lengths are the shortest: not only the meaning but the
  // bytes are equal, unless the first attribute of a message is new (it then stands at the end).
  std::string got;
  ASSERT_TRUE(
      WithMessage(signal, edited->bytes.view(), [&](const auto& request) { got = request.SerializeAsString(); }));
  ASSERT_EQ(got.size(), edited->bytes.size());
  if (got != want) {
    WithMessage(signal, edited->bytes.view(), [&](const auto& g) {
      WithMessage(signal, want, [&](const auto& w) { ASSERT_EQ(g.DebugString(), w.DebugString()); });
    });
  }
}

TEST(Edit, DoesWhatTheReferenceDoes) {
  Random random(41);
  for (Signal signal : {Signal::kTraces, Signal::kLogs, Signal::kMetrics}) {
    for (int i = 0; i < 250; ++i) {
      bool plain = random.Chance(40);
      Program program{RandomActions(random, plain, 3), RandomActions(random, plain, 3), RandomActions(random, plain, 5),
                      random.Chance(30), random.Chance(30)};
      CheckProgram(signal, program, RandomRequest(signal, random));
      if (HasFatalFailure()) return;
    }
  }
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
    std::string text;
    AppendDouble(c.value, &text);
    EXPECT_EQ(text, c.text);
  }
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
