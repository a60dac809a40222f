#include "base/host_facts.h"

#include <pwd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

namespace naru {
namespace {

std::string ReadSome(const char* path) {
  std::string out;
  FILE* f = std::fopen(path, "re");
  if (!f) return out;
  char buffer[4096];
  size_t n;
  while ((n = std::fread(buffer, 1, sizeof buffer, f)) > 0 && out.size() < (1u << 20)) out.append(buffer, n);
  std::fclose(f);
  return out;
}

}  // namespace

std::string ContainerIdIn(std::string_view text) {
  // A run of exactly 64 hexadecimal digits in a path of the container runtimes.
  size_t run = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    char c = i < text.size() ? text[i] : '\0';
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) {
      ++run;
      continue;
    }
    if (run == 64) {
      size_t start = i - 64;
      char before = start ? text[start - 1] : '\0';
      if (before == '/' || before == '-') return std::string(text.substr(start, 64));
    }
    run = 0;
  }
  return {};
}

HostFacts ReadHostFacts() {
  HostFacts out;
  utsname u{};
  if (uname(&u) == 0) {
    out.host_name = u.nodename;
    out.os_type = "linux";
    std::string_view machine = u.machine;
    out.arch = machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : std::string(machine);
  }
  out.machine_id = ReadSome("/etc/machine-id");
  while (!out.machine_id.empty() && out.machine_id.back() == '\n') out.machine_id.pop_back();
  out.container_id = ContainerIdIn(ReadSome("/proc/self/cgroup"));
  if (out.container_id.empty()) {
    // With cgroup namespaces only the mounts of /etc/hostname and its like tell.
    std::string mounts = ReadSome("/proc/self/mountinfo");
    size_t at = mounts.find("/containers/");
    if (at != std::string::npos) out.container_id = ContainerIdIn(std::string_view(mounts).substr(at));
  }
  out.pid = static_cast<int>(getpid());
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  if (n > 0) out.executable_path.assign(path, static_cast<size_t>(n));
  passwd entry{}, *found = nullptr;
  char names[4096];
  if (getpwuid_r(geteuid(), &entry, names, sizeof names, &found) == 0 && found) out.owner = found->pw_name;
  std::string line = ReadSome("/proc/self/cmdline");
  for (size_t i = 0; i < line.size();) {
    size_t end = std::min(line.find('\0', i), line.size());
    out.arguments.push_back(line.substr(i, end - i));
    i = end + 1;
  }
  return out;
}

}  // namespace naru
