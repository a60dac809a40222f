// What memory there is, and what of it this process uses.
#pragma once

#include <cstdint>

namespace naru {

/// The cgroup's limit (v2, v1), else the machine's memory; bytes.
uint64_t TotalMemory();
/// True when a cgroup limits this process.
bool CgroupMemoryLimit(uint64_t& bytes);
/// Resident set of this process now; bytes.
uint64_t ResidentMemory();
/// Gives back what only the start needed: free heap pages, and pages of program text, which come back from the page
/// cache when they are used again.
void ReleaseStartMemory();
/// CPU time that this process has used; nanoseconds.
uint64_t ProcessCpuNanos();

}  // namespace naru
