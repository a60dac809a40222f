// Rules of what a component says of itself: names, configuration, documentation. Nothing runs.
#include <algorithm>
#include <cctype>
#include <fstream>
#include <set>
#include <sstream>

#include "conf/component_id.h"
#include "conf/yaml.h"
#include "testkit/contract_rules.h"

namespace naru::testkit {
namespace {

using pipeline::Factory;
using pipeline::Kind;

bool IsTypeName(std::string_view name) {
  auto id = conf::ComponentId::Parse(name);
  return id && id->type == name && id->name.empty();
}

void NamesAreWellFormed(Trial& t) {
  const Factory& f = t.factory();
  t.Expect(IsTypeName(f.type), fmt::format("\"{}\" is no name of a component type", f.type));
  t.Expect(std::all_of(f.type.begin(), f.type.end(),
                       [](unsigned char c) { return std::islower(c) || std::isdigit(c) || c == '_'; }),
           "the type is not in lower case with underscores");
  std::set<std::string_view> names = {f.type};
  for (auto old : f.old_names) {
    t.Expect(IsTypeName(old), fmt::format("the old name \"{}\" is no name of a component type", old));
    t.Expect(names.insert(old).second, fmt::format("the name \"{}\" is there twice", old));
  }
  t.Expect(!f.module.empty(), "it does not say which module it stands in for (\"naru\": none)");
  t.Expect(f.summary.size() > 3 && f.summary.find('\n') == std::string_view::npos, "it has no summary of one line");

  const std::set<std::string_view> kLevels = {"stable", "beta", "alpha", "development", "deprecated"};
  auto level = [&](std::string_view which, std::string_view says) {
    t.Expect(says.empty() || kLevels.count(says), fmt::format("{}: no stability level \"{}\"", which, says));
  };
  int signals = 0;
  for (int i = 0; i < otlp::kSignals; ++i) {
    auto s = static_cast<otlp::Signal>(i);
    level(otlp::Names(s).name, f.stability.Of(s));
    signals += !f.stability.Of(s).empty();
  }
  level("extension", f.stability.extension);
  bool extension = f.kind == Kind::kExtension, connector = f.kind == Kind::kConnector;
  t.Expect(!f.stability.extension.empty() == extension, "the stability of extensions is for extensions");
  t.Expect(!f.stability.pairs.empty() == connector, "pairs of signals are for connectors, which have some");
  t.Expect((signals > 0) == (!extension && !connector), "signals are for receivers, processors and exporters");
  auto pairs = f.stability.pairs;
  std::sort(pairs.begin(), pairs.end());
  t.Expect(std::unique(pairs.begin(), pairs.end()) == pairs.end(), "a pair of signals is there twice");
  t.Expect(f.config_type().AsStruct() != nullptr, "its configuration is no struct");

  auto config = f.NewConfig();
  auto refuses = [&](Kind kind, const auto& made) {
    if (kind != f.kind) t.Expect(!made, fmt::format("it makes a {} too", pipeline::KindName(kind)));
  };
  if (f.kind != Kind::kReceiver) refuses(Kind::kReceiver, f.MakeReceiver(*config, {}));
  if (f.kind != Kind::kProcessor) refuses(Kind::kProcessor, f.MakeProcessor(*config, {}));
  if (f.kind != Kind::kExporter) refuses(Kind::kExporter, f.MakeExporter(*config, {}));
  if (f.kind != Kind::kConnector) refuses(Kind::kConnector, f.MakeConnector(*config, {}));
  if (f.kind != Kind::kExtension) refuses(Kind::kExtension, f.MakeExtension(*config, {}));
}

void ConfigurationsDecodeAndPrint(Trial& t) {
  // Nothing, and an empty map, are the defaults.
  auto plain = t.factory().NewConfig(), null = t.factory().NewConfig(), empty = t.factory().NewConfig();
  conf::Issues ignored;  // required keys
  null->Decode(conf::Value(), ignored);
  empty->Decode(conf::Value::MakeMap(), ignored);
  t.Expect(null->Dump() == plain->Dump(), "null is decoded to something else than the defaults");
  t.Expect(empty->Dump() == plain->Dump(), "an empty map is decoded to something else than the defaults");
  for (auto& tried : t.configs()) {
    t.At(tried.name);
    conf::Value dump = tried.config->Dump(true);
    auto read = conf::ParseYaml(conf::ToYaml(dump), "printed");
    if (!read) {
      t.Breach("what is printed cannot be read: " + read.error().message);
      continue;
    }
    auto again = t.factory().NewConfig();
    conf::Issues issues;
    again->Decode(*read, issues);
    t.Expect(issues.empty(), "what is printed is not accepted: " + issues.ToString());
    t.Expect(again->Dump(true) == dump, "what is printed is decoded to something else");
    t.Expect(conf::ToJson(tried.config->Dump(false)).size() > 1, "it prints nothing");
  }
  t.At("");
}

void TheSchemaNamesEveryKey(Trial& t) {
  const conf::Type& type = t.factory().config_type();
  conf::Value schema = conf::JsonSchema(type, t.factory().NewConfig()->Dump(), t.factory().type);
  t.Expect(schema.is_map() && schema.Find("$schema"), "there is no JSON schema");
  const conf::Value* properties = schema.Find("properties");
  for (auto& f : type.AsStruct()->fields())
    t.Expect(properties && properties->Find(f.name), fmt::format("the schema does not know {}", f.name));
  t.Expect(conf::ParseYaml(conf::ToJson(schema), "schema").has_value(), "the schema is no JSON");
}

std::string FileText(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// That tables are current and that examples load as whole configurations says apps/component_docs_test.cc.
void TheReadmeHasTablesAndAnExample(Trial& t) {
  if (t.subject().folder.empty()) return;
  std::string path = t.subject().folder + "/README.md", text = FileText(path);
  if (text.empty()) return t.Breach(path + " is missing");
  for (std::string mark : {"<!-- status -->", "<!-- /status -->", "<!-- config -->", "<!-- /config -->"})
    t.Expect(text.find(mark + "\n") != std::string::npos, fmt::format("{} has no line {}", path, mark));
  bool used = false;
  constexpr std::string_view kOpen = "```yaml\n";
  for (size_t at = text.find(kOpen); at != std::string::npos; at = text.find(kOpen, at)) {
    at += kOpen.size();
    size_t end = text.find("\n```", at);
    if (end == std::string::npos) return t.Breach(path + ": an example does not end");
    auto document = conf::ParseYaml(text.substr(at, end + 1 - at), path);
    if (!document) return t.Breach(document.error().message);
    const conf::Value* section = document->Find(pipeline::KindSection(t.factory().kind));
    for (auto& [id, value] : section && section->is_map() ? section->map() : conf::Value::Map()) {
      auto parsed = conf::ComponentId::Parse(id);
      used = used || (parsed && parsed->type == t.factory().type);
    }
  }
  t.Expect(used, fmt::format("{} has no example of {}", path, t.factory().type));
}

void UnknownKeysAreRefusedWhereTheyStand(Trial& t) {
  for (std::string text : {"\n  no_such_key: 1\n", "\n  no_such_key: {a: [1]}\n"}) {
    auto document = conf::ParseYaml(text, "there.yaml");
    if (!document) return t.Breach(document.error().message);
    conf::Issues issues;
    t.factory().NewConfig()->Decode(*document, issues);
    bool named = false;
    for (auto& i : issues.all()) {
      std::string line = i.ToString();
      named =
          named || (line.find("there.yaml:2:") != std::string::npos && line.find("no_such_key") != std::string::npos);
    }
    t.Expect(named, "an unknown key is not refused with its place: " + issues.ToString());
  }
  for (std::string text : {"[1, 2]", "a text", "1.5"}) {
    conf::Issues issues;
    t.factory().NewConfig()->Decode(*conf::ParseYaml(text, "there.yaml"), issues);
    t.Expect(issues.ToString().find("there.yaml:1:1") != std::string::npos,
             fmt::format("a configuration that is no map ({}) is not refused with its place", text));
  }
}

}  // namespace

void AddConfigRules(std::vector<RuleEntry>& rules) {
  const std::vector<Kind> all = {Kind::kReceiver, Kind::kProcessor, Kind::kExporter, Kind::kConnector,
                                 Kind::kExtension};
  rules.push_back({{"NamesAreWellFormed", "names, levels and signals fit the kind, and no other kind is made"},
                   all,
                   NamesAreWellFormed});
  rules.push_back(
      {{"ConfigurationsDecodeAndPrint", "what is printed is decoded to the same"}, all, ConfigurationsDecodeAndPrint});
  rules.push_back({{"TheSchemaNamesEveryKey", "there is a JSON schema with every key"}, all, TheSchemaNamesEveryKey});
  rules.push_back(
      {{"TheReadmeHasTablesAndAnExample", "the folder has a README with the generated parts and an example"},
       all,
       TheReadmeHasTablesAndAnExample});
  rules.push_back({{"UnknownKeysAreRefusedWhereTheyStand", "an unknown key is an error with file, line and column"},
                   all,
                   UnknownKeysAreRefusedWhereTheyStand});
}

}  // namespace naru::testkit
