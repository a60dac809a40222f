// Random programs on random requests, done by naru and, as the reference defines the actions, on messages of
// libprotobuf.
#include "otlp/edit.h"

#include <regex.h>
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "otlp/build.h"
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

}  // namespace
}  // namespace naru::otlp
