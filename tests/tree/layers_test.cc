// Includes go one way: every #include of our own under src/ must be allowed by LAYERS; components never include each
// other.
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

const std::set<std::string> kComponentModules = {"receivers", "processors", "exporters", "connectors", "extensions"};

std::map<std::string, std::set<std::string>> ReadLayers(std::vector<std::string>& order) {
  std::map<std::string, std::set<std::string>> layers;
  std::ifstream in(NARU_SOURCE_DIR "/LAYERS");
  std::string line;
  while (std::getline(in, line)) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string name, dep;
    words >> name;
    EXPECT_EQ(name.back(), ':') << line;
    name.pop_back();
    order.push_back(name);
    auto& deps = layers[name];
    while (words >> dep) {
      EXPECT_TRUE(layers.count(dep) && dep != name) << name << " names " << dep << ", which is not above it in LAYERS";
      deps.insert(dep);
    }
    deps.insert(name);
  }
  return layers;
}

TEST(Layers, EveryIncludeGoesDown) {
  std::vector<std::string> order;
  auto layers = ReadLayers(order);
  ASSERT_GT(layers.size(), 5u);
  size_t checked = 0;
  for (auto& entry : fs::recursive_directory_iterator(NARU_SOURCE_DIR "/src")) {
    auto ext = entry.path().extension();
    if (ext != ".h" && ext != ".cc") continue;
    std::string rel = fs::relative(entry.path(), NARU_SOURCE_DIR "/src").string();
    std::string module = rel.substr(0, rel.find('/'));
    ASSERT_TRUE(layers.count(module)) << rel << " lies in a folder that LAYERS does not name";
    std::string stem = entry.path().stem().string();
    bool test = stem.ends_with("_test") || stem.ends_with("_bench") || stem.ends_with("_fuzz");
    std::ifstream in(entry.path());
    std::string line;
    for (int n = 1; std::getline(in, line); ++n) {
      if (line.rfind("#include \"", 0) != 0) continue;
      std::string path = line.substr(10, line.find('"', 10) - 10);
      std::string target = path.substr(0, path.find('/'));
      if (!layers.count(target)) continue;  // generated code of tests
      ++checked;
      bool allowed = layers[module].count(target) || (test && target == "testkit");
      EXPECT_TRUE(allowed) << rel << ":" << n << ": " << module << " may not include " << path << " (see LAYERS)";
      if (kComponentModules.count(module) && target == module) {
        std::string mine = rel.substr(0, rel.find('/', module.size() + 1));
        std::string theirs = path.substr(0, path.find('/', target.size() + 1));
        EXPECT_EQ(mine, theirs) << rel << ":" << n << ": components never include each other";
      }
    }
  }
  EXPECT_GT(checked, 20u);
}

TEST(Tree, NoFolderOrFileIsADumpingGround) {
  for (auto& entry : fs::recursive_directory_iterator(NARU_SOURCE_DIR "/src")) {
    std::string stem = entry.path().stem().string();
    for (const char* bad : {"utils", "util", "common", "helpers", "helper", "misc"})
      EXPECT_NE(stem, bad) << entry.path();
  }
}

}  // namespace
