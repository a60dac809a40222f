// Which code allocates, and which of it is still there: about one allocation in 512 KiB is looked at.
//
// The product's malloc (apps/malloc_hooks.cc) asks HeapProfile::Active() at every call, which is null unless somebody
// profiles. Sanitizer builds and tests have the allocator of theirs: there Active() is set and nobody calls it, and a
// profile is empty.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "base/stack_table.h"

namespace naru {

/// Thread-safe. Never calls malloc but in Read. Its memory is mapped at the first Enable (5 MiB at most, touched as it
/// fills) and stays; what does not fit is counted as dropped.
class HeapProfile {
 public:
  /// Mean distance of samples in bytes. Go's default, which profiles tell their readers.
  static constexpr uint64_t kPeriod = 512 << 10;
  static constexpr size_t kMaxLive = 65536;  // sampled blocks that are not freed yet

  HeapProfile() = default;
  ~HeapProfile();
  HeapProfile(const HeapProfile&) = delete;

  /// That of the product; never destroyed.
  static HeapProfile& Process();
  /// Process() while it is enabled, else null: the branch that every malloc and free takes.
  static HeapProfile* Active() { return active_.load(std::memory_order_acquire); }

  /// Begins anew. False when there is no memory for it.
  bool Enable();
  void Disable();

  /// `n` bytes were allocated at `p` by the function whose frame is `frame`. Decides whether this is a sample.
  void Allocated(void* p, size_t n, const void* frame);
  /// The same for a block that is a sample, with its stack of return addresses.
  void Sampled(void* p, size_t n, std::span<const uintptr_t> stack);
  /// Before `p` is given back: afterwards another thread may get it.
  void Freed(void* p);

  /// One stack: blocks and bytes of its samples, as they were, not scaled up. What is in use is what was allocated
  /// without what was freed.
  struct Stack {
    std::vector<uintptr_t> stack;
    uint64_t allocated = 0, allocated_bytes = 0, freed = 0, freed_bytes = 0;
  };
  std::vector<Stack> Read() const;
  /// Samples without room.
  uint64_t dropped() const;
  size_t stacks() const;

 private:
  static constexpr size_t kBuckets = 65536;
  struct Live {
    void* p;
    size_t size;
    int slot;       // of its stack
    uint32_t next;  // 1 + index of the next one in the bucket
  };
  struct Memory {
    StackTable stacks;
    // 1 + index of the first block in a bucket; 0: none, which is all that free looks at for nearly every block.
    std::atomic<uint32_t> buckets[kBuckets];
    Live live[kMaxLive];
  };
  static size_t Bucket(const void* p);

  static inline constinit std::atomic<HeapProfile*> active_{nullptr};
  std::mutex mutex_;  // guards what follows but buckets' values, which are read without it
  std::atomic<Memory*> memory_{nullptr};
  bool on_ = false;
  uint32_t free_ = 0;   // 1 + index of a block that was used before; they are linked by `next`
  uint32_t fresh_ = 0;  // the first block that was never used
  std::atomic<uint64_t> dropped_{0};
};

}  // namespace naru
