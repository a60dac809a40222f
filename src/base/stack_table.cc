#include "base/stack_table.h"

#include <sys/mman.h>

namespace naru {
namespace {

constexpr size_t kProbes = 64;  // slots that are looked at for one stack: bounds the time in a full table

uint64_t Hash(std::span<const uintptr_t> stack) {
  uint64_t h = 0x9e3779b97f4a7c15u + stack.size();
  for (uintptr_t a : stack) {
    h = (h ^ a) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  }
  return h ? h : 1;
}

}  // namespace

StackTable::StackTable() {
  // Mapped and not allocated: it is made and used where malloc must not be called, and what is not touched costs
  // nothing.
  void* p = mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p != MAP_FAILED) memory_ = static_cast<Memory*>(p);
}

StackTable::~StackTable() {
  if (memory_) munmap(memory_, sizeof(Memory));
}

int StackTable::Find(std::span<const uintptr_t> stack) {
  const uint64_t hash = Hash(stack);
  size_t at = hash % kSlots;
  for (size_t i = 0; memory_ && !stack.empty() && i < kProbes; ++i, at = (at + 1) % kSlots) {
    Slot& slot = memory_->slots[at];
    uint64_t seen = slot.hash.load(std::memory_order_acquire);
    if (seen == 0) {
      // Words first: a slot that is taken and has none would be lost.
      size_t start = next_word_.fetch_add(stack.size(), std::memory_order_relaxed);
      if (start + stack.size() > kWords) {
        next_word_.fetch_sub(stack.size(), std::memory_order_relaxed);
        break;
      }
      for (size_t w = 0; w < stack.size(); ++w) memory_->words[start + w].store(stack[w], std::memory_order_relaxed);
      if (slot.hash.compare_exchange_strong(seen, hash, std::memory_order_acq_rel)) {
        slot.length.store(static_cast<uint32_t>(stack.size()), std::memory_order_relaxed);
        slot.start.store(static_cast<uint32_t>(start + 1), std::memory_order_release);
        used_.fetch_add(1, std::memory_order_relaxed);
        return static_cast<int>(at);
      }
      // Another thread was faster; the words are lost until Clear. `seen` is its hash.
    }
    if (seen == hash) return static_cast<int>(at);
  }
  dropped_.fetch_add(1, std::memory_order_relaxed);
  return -1;
}

void StackTable::Add(int slot, size_t value, uint64_t n) {
  if (slot >= 0) memory_->slots[slot].values[value].fetch_add(n, std::memory_order_release);
}

std::vector<StackTable::Entry> StackTable::Read() const {
  std::vector<Entry> out;
  if (!memory_) return out;
  out.reserve(size());
  for (auto& slot : memory_->slots) {
    uint32_t start = slot.start.load(std::memory_order_acquire);
    if (start == 0) continue;
    Entry e;
    uint32_t length = slot.length.load(std::memory_order_relaxed);
    for (uint32_t i = 0; i < length; ++i) {
      e.stack.push_back(memory_->words[start - 1 + i].load(std::memory_order_relaxed));
    }
    for (size_t v = kValues; v-- > 0;) e.values[v] = slot.values[v].load(std::memory_order_acquire);
    out.push_back(std::move(e));
  }
  return out;
}

void StackTable::Clear() {
  if (!memory_) return;
  for (auto& slot : memory_->slots) {
    slot.start.store(0, std::memory_order_relaxed);
    slot.length.store(0, std::memory_order_relaxed);
    for (auto& v : slot.values) v.store(0, std::memory_order_relaxed);
    slot.hash.store(0, std::memory_order_relaxed);
  }
  next_word_.store(0, std::memory_order_relaxed);
  used_.store(0, std::memory_order_relaxed);
  dropped_.store(0, std::memory_order_relaxed);
}

}  // namespace naru
