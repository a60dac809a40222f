// Every component's folder has a README; its tables come from the code, and its examples load. Tables that are out of
// date are written anew with NARU_WRITE_DOCS=1 in the environment.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "apps/distributions/full.h"
#include "collector/plan.h"
#include "collector/telemetry_config.h"
#include "conf/component_id.h"
#include "conf/resolve.h"
#include "conf/schema.h"

namespace naru::apps {
namespace {

namespace fs = std::filesystem;
using pipeline::Factory;
using pipeline::Kind;
using pipeline::Signal;

const collector::Factories& All() {
  static const auto* all = new collector::Factories(FullDistribution());
  return *all;
}

std::string FileText(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string Folder(const Factory& f) {
  return std::string(NARU_SOURCE_DIR "/src/") + std::string(pipeline::KindSection(f.kind)) + "/" + std::string(f.type);
}

std::string StatusTable(const Factory& f) {
  std::string out = "| | |\n|---|---|\n";
  auto row = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) out += fmt::format("| {} | {} |\n", name, value);
  };
  if (f.kind == Kind::kExtension) {
    row("stability", std::string(f.stability.extension));
  } else if (f.kind == Kind::kConnector) {
    std::string pairs;
    for (auto& [from, to] : f.stability.pairs) {
      pairs += fmt::format("{}{} to {}", pairs.empty() ? "" : ", ", otlp::Names(from).name, otlp::Names(to).name);
    }
    row("signals", pairs);
  } else {
    std::string signals;
    for (int i = 0; i < otlp::kSignals; ++i) {
      auto level = f.stability.Of(static_cast<Signal>(i));
      if (level.empty()) continue;
      signals += fmt::format("{}{} ({})", signals.empty() ? "" : ", ", otlp::Names(static_cast<Signal>(i)).name, level);
    }
    row("signals", signals);
  }
  std::string old;
  for (auto n : f.old_names) old += fmt::format("{}`{}`", old.empty() ? "" : ", ", n);
  row("other names", old);
  row("stands in for", f.module == "naru" ? "" : fmt::format("`{}`", f.module));
  return out;
}

std::string ConfigTable(const Factory& f) {
  if (f.config_type().AsStruct()->fields().empty()) return "No keys.\n";
  return conf::MarkdownTable(f.config_type(), [&f](const conf::Value& document) {
    auto config = f.NewConfig();
    conf::Issues ignored;
    config->Decode(document, ignored);
    return config->Dump();
  });
}

// Compares what stands between <!-- name --> and <!-- /name --> with `text`, or puts it there when asked to.
void Generated(const std::string& path, const std::string& name, const std::string& text) {
  std::string all = FileText(path), open = "<!-- " + name + " -->\n", close = "<!-- /" + name + " -->";
  size_t from = all.find(open), to = all.find(close);
  if (from == std::string::npos || to == std::string::npos || to < from) {
    ADD_FAILURE() << path << " lacks the lines <!-- " << name << " --> and <!-- /" << name << " -->";
    return;
  }
  from += open.size();
  if (all.substr(from, to - from) == text) return;
  if (!std::getenv("NARU_WRITE_DOCS")) {
    ADD_FAILURE() << path << ": the part \"" << name << "\" is out of date; NARU_WRITE_DOCS=1 writes it anew";
    return;
  }
  std::ofstream(path) << all.replace(from, to - from, text);
}

std::vector<std::string> YamlBlocks(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = text.find("```yaml\n"); at != std::string::npos; at = text.find("```yaml\n", at)) {
    at += 8;
    size_t end = text.find("\n```", at);
    if (end == std::string::npos) break;
    out.push_back(text.substr(at, end + 1 - at));
    at = end;
  }
  return out;
}

conf::Sources TestSources() {
  conf::Sources s;
  // Variables that examples take secrets from are set; others have defaults.
  s.env = [](const std::string& name) { return name == "BACKEND" ? std::nullopt : std::optional<std::string>("x"); };
  s.read_file = [](const std::string& path) -> Result<std::string> {
    return Fail(Code::kNotFound, "{}: not read in tests", path);
  };
  return s;
}

// A configuration that uses what `yaml` configures and lacks: receivers and exporters of nothing, and pipelines.
conf::Value Complete(conf::Value doc, const Factory& f) {
  using conf::Value;
  if (doc.Find("service")) return doc;
  std::string section(pipeline::KindSection(f.kind)), id;
  if (const Value* components = doc.Find(section)) id = components->map().front().first;
  std::vector<std::string> pipelines;
  Value service = Value::MakeMap(), all = Value::MakeMap();
  auto nop = [&](std::string_view kind) {
    if (!doc.Find(kind)) doc.Set(kind, Value::MakeMap());
    if (!doc.Find(kind)->Find("nop")) doc.Find(kind)->Set("nop", Value());
  };
  auto list = [](const std::string& item) {
    Value v = Value::MakeList();
    v.list().push_back(Value::String(item));
    return v;
  };
  nop("receivers");
  nop("exporters");
  auto pipeline = [&](const std::string& name, const std::string& receiver, const std::string& exporter) {
    Value p = Value::MakeMap();
    p.Set("receivers", list(receiver));
    p.Set("exporters", list(exporter));
    if (f.kind == Kind::kProcessor) p.Set("processors", list(id));
    all.Set(name, std::move(p));
  };
  if (f.kind == Kind::kConnector) {
    for (auto& [from, to] : f.stability.pairs) {
      std::string a = std::string(otlp::Names(from).name) + "/from", b = std::string(otlp::Names(to).name) + "/to";
      pipeline(a, "nop", id);
      pipeline(b, id, "nop");
    }
  } else {
    for (int i = 0; i < otlp::kSignals; ++i) {
      auto signal = static_cast<Signal>(i);
      if (f.kind != Kind::kExtension && f.stability.Of(signal).empty()) continue;
      pipeline(std::string(otlp::Names(signal).name), f.kind == Kind::kReceiver ? id : "nop",
               f.kind == Kind::kExporter ? id : "nop");
    }
  }
  if (f.kind == Kind::kExtension) service.Set("extensions", list(id));
  service.Set("pipelines", std::move(all));
  doc.Set("service", std::move(service));
  return doc;
}

std::string PlanErrors(const conf::Value& doc) {
  conf::Issues issues;
  collector::PlanOptions options;
  options.profiles = true;
  collector::MakePlan(doc, All(), issues, options);
  return issues.ToString();
}

void CheckDocs(const conf::StructType& type, const std::string& path) {
  for (auto& f : type.fields()) {
    EXPECT_GT(f.doc.size(), 3u) << path << f.name << " has no description";
    EXPECT_TRUE(f.doc.empty() || f.doc.back() != '.') << path << f.name << ": descriptions end without a full stop";
    if (f.ignored) continue;
    if (auto* nested = f.type->AsStruct()) CheckDocs(*nested, path + f.name + "::");
    if (auto* item = f.type->Item(); item && item->AsStruct()) CheckDocs(*item->AsStruct(), path + f.name + "[]::");
  }
}

// Keys that are accepted and do nothing, or refused, say so in the table, and docs/gaps.md says why.
void CheckGaps(const conf::StructType& type, const std::string& path, const std::string& gaps) {
  for (auto& f : type.fields()) {
    bool gap = f.ignored || f.doc.rfind("accepted", 0) == 0 || f.doc.rfind("refused", 0) == 0;
    if (gap) {
      bool named =
          gaps.find("`" + f.name + "`") != std::string::npos || gaps.find("::" + f.name + "`") != std::string::npos;
      bool ottl = f.doc == "refused: OTTL conditions";
      EXPECT_TRUE(named || ottl) << path << f.name << " is not in docs/gaps.md";
      continue;
    }
    if (auto* nested = f.type->AsStruct()) CheckGaps(*nested, path + f.name + "::", gaps);
    if (auto* item = f.type->Item(); item && item->AsStruct())
      CheckGaps(*item->AsStruct(), path + f.name + "[]::", gaps);
  }
}

class ComponentDocs : public testing::TestWithParam<size_t> {
 protected:
  const Factory& factory() const { return *All()[GetParam()]; }
};

TEST_P(ComponentDocs, ReadmeHasCurrentTables) {
  std::string path = Folder(factory()) + "/README.md";
  ASSERT_TRUE(fs::exists(path)) << path;
  Generated(path, "status", StatusTable(factory()));
  Generated(path, "config", ConfigTable(factory()));
}

TEST_P(ComponentDocs, ExamplesLoad) {
  const Factory& f = factory();
  auto blocks = YamlBlocks(FileText(Folder(f) + "/README.md"));
  ASSERT_FALSE(blocks.empty()) << Folder(f) << "/README.md has no example";
  for (auto& yaml : blocks) {
    SCOPED_TRACE(yaml);
    auto doc = conf::Resolve({"yaml:" + yaml}, TestSources());
    ASSERT_TRUE(doc.has_value()) << doc.error().message;
    const conf::Value* section = doc->Find(pipeline::KindSection(f.kind));
    ASSERT_TRUE(section && section->is_map() && !section->map().empty()) << "the example is of another kind";
    bool used = false;
    for (auto& [id, value] : section->map()) {
      auto parsed = conf::ComponentId::Parse(id);
      used = used || (parsed && parsed->type == f.type);
    }
    EXPECT_TRUE(used) << "the example does not use " << f.type;
    EXPECT_EQ(PlanErrors(Complete(*doc, f)), "");
  }
}

TEST_P(ComponentDocs, EveryKeyIsDescribed) {
  CheckDocs(*factory().config_type().AsStruct(), std::string(factory().type) + ": ");
  EXPECT_FALSE(factory().summary.empty());
  CheckGaps(*factory().config_type().AsStruct(), std::string(factory().type) + ": ",
            FileText(NARU_SOURCE_DIR "/docs/gaps.md"));
}

std::string ParamName(const testing::TestParamInfo<size_t>& info) {
  auto& f = *All()[info.param];
  return std::string(pipeline::KindName(f.kind)) + "_" + std::string(f.type);
}
INSTANTIATE_TEST_SUITE_P(All, ComponentDocs, testing::Range<size_t>(0, All().size()), ParamName);

TEST(Docs, EveryComponentFolderIsInADistribution) {
  for (auto kind : {Kind::kReceiver, Kind::kProcessor, Kind::kExporter, Kind::kConnector, Kind::kExtension}) {
    for (auto& entry : fs::directory_iterator(NARU_SOURCE_DIR "/src/" + std::string(pipeline::KindSection(kind)))) {
      std::string name = entry.path().filename().string();
      bool found = false;
      for (auto& f : All()) found = found || (f->kind == kind && f->type == name);
      EXPECT_TRUE(found) << entry.path() << ": no factory of that type in distributions/full.cc";
    }
  }
}

TEST(Docs, TelemetryTableIsCurrent) {
  CheckDocs(*conf::TypeOf<collector::TelemetryConfig>().AsStruct(), "service::telemetry::");
  Generated(NARU_SOURCE_DIR "/docs/telemetry.md", "config", conf::MarkdownTable<collector::TelemetryConfig>());
}

// Whole configurations in the pages for users.
TEST(Docs, ExamplesOfPagesLoad) {
  std::vector<std::string> pages = {NARU_SOURCE_DIR "/README.md"};
  for (auto& entry : fs::directory_iterator(NARU_SOURCE_DIR "/docs")) {
    if (entry.path().extension() == ".md") pages.push_back(entry.path().string());
  }
  size_t loaded = 0;
  for (auto& page : pages) {
    for (auto& yaml : YamlBlocks(FileText(page))) {
      SCOPED_TRACE(page + "\n" + yaml);
      auto doc = conf::Resolve({"yaml:" + yaml}, TestSources());
      ASSERT_TRUE(doc.has_value()) << doc.error().message;
      EXPECT_EQ(PlanErrors(*doc), "");
      ++loaded;
    }
  }
  EXPECT_GT(loaded, 1u);
}

}  // namespace
}  // namespace naru::apps
