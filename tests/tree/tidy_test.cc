// What every file of the tree must be like: formatted, of bounded size, without dead includes, loose ends and places of
// one machine; and that the pages link to what is there.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

std::string Output(const std::string& command, int* status = nullptr) {
  std::string out;
  FILE* p = popen(command.c_str(), "r");
  if (!p) return out;
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, p)) > 0;) out.append(buffer, n);
  int s = pclose(p);
  if (status) *status = s;
  return out;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

// Files that are or will be tracked, relative to the root, which is the working directory of tests.
const std::vector<std::string>& Files() {
  static const auto* files = [] {
    auto* out = new std::vector<std::string>;
    for (auto& f : Lines(Output("git ls-files --cached --others --exclude-standard 2>/dev/null"))) {
      if (fs::is_regular_file(f)) out->push_back(f);
    }
    if (!out->empty()) return out;
    // An unpacked archive: everything that is not built.
    for (auto it = fs::recursive_directory_iterator("."); it != fs::recursive_directory_iterator(); ++it) {
      std::string name = it->path().filename().string();
      if (it->is_directory() && (name == "build" || name == ".git" || name == "__pycache__")) {
        it.disable_recursion_pending();
      } else if (it->is_regular_file()) {
        out->push_back(it->path().lexically_normal().string());
      }
    }
    return out;
  }();
  return *files;
}

bool IsCpp(const std::string& path) {
  return path.ends_with(".h") || path.ends_with(".cc");
}

std::string Text(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

TEST(Tidy, CppIsFormatted) {
  // Another version may want other line ends: that of Debian 12 judges.
  if (Output("clang-format --version 2>/dev/null").find("version 14.") == std::string::npos)
    GTEST_SKIP() << "no clang-format 14";
  std::string list;
  for (auto& f : Files()) {
    if (IsCpp(f)) list += " " + f;
  }
  ASSERT_FALSE(list.empty());
  int status = 0;
  std::string out =
      Output("echo" + list + " | xargs -n 32 clang-format --dry-run --Werror 2>&1 | grep error:", &status);
  EXPECT_EQ(out, "") << "make format";
}

TEST(Tidy, SourcesStayReadable) {
  constexpr size_t kMost = 700;
  for (auto& f : Files()) {
    if (!IsCpp(f)) continue;
    size_t n = Lines(Text(f)).size();
    EXPECT_LE(n, kMost) << f << " has " << n << " lines: a file that does one thing has fewer";
  }
}

TEST(Tidy, NothingIsLeftForLater) {
  // Taken apart, so that this file does not find itself.
  const std::vector<std::string> words = {
      "TO"
      "DO",
      "FIX"
      "ME",
      "not imple"
      "mented",
      "HA"
      "CK:"};
  const std::vector<std::string> places = {
      "/wo"
      "rk/",
      "/ro"
      "ot/",
      "/ho"
      "me/",
      "/tmp/"
      "wt"};
  for (auto& f : Files()) {
    if (f.starts_with("tests/fuzz/corpus/") || f.ends_with(".sum") || f.ends_with("package-lock.json")) continue;
    std::string text = Text(f);
    if (text.find('\0') != std::string::npos) continue;  // binary
    for (auto& w : words) EXPECT_EQ(text.find(w), std::string::npos) << f << " says " << w;
    for (auto& p : places) EXPECT_EQ(text.find(p), std::string::npos) << f << " names a place of one machine: " << p;
  }
}

TEST(Tidy, VersionAndLicence) {
  std::string version = Text("VERSION");
  ASSERT_FALSE(version.empty());
  version.erase(version.find_last_not_of('\n') + 1);
  int a = 0, b = 0, c = 0, n = 0;
  ASSERT_EQ(std::sscanf(version.c_str(), "%d.%d.%d%n", &a, &b, &c, &n), 3) << version;
  EXPECT_EQ(static_cast<size_t>(n), version.size()) << version;
  std::string changelog = Text("CHANGELOG.md");
  EXPECT_NE(changelog.find("\n## [Unreleased]\n"), std::string::npos);
  EXPECT_NE(Text("LICENSE").find("Apache License"), std::string::npos);
  // One source: no code spells it.
  for (auto& f : Files()) {
    if (!f.starts_with("src/") || !IsCpp(f) || f.ends_with("_test.cc")) continue;
    EXPECT_EQ(Text(f).find("\"" + version + "\""), std::string::npos) << f << " spells the version";
  }
}

TEST(Tidy, PagesLinkToWhatIsThere) {
  size_t links = 0;
  for (auto& f : Files()) {
    if (!f.ends_with(".md")) continue;
    std::string text = Text(f);
    for (size_t at = text.find("]("); at != std::string::npos; at = text.find("](", at + 2)) {
      std::string target = text.substr(at + 2, text.find(')', at) - at - 2);
      target = target.substr(0, target.find('#'));
      if (target.empty() || target.find("://") != std::string::npos || target.find('\n') != std::string::npos) continue;
      ++links;
      EXPECT_TRUE(fs::exists(fs::path(f).parent_path() / target)) << f << " links to " << target;
    }
  }
  EXPECT_GT(links, 10u);
}

// ---- Dead includes: a file that includes a header of ours must use a name that the header declares.

// Code without comments, strings and preprocessor lines but #define.
std::string Code(const std::string& path) {
  std::string out;
  bool comment = false;
  for (auto& line : Lines(Text(path))) {
    if (!comment && line.starts_with("#") && !line.starts_with("#define")) continue;
    for (size_t i = 0; i < line.size(); ++i) {
      if (comment) {
        if (line.compare(i, 2, "*/") == 0) comment = false, ++i;
      } else if (line.compare(i, 2, "//") == 0) {
        break;
      } else if (line.compare(i, 2, "/*") == 0) {
        comment = true, ++i;
      } else if (line[i] == '"') {
        for (++i; i < line.size() && line[i] != '"'; ++i) i += line[i] == '\\';
      } else {
        out += line[i];
      }
    }
    out += '\n';
  }
  return out;
}

bool IsName(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
}

// The names in code, and what stands right behind each.
struct Name {
  std::string text, before;
  char next = 0;
};
std::vector<Name> Names(const std::string& code) {
  std::vector<Name> out;
  std::string before;
  for (size_t i = 0; i < code.size();) {
    if (!IsName(code[i]) || std::isdigit(static_cast<unsigned char>(code[i]))) {
      if (std::isdigit(static_cast<unsigned char>(code[i]))) {
        while (i < code.size() && IsName(code[i])) ++i;
      } else {
        if (!std::isspace(static_cast<unsigned char>(code[i]))) before = code[i];
        ++i;
      }
      continue;
    }
    size_t from = i;
    while (i < code.size() && IsName(code[i])) ++i;
    size_t next = code.find_first_not_of(" \n", i);
    Name n{code.substr(from, i - from), before, next == std::string::npos ? '\0' : code[next]};
    before = n.text;
    out.push_back(std::move(n));
  }
  return out;
}

// What a header declares, generously: types and free functions (true), constants and members (false).
std::map<std::string, bool> Declares(const std::string& path) {
  std::map<std::string, bool> out;
  for (auto& n : Names(Code(path))) {
    bool type = n.before == "class" || n.before == "struct" || n.before == "enum" || n.before == "union" ||
                n.before == "concept" || n.before == "define" || (n.before == "using" && n.next == '=');
    bool function = n.next == '(';
    bool variable = (n.next == ';' || n.next == '=' || n.next == '{' || n.next == '[' || n.next == ',') &&
                    (IsName(n.before.empty() ? ' ' : n.before.back()) || n.before == ">" || n.before == "*" ||
                     n.before == "&" || n.before == ",");
    bool enumerator = n.text.size() > 1 && n.text[0] == 'k' && std::isupper(static_cast<unsigned char>(n.text[1]));
    if (type && n.next == ';') continue;  // declared only
    bool own = n.text.ends_with("_");     // a member that nobody else sees
    if ((type || function || variable || enumerator) && !own) out[n.text] |= type;
  }
  // What begins at the margin belongs to a namespace: the name in front of the first parenthesis is a function's.
  for (auto& line : Lines(Code(path))) {
    size_t paren = line.find('(');
    if (line.empty() || !IsName(line[0]) || paren == std::string::npos || line.starts_with("template")) continue;
    size_t from = paren;
    while (from > 0 && IsName(line[from - 1])) --from;
    if (from > 0 && from < paren) out[line.substr(from, paren - from)] = true;
  }
  return out;
}

TEST(Tidy, NoDeadIncludes) {
  // Included for what the header includes, or for a side effect. "file: header", with the reason.
  const std::set<std::string> allowed = {};
  // A function or member that many headers declare says nothing about any of them, unless the header has nothing else.
  constexpr int kCommon = 5;
  std::map<std::string, std::map<std::string, bool>> declares;
  std::map<std::string, int> times;
  for (auto& f : Files()) {
    if (!f.starts_with("src/") || !f.ends_with(".h")) continue;
    auto& names = declares[f] = Declares(f);
    for (auto& [name, type] : names) ++times[name];
  }
  size_t checked = 0;
  for (auto& f : Files()) {
    if (!f.starts_with("src/") || !IsCpp(f)) continue;
    std::string text = Text(f), own = f.substr(4, f.rfind('.') - 4) + ".h";
    std::set<std::string> used;
    bool read = false;
    for (auto& line : Lines(text)) {
      if (!line.starts_with("#include \"")) continue;
      std::string header = line.substr(10, line.find('"', 10) - 10), path = "src/" + header;
      if (header == own || !fs::exists(path)) continue;  // its own header; generated ones
      std::string entry = f;
      entry += ": " + header;
      if (allowed.count(entry)) continue;
      if (!read) {
        for (auto& n : Names(Code(f))) used.insert(n.text);
        read = true;
      }
      auto& names = declares[path];
      auto telling = [&](auto& n) { return n.second || times[n.first] < kCommon; };
      bool any = std::any_of(names.begin(), names.end(), telling);
      bool uses = std::any_of(names.begin(), names.end(),
                              [&](auto& n) { return used.count(n.first) != 0 && (!any || telling(n)); });
      EXPECT_TRUE(uses) << f << " includes " << header << " and uses nothing of it";
      ++checked;
    }
  }
  EXPECT_GT(checked, 100u);
}

}  // namespace
