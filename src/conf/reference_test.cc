// Replays tests/conf/vectors.json: configurations with the answers that the reference collector's library gave to them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "conf/resolve.h"
#include "conf/schema.h"
#include "conf/yaml.h"

namespace naru::conf {
namespace {

struct Sub {
  int64_t size = 0;
  std::string name;
  static void Describe(Struct<Sub>& s) {
    s.Field("size", &Sub::size, "a number");
    s.Field("name", &Sub::name, "a text");
  }
};

// One field of each kind, with the defaults that the vectors were recorded with.
struct Typed {
  std::string string = "def";
  std::optional<std::string> optional_string = "ptr";
  int64_t integer = 7;
  uint16_t small = 7;
  double real = 0.5;
  bool flag = true;
  Duration duration = std::chrono::seconds(5);
  std::vector<std::string> strings = {"x"};
  std::vector<int64_t> ints = {1, 2};
  std::map<std::string, std::string> map = {{"k", "v"}};
  std::map<std::string, Value> any_map = {{"k", Value::Int(1)}};
  Value any;
  Secret secret{"sec"};
  HeaderMap headers;
  Sub sub{3, "n"};
  std::map<std::string, Sub> structs;
  Optional<Sub> section = Optional<Sub>::Default({4, "o"});
  static void Describe(Struct<Typed>& s) {
    s.Field("string", &Typed::string, "");
    s.Field("optional_string", &Typed::optional_string, "");
    s.Field("int", &Typed::integer, "");
    s.Field("uint16", &Typed::small, "");
    s.Field("float", &Typed::real, "");
    s.Field("bool", &Typed::flag, "");
    s.Field("duration", &Typed::duration, "");
    s.Field("strings", &Typed::strings, "");
    s.Field("ints", &Typed::ints, "");
    s.Field("map", &Typed::map, "");
    s.Field("any_map", &Typed::any_map, "");
    s.Field("any", &Typed::any, "");
    s.Field("secret", &Typed::secret, "");
    s.Field("headers", &Typed::headers, "");
    s.Field("struct", &Typed::sub, "");
    s.Field("structs", &Typed::structs, "");
    s.Field("section", &Typed::section, "");
  }
};

Value DumpOpen(const Typed& t) {
  Value v = Dump(t);
  v.Set("secret", Value::String(t.secret.value()));
  Value headers = Value::MakeMap();
  for (auto& [name, value] : t.headers.entries) headers.Set(name, Value::String(value.value()));
  v.Set("headers", std::move(headers));
  return v;
}

// Fields that differ from their defaults.
Value Changed(const Typed& t) {
  Value all = DumpOpen(t), defaults = DumpOpen(Typed()), out = Value::MakeMap();
  for (auto& [k, v] : all.map()) {
    if (!(v == *defaults.Find(k))) out.Set(k, v);
  }
  return out;
}

// Compares with what JSON says; what it cannot say is written {"float": "+Inf"}, {"uint64": "..."} and {"time": "..."}.
bool Same(const Value& got, const Value& want) {
  if (want.is_map() && want.map().size() == 1) {
    auto& [kind, text] = want.map()[0];
    if (kind == "float" && text.is_string()) return got.is_double() && !std::isfinite(got.double_value());
    if (kind == "uint64") return got.is_double();
    if (kind == "time") return got.is_string();
  }
  if (want.is_list() && got.is_list()) {
    if (want.list().size() != got.list().size()) return false;
    for (size_t i = 0; i < want.list().size(); ++i) {
      if (!Same(got.list()[i], want.list()[i])) return false;
    }
    return true;
  }
  if (want.is_map() && got.is_map()) {
    if (want.map().size() != got.map().size()) return false;
    for (auto& [k, v] : want.map()) {
      const Value* other = got.Find(k);
      if (!other || !Same(*other, v)) return false;
    }
    return true;
  }
  if (want.is_int() && got.is_double()) return got.double_value() == static_cast<double>(want.int_value());
  if (want.is_double() && got.is_int()) return want.double_value() == static_cast<double>(got.int_value());
  return got == want;
}

struct Answer {
  Value value;
  std::string error;
};

Answer Ask(const Value& document, const Value& vector) {
  auto look = [&](const char* kind, const std::string& name) -> std::optional<std::string> {
    for (const Value* from : {vector.Find(kind), document.Find(kind)}) {
      if (const Value* v = from ? from->Find(name) : nullptr) return v->string_value();
    }
    return std::nullopt;
  };
  Sources sources;
  sources.env = [&](const std::string& name) { return look("env", name); };
  sources.read_file = [&](const std::string& path) -> Result<std::string> {
    auto text = look("files", path.rfind("./", 0) == 0 ? path.substr(2) : path);
    if (!text) return Fail(Code::kNotFound, "no such file or directory");
    return *text;
  };
  std::vector<std::string> uris;
  for (auto& u : vector.Find("uris")->list()) uris.push_back(u.string_value());
  MergeOptions options;
  options.append_lists = vector.Find("gates") != nullptr;
  auto v = Resolve(uris, sources, options);
  if (!v) return {Value(), v.error().message};
  if (vector.Find("emit")) return {Value::String(ToYaml(*v)), ""};
  if (!vector.Find("typed")) return {std::move(*v), ""};
  Typed t;
  Issues issues;
  Decode(*v, t, issues);
  if (!issues.empty()) return {Value(), issues.ToString()};
  return {Changed(t), ""};
}

TEST(Reference, AnswersAsRecorded) {
  std::ifstream in(NARU_SOURCE_DIR "/tests/conf/vectors.json");
  ASSERT_TRUE(in) << "run in the root of the source tree";
  std::stringstream text;
  text << in.rdbuf();
  auto document = ParseYaml(text.str(), "vectors.json");
  ASSERT_TRUE(document) << document.error().message;
  const auto& vectors = document->Find("vectors")->list();
  EXPECT_GT(vectors.size(), 500u);
  int differ = 0;
  for (auto& v : vectors) {
    Answer got = Ask(*document, v);
    std::string name = v.Find("name")->string_value();
    const Value* error = v.Find("error");
    const Value* why = v.Find("why");
    if (why) {
      ++differ;
      EXPECT_FALSE(why->string_value().empty()) << name;
      const Value& naru = *v.Find("naru");
      const Value* part = naru.Find("error");
      if (part) {
        EXPECT_THAT(got.error, ::testing::HasSubstr(part->string_value())) << name;
      } else {
        EXPECT_EQ(got.error, "") << name;
        EXPECT_TRUE(Same(got.value, *naru.Find("value"))) << name << ": got " << ToJson(got.value);
      }
    } else if (error) {
      EXPECT_NE(got.error, "") << name << ": the reference refuses it (" << error->string_value() << "), got "
                               << ToJson(got.value);
    } else {
      EXPECT_EQ(got.error, "") << name;
      EXPECT_TRUE(Same(got.value, *v.Find("want")))
          << name << ": got " << ToJson(got.value) << ", the reference has " << ToJson(*v.Find("want"));
    }
  }
  EXPECT_LT(differ, 40) << "too many deliberate differences to call it compatible";
}

}  // namespace
}  // namespace naru::conf
