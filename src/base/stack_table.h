// Counts a stack: a table from stacks to numbers, of fixed size, that signal handlers and malloc may write to.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace naru {

/// Thread-safe without locks. Its memory is mapped when it is made (2.7 MiB, touched as it fills) and never grows; what
/// does not fit is counted as dropped. Two stacks are the same when 64 bits of hash are.
class StackTable {
 public:
  static constexpr size_t kSlots = 16384;
  static constexpr size_t kWords = 1 << 18;  // addresses of all stacks together
  static constexpr size_t kValues = 4;

  StackTable();
  ~StackTable();
  StackTable(const StackTable&) = delete;
  /// False when there was no memory: everything is then dropped.
  bool valid() const { return memory_ != nullptr; }

  /// The slot of a stack, for Add; -1, and counted, when there is no room for it.
  int Find(std::span<const uintptr_t> stack);
  void Add(int slot, size_t value, uint64_t n);
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

  struct Entry {
    std::vector<uintptr_t> stack;
    std::array<uint64_t, kValues> values{};
  };
  /// What is in it now. Takes memory. A value that is added to after another one is read before it, from the last to
  /// the first: so what was freed (later values) is never more than what was allocated (earlier ones).
  std::vector<Entry> Read() const;
  size_t size() const { return used_.load(std::memory_order_relaxed); }
  /// Forgets everything. No Find or Add may run meanwhile.
  void Clear();

 private:
  struct Slot {
    std::atomic<uint64_t> hash;    // 0: free
    std::atomic<uint32_t> start;   // 1 + position of its first word; 0: being written, or no room for the words
    std::atomic<uint32_t> length;  // words
    std::atomic<uint64_t> values[kValues];
  };
  struct Memory {
    Slot slots[kSlots];
    std::atomic<uintptr_t> words[kWords];
  };
  Memory* memory_ = nullptr;
  std::atomic<size_t> next_word_{0}, used_{0};
  std::atomic<uint64_t> dropped_{0};
};

}  // namespace naru
