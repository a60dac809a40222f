#include "base/system_memory.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace naru {
namespace {

bool ReadNumber(const char* path, uint64_t& out) {
  FILE* f = std::fopen(path, "re");
  if (!f) return false;
  char word[64] = {};
  bool ok = std::fscanf(f, "%63s", word) == 1 && std::strcmp(word, "max") != 0;
  std::fclose(f);
  if (ok) out = std::strtoull(word, nullptr, 10);
  return ok;
}

}  // namespace

bool CgroupMemoryLimit(uint64_t& bytes) {
  uint64_t machine = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t n = 0;
  bool found =
      ReadNumber("/sys/fs/cgroup/memory.max", n) || ReadNumber("/sys/fs/cgroup/memory/memory.limit_in_bytes", n);
  if (!found || n == 0 || n >= machine) return false;  // v1 writes a huge number for no limit
  bytes = n;
  return true;
}

uint64_t TotalMemory() {
  uint64_t n = 0;
  if (CgroupMemoryLimit(n)) return n;
  return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t ResidentMemory() {
  FILE* f = std::fopen("/proc/self/statm", "re");
  if (!f) return 0;
  unsigned long long size = 0, resident = 0;
  int n = std::fscanf(f, "%llu %llu", &size, &resident);
  std::fclose(f);
  return n == 2 ? resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

void ReleaseStartMemory() {
  malloc_trim(0);
  dl_iterate_phdr(
      [](dl_phdr_info* object, size_t, void*) {
        if (!object->dlpi_name || std::strncmp(object->dlpi_name, "linux-vdso", 10) == 0) return 0;
        auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          auto& h = object->dlpi_phdr[i];
          // Text only: no page of it can have been written.
          if (h.p_type != PT_LOAD || !(h.p_flags & PF_X) || (h.p_flags & PF_W)) continue;
          uintptr_t begin = (object->dlpi_addr + h.p_vaddr + page - 1) & ~(page - 1);
          uintptr_t end = (object->dlpi_addr + h.p_vaddr + h.p_memsz) & ~(page - 1);
          if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
        }
        return 0;
      },
      nullptr);
}

uint64_t ProcessCpuNanos() {
  rusage r{};
  getrusage(RUSAGE_SELF, &r);
  auto ns = [](const timeval& t) {
    return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_usec) * 1000;
  };
  return ns(r.ru_utime) + ns(r.ru_stime);
}

}  // namespace naru
