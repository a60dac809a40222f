#include "base/heap_profile.h"

#include <sys/mman.h>

#include <cmath>
#include <new>

#include "base/stack_walk.h"

namespace naru {
namespace {

// Bytes until this thread's next sample, and its random numbers. Plain thread-locals: nothing is made at their first
// use, for that would allocate.
constinit thread_local int64_t t_left = 0;
constinit thread_local uint64_t t_random = 0;

// Distances are exponential, so that every byte has the same chance, whatever the program's rhythm is.
int64_t NextDistance() {
  if (t_random == 0) {
    static constinit std::atomic<uint64_t> threads{0};
    t_random = (threads.fetch_add(1, std::memory_order_relaxed) + 1) * 0x9e3779b97f4a7c15u;
  }
  t_random ^= t_random << 13;
  t_random ^= t_random >> 7;
  t_random ^= t_random << 17;
  double unit = (static_cast<double>(t_random >> 11) + 1) * 0x1.0p-53;  // (0, 1]
  return static_cast<int64_t>(-std::log(unit) * static_cast<double>(HeapProfile::kPeriod)) + 1;
}

}  // namespace

HeapProfile& HeapProfile::Process() {
  static auto* profile = new HeapProfile();
  return *profile;
}

HeapProfile::~HeapProfile() {
  Disable();
  Memory* m = memory_.load();
  if (!m) return;
  m->~Memory();
  munmap(m, sizeof(Memory));
}

size_t HeapProfile::Bucket(const void* p) {
  return (reinterpret_cast<uintptr_t>(p) * 0x9e3779b97f4a7c15u) >> 48;
}

bool HeapProfile::Enable() {
  std::lock_guard lock(mutex_);
  Memory* m = memory_.load();
  if (!m) {
    void* p = mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return false;
    m = static_cast<Memory*>(p);
    new (&m->stacks) StackTable();  // the rest is zero as it is
    memory_.store(m);
  } else if (!on_) {
    // Blocks may have been freed while nobody looked.
    m->stacks.Clear();
    for (auto& b : m->buckets) b.store(0, std::memory_order_relaxed);
    free_ = fresh_ = 0;
    dropped_.store(0, std::memory_order_relaxed);
  }
  on_ = m->stacks.valid();
  if (on_ && this == &Process()) active_.store(this, std::memory_order_release);
  return on_;
}

void HeapProfile::Disable() {
  std::lock_guard lock(mutex_);
  on_ = false;
  if (active_.load() == this) active_.store(nullptr);
}

void HeapProfile::Allocated(void* p, size_t n, const void* frame) {
  if (t_random == 0) t_left = NextDistance();  // the thread's first block has no better chance than others
  t_left -= static_cast<int64_t>(n);
  if (t_left > 0) [[likely]]
    return;
  t_left = NextDistance();
  if (!p) return;
  uintptr_t stack[kMaxFrames];
  auto at = reinterpret_cast<uintptr_t>(frame);
  Sampled(p, n, {stack, WalkFrames(at, at, stack)});
}

void HeapProfile::Sampled(void* p, size_t n, std::span<const uintptr_t> stack) {
  std::lock_guard lock(mutex_);
  if (!on_) return;
  Memory& m = *memory_.load();
  int slot = m.stacks.Find(stack);
  if (slot < 0) return;
  uint32_t index = free_;
  if (index) {
    free_ = m.live[index - 1].next;
  } else if (fresh_ < kMaxLive) {
    index = ++fresh_;
  } else {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;  // not even as allocated: it would never be freed
  }
  auto& bucket = m.buckets[Bucket(p)];
  m.live[index - 1] = {p, n, slot, bucket.load(std::memory_order_relaxed)};
  bucket.store(index, std::memory_order_release);
  m.stacks.Add(slot, 1, n);
  m.stacks.Add(slot, 0, 1);
}

void HeapProfile::Freed(void* p) {
  Memory* m = memory_.load(std::memory_order_relaxed);
  if (!m || !p) return;
  auto& bucket = m->buckets[Bucket(p)];
  if (bucket.load(std::memory_order_relaxed) == 0) [[likely]]
    return;
  std::lock_guard lock(mutex_);
  uint32_t before = 0;
  for (uint32_t index = bucket.load(std::memory_order_relaxed); index;
       before = index, index = m->live[index - 1].next) {
    Live& live = m->live[index - 1];
    if (live.p != p) continue;
    if (before) {
      m->live[before - 1].next = live.next;
    } else {
      bucket.store(live.next, std::memory_order_relaxed);
    }
    m->stacks.Add(live.slot, 2, 1);
    m->stacks.Add(live.slot, 3, live.size);
    live.next = free_;
    free_ = index;
    return;
  }
}

std::vector<HeapProfile::Stack> HeapProfile::Read() const {
  // Without the lock: what is allocated here may be a sample itself.
  std::vector<Stack> out;
  Memory* m = memory_.load();
  if (!m) return out;
  for (auto& e : m->stacks.Read()) {
    out.push_back({std::move(e.stack), e.values[0], e.values[1], e.values[2], e.values[3]});
  }
  return out;
}

uint64_t HeapProfile::dropped() const {
  Memory* m = memory_.load();
  return dropped_.load(std::memory_order_relaxed) + (m ? m->stacks.dropped() : 0);
}

size_t HeapProfile::stacks() const {
  Memory* m = memory_.load();
  return m ? m->stacks.size() : 0;
}

}  // namespace naru
