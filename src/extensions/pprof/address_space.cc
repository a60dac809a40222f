#include "extensions/pprof/address_space.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace naru::extensions::pprof {
namespace {

constexpr size_t kMostMappings = 4096;

struct Object {
  std::string build_id;
  uint64_t base = 0;
  bool main = false;
  std::vector<std::pair<uint64_t, uint64_t>> code;  // from, to
};

// Everything that the dynamic linker has loaded; it names the program first.
std::vector<Object> Objects() {
  std::vector<Object> out;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto& list = *static_cast<std::vector<Object>*>(data);
        Object o;
        o.base = info->dlpi_addr;
        o.main = list.empty();
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          auto& h = info->dlpi_phdr[i];
          uint64_t at = info->dlpi_addr + h.p_vaddr;
          if (h.p_type == PT_LOAD && (h.p_flags & PF_X)) o.code.emplace_back(at, at + h.p_memsz);
          if (h.p_type == PT_NOTE && o.build_id.empty()) {
            o.build_id = BuildIdIn({reinterpret_cast<const char*>(at), h.p_filesz});
          }
        }
        list.push_back(std::move(o));
        return 0;
      },
      &out);
  return out;
}

// Executable lines of /proc/self/maps.
std::vector<Mapping> ReadMaps() {
  std::vector<Mapping> out;
  FILE* f = std::fopen("/proc/self/maps", "re");
  if (!f) return out;
  char line[PATH_MAX + 256];
  while (std::fgets(line, sizeof line, f) && out.size() < kMostMappings) {
    unsigned long long start = 0, limit = 0, offset = 0;
    char access[5] = {};
    int path = 0;
    if (std::sscanf(line, "%llx-%llx %4s %llx %*s %*s %n", &start, &limit, access, &offset, &path) != 4) continue;
    if (access[2] != 'x') continue;
    Mapping m{start, limit, offset, path ? line + path : "", {}, false};
    while (!m.file.empty() && m.file.back() == '\n') m.file.pop_back();
    out.push_back(std::move(m));
  }
  std::fclose(f);
  return out;
}

}  // namespace

AddressSpace::AddressSpace(Files& files) : mappings_(ReadMaps()) {
  std::string build_id;
  for (auto& o : Objects()) {
    if (o.main) {
      base_ = o.base;
      build_id = o.build_id;
    }
    for (auto& m : mappings_) {
      auto inside = [&m](auto& c) { return c.first < m.limit && m.start < c.second; };
      if (!std::any_of(o.code.begin(), o.code.end(), inside)) continue;
      m.build_id = o.build_id;
      m.main = o.main;
    }
  }
  std::stable_sort(mappings_.begin(), mappings_.end(), [](auto& a, auto& b) { return a.main && !b.main; });

  char self[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  for (std::string path : {std::string("/proc/self/exe"), std::string(self, n > 0 ? n : 0) + ".debug"}) {
    auto symbols = SymbolTable::Read(files, path, build_id);
    if (!symbols || symbols->size() == 0) continue;
    symbols_ = std::move(*symbols);
    break;
  }
}

int AddressSpace::Find(uint64_t address) const {
  for (size_t i = 0; i < mappings_.size(); ++i) {
    if (address >= mappings_[i].start && address < mappings_[i].limit) return static_cast<int>(i);
  }
  return -1;
}

std::string_view AddressSpace::Name(uint64_t address) const {
  int i = Find(address);
  if (i < 0) return {};
  if (mappings_[static_cast<size_t>(i)].main && has_symbols()) return symbols_.Find(address - base_);
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(address), &info) == 0 || !info.dli_sname) return {};
  return info.dli_sname;
}

}  // namespace naru::extensions::pprof
