// The field table: what decodes, what is validated, and what is printed from it.
#include "conf/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "conf/resolve.h"
#include "conf/yaml.h"

namespace naru::conf {

enum class Color { kRed, kGreen };
template <>
struct EnumNames<Color> {
  static constexpr std::pair<std::string_view, Color> kNames[] = {{"red", Color::kRed}, {"green", Color::kGreen}};
};
enum class Level { kBasic, kDetailed };
template <>
struct EnumNames<Level> {
  static constexpr std::pair<std::string_view, Level> kNames[] = {{"Basic", Level::kBasic},
                                                                  {"Detailed", Level::kDetailed}};
  static constexpr bool kIgnoreCase = true;
};

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Client {
  std::string endpoint;
  Duration timeout = std::chrono::seconds(5);
  static void Describe(Struct<Client>& s) {
    s.Field("endpoint", &Client::endpoint, "where to send");
    s.Field("timeout", &Client::timeout, "how long a request may take");
    s.Renamed("url", "endpoint");
  }
  void Validate(Issues& issues) const {
    if (endpoint.empty()) issues.Add("endpoint", "must be given");
  }
};

struct Rule {
  std::string key;
  static void Describe(Struct<Rule>& s) { s.Field("key", &Rule::key, "a | b"); }
  void Validate(Issues& issues) const {
    if (key.empty()) issues.Add("key", "must not be empty");
  }
};

struct Queue {
  bool enabled = true;
  int64_t size = 10;
  static void Describe(Struct<Queue>& s) {
    s.Field("enabled", &Queue::enabled, "switch");
    s.Field("size", &Queue::size, "how many");
  }
};

struct Config {
  Client client;
  Color color = Color::kRed;
  Level level = Level::kBasic;
  Optional<Rule> rule;
  Optional<Queue> queue = Optional<Queue>::Default({});
  Optional<int64_t> limit{5};
  std::vector<Rule> rules;
  std::map<std::string, Rule> named;
  std::string old_mode;
  uint8_t tiny = 1;
  uint64_t huge = 2;
  int32_t small = 3;
  Secret token;
  HeaderMap headers;
  static void Describe(Struct<Config>& s) {
    s.Squash(&Config::client);
    s.Field("color", &Config::color, "paint");
    s.Field("level", &Config::level, "how much");
    s.Field("rule", &Config::rule, "one rule");
    s.Field("queue", &Config::queue, "waiting");
    s.Field("limit", &Config::limit, "bound");
    s.Field("rules", &Config::rules, "rules in order");
    s.Field("named", &Config::named, "rules by name");
    s.Field("tiny", &Config::tiny, "8 bits");
    s.Field("huge", &Config::huge, "64 bits");
    s.Field("small", &Config::small, "32 bits");
    s.Field("token", &Config::token, "secret");
    s.Field("headers", &Config::headers, "more secrets");
    s.Alias("colour", "color");
    s.Deprecated("mode", &Config::old_mode, "write `level`");
    s.Ignored("gc", "tunes a garbage collector that naru does not have");
  }
};

struct Outcome {
  Config config;
  std::string errors;
  std::vector<std::string> warnings;
};

Outcome Read(const std::string& yaml) {
  Outcome out;
  auto v = ParseYaml(yaml, "c.yaml");
  EXPECT_TRUE(v) << v.error().message;
  if (!v) return out;
  Issues issues;
  Decode(*v, out.config, issues);
  out.errors = issues.ToString();
  for (auto& w : issues.warnings()) out.warnings.push_back(w.ToString());
  return out;
}

TEST(Schema, Errors) {
  // Each document is one error: the whole text of it.
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "c.yaml:1:1: endpoint: must be given\n"},
      {"endpoint: ''", "c.yaml:1:11: endpoint: must be given\n"},
      {"{endpoint: a, color: blue}", "c.yaml:1:22: color: \"blue\" is not one of red, green\n"},
      {"{endpoint: a, color: gren}",
       "c.yaml:1:22: color: \"gren\" is not one of red, green (did you mean \"green\"?)\n"},
      {"{endpoint: a, color: Red}", "c.yaml:1:22: color: \"Red\" is not one of red, green (did you mean \"red\"?)\n"},
      {"{endpoint: a, color: 1}", "c.yaml:1:22: color: expected one of red, green, got an integer '1'\n"},
      {"{endpoint: a, color: red, colour: green}",
       "c.yaml:1:35: colour: is another spelling of \"color\", which is given too: leave one\n"},
      {"{endpoint: a, url: b}",
       "c.yaml:1:20: url: is another spelling of \"endpoint\", which is given too: leave one\n"},
      {"{endpoint: a, rule: {}}", "c.yaml:1:21: rule::key: must not be empty\n"},
      {"{endpoint: a, rule: {enabled: 1}}", "c.yaml:1:31: rule::enabled: expected true or false, got an integer '1'\n"},
      {"{endpoint: a, rule: {enabled: false, nope: 1}}",
       "c.yaml:1:44: rule::nope: unknown key; the keys here are key\n"},
      {"{endpoint: a, rules: [{key: a}, {}, {key: ''}, {kee: a}]}",
       "c.yaml:1:33: rules::1::key: must not be empty\nc.yaml:1:43: rules::2::key: must not be empty\n"
       "c.yaml:1:54: rules::3::kee: unknown key (did you mean \"key\"?)\n"},
      {"{endpoint: a, named: {x: , y: {key: 1}}}",
       "c.yaml:1:26: named::x::key: must not be empty\n"
       "c.yaml:1:37: named::y::key: expected a string (put quotes around it), got an integer '1'\n"},
      {"{endpoint: a, tiny: 256}", "c.yaml:1:21: tiny: 256 is out of range (0 to 255)\n"},
      {"{endpoint: a, tiny: -1}", "c.yaml:1:21: tiny: -1 is out of range (0 to 255)\n"},
      {"{endpoint: a, huge: -1}", "c.yaml:1:21: huge: -1 is out of range (0 to 18446744073709551615)\n"},
      {"{endpoint: a, small: 2147483648}",
       "c.yaml:1:22: small: 2147483648 is out of range (-2147483648 to 2147483647)\n"},
      {"{endpoint: a, limit: x}", "c.yaml:1:22: limit: expected an integer, got a string 'x'\n"},
      {"{endpoint: a, headers: {a: 1}}",
       "c.yaml:1:28: headers::a: expected a string (put quotes around it), got an integer\n"},
      {"{endpoint: a, headers: [{name: a, value: b}, {name: a}]}",
       "c.yaml:1:46: headers::1: header \"a\" is given twice\n"},
      {"{endpoint: a, headers: x}",
       "c.yaml:1:24: headers: expected a map of headers, or a list of {name, value}, got a string 'x'\n"},
      {"[a]", "c.yaml:1:1: expected a map, got a list\n"},
  };
  for (auto& [yaml, want] : cases) EXPECT_EQ(Read(yaml).errors, want) << yaml;
}

TEST(Schema, AcceptsAndWarns) {
  Outcome o = Read("url: a\ncolour: green\nlevel: DETAILED\nmode: x\ngc: {any: [thing]}\n");
  EXPECT_EQ(o.errors, "");
  EXPECT_EQ(o.config.client.endpoint, "a");
  EXPECT_EQ(o.config.color, Color::kGreen);
  EXPECT_EQ(o.config.level, Level::kDetailed);
  EXPECT_EQ(o.config.old_mode, "x");
  EXPECT_THAT(o.warnings, ElementsAre("c.yaml:1:6: url: is deprecated: use \"endpoint\"",
                                      "c.yaml:4:7: mode: is deprecated: write `level`"));
}

TEST(Schema, SectionsAreSwitchedByTheirKey) {
  struct Case {
    const char* yaml;
    bool rule, queue, limit;
  };
  const Case cases[] = {
      {"{endpoint: a}", false, false, true},
      {"{endpoint: a, rule: {key: x}, queue: }", true, true, true},
      {"{endpoint: a, rule: {key: x, enabled: true}}", true, false, true},
      {"{endpoint: a, rule: {enabled: false}}", false, false, true},
      // A field of that name is the section's own affair.
      {"{endpoint: a, queue: {enabled: false}}", false, true, true},
      // Null leaves a section as it is, but for those that their key alone turns on.
      {"{endpoint: a, rule: , limit: }", false, false, true},
      {"{endpoint: a, rule: {enabled: false}, queue: ~}", false, true, true},
      {"{endpoint: a, limit: 7}", false, false, true},
  };
  for (auto& c : cases) {
    Outcome o = Read(c.yaml);
    EXPECT_EQ(o.errors, "") << c.yaml;
    EXPECT_EQ(static_cast<bool>(o.config.rule), c.rule) << c.yaml;
    EXPECT_EQ(static_cast<bool>(o.config.queue), c.queue) << c.yaml;
    EXPECT_EQ(static_cast<bool>(o.config.limit), c.limit) << c.yaml;
  }
  EXPECT_EQ(*Read("{endpoint: a, limit: 7}").config.limit, 7);
  EXPECT_FALSE(Read("{endpoint: a, queue: {enabled: false}}").config.queue->enabled);
}

TEST(Schema, SecretsPrintNowhere) {
  Outcome o = Read("{endpoint: a, token: hunter2, headers: {authorization: hunter3}}");
  EXPECT_EQ(o.errors, "");
  EXPECT_EQ(o.config.token.value(), "hunter2");
  std::ostringstream out;
  out << o.config.token << ::testing::PrintToString(o.config.token);
  Value dump = Dump(o.config);
  for (const std::string& text : {out.str(), ToJson(dump), ToYaml(dump), ToPrettyJson(dump)}) {
    EXPECT_THAT(text, HasSubstr("[REDACTED]"));
    EXPECT_EQ(text.find("hunter"), std::string::npos) << text;
  }
}

TEST(Schema, PasswordsInUrlsPrintNowhere) {
  for (auto [given, shown] : {std::pair{"http://ada:hunter2@proxy:3128/a", "http://ada:[REDACTED]@proxy:3128/a"},
                              {"http://ada:hun@ter2@proxy", "http://ada:[REDACTED]@proxy"},
                              {"http://proxy:3128/a@b", "http://proxy:3128/a@b"},
                              {"http://ada@proxy:3128", "http://ada@proxy:3128"},
                              {"proxy:3128", "proxy:3128"}}) {
    Outcome o = Read(std::string("{endpoint: '") + given + "'}");
    EXPECT_EQ(o.errors, "");
    EXPECT_EQ(Dump(o.config).Find("endpoint")->string_value(), shown);
    EXPECT_EQ(Dump(o.config, true).Find("endpoint")->string_value(), given);
  }
}

TEST(Schema, MarkdownTable) {
  EXPECT_EQ(MarkdownTable<Config>(),
            "| key | type | default | meaning |\n"
            "|---|---|---|---|\n"
            "| `endpoint` | string |  | where to send |\n"
            "| `timeout` | duration | `5s` | how long a request may take |\n"
            "| `color` | one of red, green | `red` | paint |\n"
            "| `level` | one of Basic, Detailed | `Basic` | how much |\n"
            "| `rule` | map | off | one rule |\n"
            "| `rule::enabled` | bool | `true` | switches the section on or off |\n"
            "| `rule::key` | string |  | a \\| b |\n"
            "| `queue` | map | off | waiting |\n"
            "| `queue::enabled` | bool | `true` | switch |\n"
            "| `queue::size` | int | `10` | how many |\n"
            "| `limit` | int | `5` | bound |\n"
            "| `rules` | list of map |  | rules in order |\n"
            "| `rules[]::key` | string |  | a \\| b |\n"
            "| `named` | map of map |  | rules by name |\n"
            "| `named::NAME::key` | string |  | a \\| b |\n"
            "| `tiny` | int | `1` | 8 bits |\n"
            "| `huge` | int | `2` | 64 bits |\n"
            "| `small` | int | `3` | 32 bits |\n"
            "| `token` | string (secret) |  | secret |\n"
            "| `headers` | map of string (secret) |  | more secrets |\n"
            "| `mode` | string |  | deprecated: write `level` |\n"
            "| `gc` | any | | tunes a garbage collector that naru does not have |\n");
}

TEST(Schema, JsonSchema) {
  Value s = JsonSchema(TypeOf<Config>(), Dump(Config()), "a test");
  EXPECT_EQ(s.Find("$schema")->string_value(), "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(s.Find("title")->string_value(), "a test");
  EXPECT_EQ(ToJson(*s.Find("additionalProperties")), "false");
  const Value& p = *s.Find("properties");
  const std::pair<const char*, const char*> cases[] = {
      {"endpoint", R"({"default":"","description":"where to send","type":["string","null"]})"},
      {"url", R"({"deprecated":true,"description":"where to send","type":["string","null"]})"},
      {"color",
       R"({"anyOf":[{"enum":["red","green",null]},{"pattern":"\\$\\{"}],"default":"red","description":"paint","type":["string","null"]})"},
      {"colour",
       R"({"anyOf":[{"enum":["red","green",null]},{"pattern":"\\$\\{"}],"description":"paint","type":["string","null"]})"},
      {"tiny", R"({"default":1,"description":"8 bits","pattern":"\\$\\{","type":["integer","string","null"]})"},
      {"rules",
       R"({"default":[],"description":"rules in order","items":{"additionalProperties":false,"pattern":"\\$\\{","properties":{"key":{"description":"a | b","type":["string","null"]}},"type":["object","string","null"]},"pattern":"\\$\\{","type":["array","string","null"]})"},
      {"named",
       R"({"additionalProperties":{"additionalProperties":false,"pattern":"\\$\\{","properties":{"key":{"description":"a | b","type":["string","null"]}},"type":["object","string","null"]},"default":{},"description":"rules by name","pattern":"\\$\\{","type":["object","string","null"]})"},
      {"gc", R"({"description":"tunes a garbage collector that naru does not have"})"},
  };
  for (auto& [key, want] : cases) {
    ASSERT_TRUE(p.Find(key)) << key;
    EXPECT_EQ(ToJson(*p.Find(key)), want);
  }
}

TEST(Schema, DefaultsDumpAndReadBack) {
  Outcome o = Read("{endpoint: a, rule: {key: x}, queue: {size: 3}, rules: [{key: y}], named: {z: {key: q}}}");
  ASSERT_EQ(o.errors, "");
  std::string text = ToYaml(Dump(o.config));
  Outcome again = Read(text);
  EXPECT_EQ(again.errors, "") << text;
  EXPECT_EQ(ToYaml(Dump(again.config)), text);
  EXPECT_EQ(again.config.named.at("z").key, "q");
}

TEST(Schema, MergedDocumentsErrAtTheirOwnFiles) {
  Sources s;
  s.read_file = [](const std::string& path) -> Result<std::string> {
    if (path == "a.yaml") return std::string("endpoint: a\nrule:\n  key: x\n");
    if (path == "b.yaml") return std::string("rule:\n  kei: y\ntoken: ${file:t.yaml}\n");
    if (path == "t.yaml") return std::string("x: ${env:T}\n");
    return Fail(Code::kNotFound, "no such file or directory");
  };
  auto v = Resolve({"a.yaml", "file:b.yaml", "yaml:tiny: x"}, s);
  ASSERT_TRUE(v) << v.error().message;
  Config c;
  Issues issues;
  Decode(*v, c, issues);
  std::string all = issues.ToString();
  EXPECT_THAT(all, HasSubstr("b.yaml:2:8: rule::kei: unknown key (did you mean \"key\"?)"));
  EXPECT_THAT(all, HasSubstr("yaml:1:7: tiny: expected an integer, got a string 'x'"));
  EXPECT_EQ(c.token.value(), "x: \n");  // a string takes the text of a file, its own references expanded
}

}  // namespace
}  // namespace naru::conf
