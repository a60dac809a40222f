#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conf/component_id.h"
#include "conf/resolve.h"
#include "conf/scalar.h"
#include "conf/schema.h"
#include "conf/yaml.h"

namespace naru::conf {
namespace {

using ::testing::HasSubstr;

TEST(Yaml, ScalarsAsGoResolvesThem) {
  struct Case {
    const char* text;
    const char* json;
  };
  const Case cases[] = {
      {"1", "1"},
      {"0123", "83"},
      {"0x1F", "31"},
      {"0o17", "15"},
      {"0b101", "5"},
      {"1_000", "1000"},
      {"-5", "-5"},
      {"+5", "5"},
      {"1.5", "1.5"},
      {"1e3", "1000"},
      {".5", "0.5"},
      {"true", "true"},
      {"True", "true"},
      {"yes", "\"yes\""},
      {"off", "\"off\""},
      {"~", "null"},
      {"null", "null"},
      {"''", "\"\""},
      {"\"1\"", "\"1\""},
      {"08", "8"},
      {"1:2", "\"1:2\""},
      {".inf", "\".inf\""},
      {"[1, a]", "[1,\"a\"]"},
      {"{a: 1}", "{\"a\":1}"},
      {"2001-01-01", "\"2001-01-01\""},
      {"!!str 1", "\"1\""},
      {"a: &x 1\nb: *x", "{\"a\":1,\"b\":1}"},
      {"a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}", "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"p\":1,\"q\":3}}"},
  };
  for (auto& c : cases) {
    auto v = ParseYaml(c.text, "t");
    ASSERT_TRUE(v) << c.text << ": " << v.error().message;
    EXPECT_EQ(ToJson(*v), c.json) << c.text;
  }
}

TEST(Yaml, ErrorsSayWhere) {
  const std::pair<const char*, const char*> cases[] = {
      {"a: 1\na: 2", "t:2:1: mapping key \"a\" already defined at line 1"},
      {"a: [1", "t:"},
      {"a: *nope", "t:1:4: unknown anchor 'nope'"},
      {"a: {<<: 3}", "map merge requires"},
  };
  for (auto& [text, want] : cases) {
    auto v = ParseYaml(text, "t");
    ASSERT_FALSE(v) << text;
    EXPECT_THAT(v.error().message, HasSubstr(want));
  }
}

TEST(Yaml, HostileDocumentsAreBounded) {
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "[";
  EXPECT_FALSE(ParseYaml(deep, "t"));
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    laughs += fmt::format("a{}: &a{} [", i, i);
    for (int k = 0; k < 10; ++k) laughs += fmt::format("{}*a{}", k ? ", " : "", i - 1);
    laughs += "]\n";
  }
  auto v = ParseYaml(laughs, "t");
  ASSERT_FALSE(v);
  EXPECT_THAT(v.error().message, HasSubstr("more than 200000 values"));
}

Sources TestSources() {
  Sources s;
  s.env = [](const std::string& n) -> std::optional<std::string> {
    if (n == "NUM") return "0123";
    if (n == "PORT") return "4317";
    if (n == "HOST") return "localhost";
    if (n == "EMPTY") return "";
    if (n == "LIST") return "[a, b]";
    if (n == "MAP") return "{a: 1}";
    if (n == "NAME") return "PORT";
    if (n == "REF") return "${env:PORT}";
    if (n == "BOOL") return "true";
    return std::nullopt;
  };
  s.read_file = [](const std::string& p) -> Result<std::string> {
    if (p == "sub.yaml") return std::string("x:\n  y: ${env:PORT}\n");
    if (p == "text.txt") return std::string("secret\n");
    return Fail(Code::kNotFound, "no such file or directory");
  };
  return s;
}

TEST(Resolve, Expansion) {
  struct Case {
    const char* yaml;
    const char* json;
  };
  const Case cases[] = {
      {"a: ${env:PORT}", "{\"a\":4317}"},
      {"a: ${PORT}", "{\"a\":4317}"},
      {"a: $PORT", "{\"a\":\"$PORT\"}"},
      {"a: ${env:NUM}", "{\"a\":83}"},
      {"a: ${env:HOST}:${env:NUM}", "{\"a\":\"localhost:0123\"}"},
      {"a: ${env:UNSET}", "{\"a\":null}"},
      {"a: ${env:UNSET:-def}", "{\"a\":\"def\"}"},
      {"a: ${UNSET:-5}", "{\"a\":5}"},
      {"a: ${env:EMPTY:-def}", "{\"a\":null}"},
      {"a: ${env:LIST}", "{\"a\":[\"a\",\"b\"]}"},
      {"a: ${env:${env:NAME}}", "{\"a\":4317}"},
      {"a: ${env:REF}", "{\"a\":4317}"},
      {"a: $${env:PORT}", "{\"a\":\"${env:PORT}\"}"},
      {"a: $$$${env:PORT}", "{\"a\":\"$${env:PORT}\"}"},
      {"a: $$x", "{\"a\":\"$x\"}"},
      {"a: ${file:sub.yaml}", "{\"a\":{\"x\":{\"y\":4317}}}"},
      {"a: p-${file:text.txt}", "{\"a\":\"p-secret\\n\"}"},
      {"a: \"${yaml:[1, 2]}\"", "{\"a\":[1,2]}"},
      {"a::b::c: 1", "{\"a\":{\"b\":{\"c\":1}}}"},
  };
  for (auto& c : cases) {
    auto v = Resolve({std::string("yaml:") + c.yaml}, TestSources());
    ASSERT_TRUE(v) << c.yaml << ": " << v.error().message;
    EXPECT_EQ(ToJson(*v), c.json) << c.yaml;
  }
}

TEST(Resolve, ExpansionErrors) {
  const std::pair<const char*, const char*> cases[] = {
      {"a: ${env:1X}", "has invalid name"},
      {"a: ${nope:X}", "scheme \"nope\" is not supported"},
      {"a: ${file:missing}", "no such file"},
      {"a: ${env:LOOP}", "too many recursive expansions"},
  };
  for (auto& [yaml, want] : cases) {
    Sources s = TestSources();
    auto env = s.env;
    s.env = [env](const std::string& n) { return n == "LOOP" ? std::optional<std::string>("${env:LOOP}") : env(n); };
    auto v = Resolve({std::string("yaml:") + yaml}, s);
    ASSERT_FALSE(v) << yaml;
    EXPECT_THAT(v.error().message, HasSubstr(want));
  }
}

TEST(Resolve, HostileReferencesAreBounded) {
  const std::string big(1 << 20, 'x');
  const std::pair<const char*, std::string> cases[] = {
      {"a: ${env:L}", "${env:L}"},
      {"a: ${env:L}", "${env:L}${env:L}x"},
      {"a: y${env:L}", "${env:L}" + big},
      {"a: ${env:L}", "['${env:L}', '${env:L}', '${env:L}']"},
      {"a: ${env:L}", "{a: '${env:L}', b: {c: '${env:L}'}}"},
      {"a: ${env:L}", "a: |\n  ${env:L}\nb: |\n  ${env:L}\n"},
      {"a: ${env:L}", std::string(3 << 20, '[')},
      {"a: ${env:L}", std::string(17 << 20, 'x')},
  };
  for (auto& [yaml, loop] : cases) {
    Sources s;
    s.env = [&](const std::string&) { return loop; };
    auto v = Resolve({std::string("yaml:") + yaml}, s);
    if (v) {  // what cannot be read is a string
      EXPECT_EQ(v->Find("a")->string_value(), loop);
      continue;
    }
    EXPECT_THAT(v.error().message, ::testing::AnyOf(HasSubstr("too many recursive"), HasSubstr("larger than 16 MiB")));
    EXPECT_LT(v.error().message.size(), 5000u);
  }
}

TEST(Resolve, TellsOfUnsetAndEmptyVariables) {
  Sources s = TestSources();
  std::vector<std::string> warnings, infos;
  s.warn = [&](const std::string& m) { warnings.push_back(m); };
  s.info = [&](const std::string& m) { infos.push_back(m); };
  auto v = Resolve({"yaml:{a: '${env:NOPE}', b: '${EMPTY}', c: '${env:NOPE:-x}', d: '${env:MAPREF}'}"}, s);
  ASSERT_TRUE(v);
  EXPECT_THAT(warnings,
              ::testing::ElementsAre("yaml:1:5: Configuration references unset environment variable NOPE",
                                     "yaml:1:59: Configuration references unset environment variable MAPREF"));
  EXPECT_THAT(infos, ::testing::ElementsAre("yaml:1:23: Configuration references empty environment variable EMPTY"));
}

TEST(Resolve, FetchesOverHttp) {
  Sources s = TestSources();
  EXPECT_THAT(Resolve({"http://h/c.yaml"}, s).error().message, HasSubstr("http: is not available here"));
  std::vector<std::string> urls;
  s.fetch = [&](const std::string& url) -> Result<std::string> {
    urls.push_back(url);
    if (url == "https://h/no") return Fail(Code::kUnavailable, "status 503");
    return std::string("a:\n  b: ${env:PORT}\n");
  };
  auto v = Resolve({"http://h/c.yaml", "yaml:c: ${https://h/x?y=1}"}, s);
  ASSERT_TRUE(v) << v.error().message;
  EXPECT_EQ(ToJson(*v), "{\"a\":{\"b\":4317},\"c\":{\"a\":{\"b\":4317}}}");
  EXPECT_THAT(urls, ::testing::ElementsAre("http://h/c.yaml", "https://h/x?y=1"));
  EXPECT_THAT(Resolve({"https://h/no"}, s).error().message, HasSubstr("unable to read https://h/no: status 503"));
}

TEST(Resolve, ReportsAllErrorsWithPlaces) {
  Sources s = TestSources();
  auto v = Resolve({"yaml:a: ${env:1}\nb: [x, '${nope:x}']\nc: ${file:none}"}, s);
  ASSERT_FALSE(v);
  EXPECT_EQ(v.error().message,
            "yaml:1:4: environment variable \"1\" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$\n"
            "yaml:2:8: scheme \"nope\" is not supported for uri \"nope:x\" (file, env, yaml, http, https are known)\n"
            "yaml:3:4: unable to read the file file:none: no such file or directory");
  v = Resolve({"none.yaml", "yaml:[1]", "yaml:a: {", "nope:x"}, s);
  ASSERT_FALSE(v);
  for (const char* part : {"unable to read the file file:none.yaml", "must be a map of sections, got a list",
                           "yaml:2:1: did not find", "unsupported scheme on URI \"nope:x\""}) {
    EXPECT_THAT(v.error().message, HasSubstr(part));
  }
}

TEST(Resolve, SetFlags) {
  const std::pair<const char*, const char*> cases[] = {
      {"a.b=1", "yaml:a::b: 1"}, {" a.b = x ", "yaml:a::b: x"},       {"a=", "yaml:a: "},
      {"a=b=c", "yaml:a: b=c"},  {"a.b=[1, 2]", "yaml:a::b: [1, 2]"},
  };
  for (auto& [in, want] : cases) EXPECT_EQ(*SetToUri(in), want);
  EXPECT_FALSE(SetToUri("a.b"));
}

TEST(Resolve, MergeReplacesListsAndNullsAndJoinsMaps) {
  auto v = Resolve({"yaml:a: {b: 1, l: [1, 2], n: {x: 1}}", "yaml:a: {c: 2, l: [3], n: null}", *SetToUri("a.b=7")},
                   TestSources());
  ASSERT_TRUE(v) << v.error().message;
  EXPECT_EQ(ToJson(*v), "{\"a\":{\"b\":7,\"c\":2,\"l\":[3],\"n\":null}}");
  MergeOptions append{true};
  v = Resolve({"yaml:service: {extensions: [a]}", "yaml:service: {extensions: [b, a]}"}, TestSources(), append);
  ASSERT_TRUE(v);
  EXPECT_EQ(ToJson(*v), "{\"service\":{\"extensions\":[\"a\",\"b\"]}}");
  EXPECT_FALSE(SetToUri("novalue"));
}

struct Inner {
  int64_t size = 7;
  static void Describe(Struct<Inner>& s) { s.Field("size", &Inner::size, "size"); }
  void Validate(Issues& issues) const {
    if (size < 0) issues.Add("size", "must not be negative");
  }
};
struct Outer {
  Duration timeout = std::chrono::seconds(5);
  std::string name;
  Secret token;
  bool on = false;
  uint16_t port = 0;
  std::vector<std::string> tags = {"x"};
  Optional<Inner> inner;
  HeaderMap headers;
  static void Describe(Struct<Outer>& s) {
    s.Field("timeout", &Outer::timeout, "time");
    s.Field("name", &Outer::name, "name");
    s.Field("token", &Outer::token, "token");
    s.Field("on", &Outer::on, "switch");
    s.Field("port", &Outer::port, "port");
    s.Field("tags", &Outer::tags, "tags");
    s.Field("inner", &Outer::inner, "inner");
    s.Field("headers", &Outer::headers, "headers");
    s.Ignored("gc", "does nothing");
  }
};

std::string DecodeErrors(const char* yaml, Outer& out) {
  auto v = Resolve({std::string("yaml:") + yaml}, TestSources());
  EXPECT_TRUE(v) << v.error().message;
  Issues issues;
  Decode(*v, out, issues);
  return issues.ToString();
}

TEST(Schema, DecodesStrictly) {
  Outer o;
  EXPECT_EQ(DecodeErrors("timeout: 1m30s\nname: ${env:NUM}\ntoken: abc\non: true\nport: 4317\ntags: "
                         "'a,b'\ninner: {}\nheaders: [{name: A, value: b}]\ngc: 5",
                         o),
            "");
  EXPECT_EQ(o.timeout, std::chrono::seconds(90));
  EXPECT_EQ(o.name, "0123");
  EXPECT_EQ(o.tags, (std::vector<std::string>{"a", "b"}));
  ASSERT_TRUE(o.inner);
  EXPECT_EQ(o.inner->size, 7);
  EXPECT_EQ(o.headers.entries.at(0).second.value(), "b");
  std::string dump = ToJson(Dump(o));
  EXPECT_THAT(dump, HasSubstr("\"token\":\"[REDACTED]\""));
  EXPECT_EQ(dump.find("abc"), std::string::npos);
}

TEST(Schema, ReportsEveryErrorWithItsPlace) {
  Outer o;
  auto v = ParseYaml("timeout: 5\nname: 7\non: 'yes'\nport: 70000\ntimout: 1s\ninner:\n  size: -1\n", "c.yaml");
  Issues issues;
  Decode(*v, o, issues);
  std::string all = issues.ToString();
  EXPECT_THAT(all, HasSubstr("c.yaml:2:7: name: expected a string"));
  EXPECT_THAT(all, HasSubstr("c.yaml:3:5: on: expected true or false, got a string 'yes'"));
  EXPECT_THAT(all, HasSubstr("c.yaml:4:7: port: 70000 is out of range"));
  EXPECT_THAT(all, HasSubstr("c.yaml:5:9: timout: unknown key (did you mean \"timeout\"?)"));
  EXPECT_THAT(all, HasSubstr("c.yaml:7:9: inner::size: must not be negative"));
  EXPECT_EQ(issues.all().size(), 5u);
}

TEST(Schema, SecretsStayOutOfErrors) {
  Outer o;
  EXPECT_EQ(DecodeErrors("token: {a: hunter2}", o).find("hunter2"), std::string::npos);
}

TEST(ComponentId, Parses) {
  EXPECT_EQ(ComponentId::Parse("otlp/2")->name, "2");
  EXPECT_EQ(ComponentId::Parse("memory_limiter")->type, "memory_limiter");
  EXPECT_EQ(ComponentId::Parse(" otlp / a.b-c/d*e:f#g@h ")->name, "a.b-c/d*e:f#g@h");
  EXPECT_EQ(ComponentId::Parse("nop/a\u00a7\u00e9b")->name, "a\u00a7\u00e9b");
  for (const char* bad : {"", "/x", "otlp/", "2x", "a b/c", "nop/a b", "nop/a$b", "nop/a|b", "nop/a\u20acb",
                          "nop/a\u00b0b", "nop/a\u2192b", "nop/\xff", "nop/\xc3"})
    EXPECT_FALSE(ComponentId::Parse(bad)) << bad;
}

TEST(Scalar, Durations) {
  const std::pair<const char*, const char*> cases[] = {{"1h2m3.5s", "1h2m3.5s"},
                                                       {"200ms", "200ms"},
                                                       {"90s", "1m30s"},
                                                       {"1.5ms", "1.5ms"},
                                                       {"0", "0s"},
                                                       {"-1us", "-1\xc2\xb5s"},
                                                       {"1h", "1h0m0s"},
                                                       {"3.5035s", "3.5035s"},
                                                       {"-9223372036854775808ns", "-2562047h47m16.854775808s"},
                                                       {"0.3333333333333333333h", "20m0s"},
                                                       {"1.000000001s", "1.000000001s"},
                                                       {"2562047h47m16.854775807s", "2562047h47m16.854775807s"}};
  for (auto& [in, out] : cases) {
    auto d = ParseDuration(in);
    ASSERT_TRUE(d) << in;
    EXPECT_EQ(FormatDuration(*d), out);
  }
  for (const char* bad : {"", "5", "s", "1x", "99999999h", "9223372036854775808ns", "1.s.", "- 1s"})
    EXPECT_FALSE(ParseDuration(bad)) << bad;
}

TEST(Yaml, EmitsBytesThatAreNoText) {
  const std::pair<std::string, const char*> cases[] = {
      {"\xff", "!!binary /w==\n"},   {"\xff\xfe", "!!binary //4=\n"},
      {"a\xc3z", "!!binary YcN6\n"}, {"\xed\xa0\x80!", "!!binary 7aCAIQ==\n"},  // half of a surrogate pair
      {"\xc3\xa9", "\xc3\xa9\n"},
  };
  for (auto& [bytes, yaml] : cases) {
    EXPECT_EQ(ToYaml(Value::String(bytes)), yaml);
    EXPECT_EQ(ParseYaml(yaml, "t")->string_value(), bytes);
  }
  EXPECT_EQ(ToJson(Value::String("a\xffz")), "\"a\\ufffdz\"");
}

TEST(Yaml, Emission) {
  auto v = ParseYaml("b: [1, {x: y}]\na: {c: 'true', d: '', e: ~, f: 'a: b'}\n", "t");
  EXPECT_EQ(ToYaml(*v), "a:\n    c: \"true\"\n    d: \"\"\n    e: null\n    f: 'a: b'\nb:\n    - 1\n    - x: \"y\"\n");
}

}  // namespace
}  // namespace naru::conf
