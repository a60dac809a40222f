// The profilers: CPU time, the heap's books, the stacks of threads.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "base/cpu_profiler.h"
#include "base/heap_profile.h"
#include "base/stack_table.h"
#include "base/stack_walk.h"
#include "base/system_memory.h"
#include "base/thread_stacks.h"

namespace naru {
namespace {

// CPU time, not time: the machine may be busy.
[[gnu::noinline]] uint64_t Burn(std::chrono::milliseconds cpu) {
  uint64_t until = ProcessCpuNanos() + static_cast<uint64_t>(Duration(cpu).count()), x = 1;
  while (ProcessCpuNanos() < until) {
    for (int i = 0; i < 10000; ++i) x = x * 6364136223846793005u + 1;
    usleep(0);  // ThreadSanitizer delivers signals at calls that it knows
  }
  return x;
}

uint64_t Count(const CpuSamples& samples) {
  uint64_t n = 0;
  for (auto& s : samples.stacks) n += s.values[0];
  return n;
}

TEST(StackTable, CountsEqualStacksTogether) {
  StackTable table;
  uintptr_t a[] = {1, 2, 3}, b[] = {1, 2, 4};
  int first = table.Find(a);
  ASSERT_GE(first, 0);
  table.Add(first, 0, 2);
  table.Add(table.Find(a), 0, 1);
  table.Add(table.Find(b), 3, 7);
  EXPECT_EQ(table.size(), 2u);
  auto all = table.Read();
  ASSERT_EQ(all.size(), 2u);
  if (all[0].values[0] == 0) std::swap(all[0], all[1]);
  EXPECT_EQ(all[0].stack, (std::vector<uintptr_t>{1, 2, 3}));
  EXPECT_EQ(all[0].values[0], 3u);
  EXPECT_EQ(all[1].values[3], 7u);
  table.Clear();
  EXPECT_EQ(table.size(), 0u);
  EXPECT_TRUE(table.Read().empty());
}

TEST(StackTable, DropsAndCountsWhatHasNoRoom) {
  StackTable table;
  std::vector<uintptr_t> stack(kMaxFrames);
  const uint64_t tries = StackTable::kWords / kMaxFrames + 100;
  for (uint64_t i = 0; i < tries; ++i) {
    stack[0] = i + 1;
    table.Add(table.Find(stack), 0, 1);
  }
  EXPECT_EQ(table.dropped(), 100u);
  EXPECT_EQ(table.Read().size() + table.dropped(), tries);
  stack[0] = 1;
  EXPECT_GE(table.Find(stack), 0) << "what is there is found in a full table";
  EXPECT_EQ(table.Find({}), -1);
}

TEST(StackTable, IsWrittenByManyThreads) {
  StackTable table;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&table] {
      for (uintptr_t i = 0; i < 20000; ++i) {
        uintptr_t stack[] = {i % 500 + 1, 99};
        table.Add(table.Find(stack), 0, 1);
      }
    });
  }
  for (auto& t : threads) t.join();
  uint64_t n = 0;
  for (auto& e : table.Read()) n += e.values[0];
  EXPECT_EQ(n, 80000u);
  EXPECT_EQ(table.size(), 500u);
}

// Frames of our own: those of the test's framework have no pointers.
[[gnu::noinline]] size_t Deep(int calls) {
  if (calls > 1) {
    size_t n = Deep(calls - 1);
    asm volatile("");  // not a tail call
    return n;
  }
  uintptr_t out[kMaxFrames];
  auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  return WalkFrames(here, here, out);
}

TEST(StackWalk, ReadsOnlyItsOwnStack) {
  EXPECT_GE(Deep(5), 5u);
  uintptr_t out[kMaxFrames];
  auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  // What registers hold in code without frame pointers.
  for (uintptr_t bad : {uintptr_t{0}, uintptr_t{8}, here + 1, here - 4096, ~uintptr_t{0}, ~uintptr_t{7}}) {
    EXPECT_EQ(WalkFrames(bad, here, out), 0u) << bad;
  }
  uintptr_t two[2];
  EXPECT_LE(WalkFrames(here, here, two), 2u);
  size_t in_thread = 0;
  std::thread([&] {
    auto frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
    in_thread = WalkFrames(frame, frame, out);
    EXPECT_EQ(WalkFrames(static_cast<uintptr_t>(pthread_self()) + 64, frame, out), 0u) << "beyond the stack";
  }).join();
  EXPECT_GT(in_thread, 0u);
}

TEST(CpuProfiler, SeesWhereTimeGoes) {
  auto p = CpuProfiler::Start();
  ASSERT_TRUE(p) << p.error().message;
  EXPECT_NE(Burn(std::chrono::milliseconds(500)), 0u);
  CpuSamples samples = (*p)->Stop();
  EXPECT_GT(Count(samples), 0u);
  EXPECT_EQ(samples.dropped, 0u);
  EXPECT_GE(samples.cpu_nanos, 500'000'000u);
  for (auto& s : samples.stacks) EXPECT_FALSE(s.stack.empty());
}

TEST(CpuProfiler, IsOneAtATimeAndCanBeginAgain) {
  auto first = CpuProfiler::Start();
  ASSERT_TRUE(first);
  auto second = CpuProfiler::Start();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "cpu profiling already in use");
  first->reset();  // without Stop
  auto third = CpuProfiler::Start();
  ASSERT_TRUE(third);
  Burn(std::chrono::milliseconds(100));
  EXPECT_GT(Count((*third)->Stop()), 0u);
  kill(getpid(), SIGPROF);  // one that comes late or from elsewhere ends nothing
}

TEST(ThreadStacks, AreThoseOfAllThreads) {
  std::atomic<bool> stop{false};
  std::atomic<int> id{0};
  std::thread sleeper([&] {
    pthread_setname_np(pthread_self(), "sleeper");
    id = gettid();
    while (!stop) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  while (id == 0) std::this_thread::yield();
  auto asked = ThreadStacks::Ask();
  ASSERT_TRUE(asked) << asked.error().message;
  EXPECT_FALSE(ThreadStacks::Ask()) << "one at a time";
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  auto threads = (*asked)->Take();
  EXPECT_GE(threads.size(), 2u);
  EXPECT_GE(ThreadStacks::Count(), 2u);
  auto found = std::find_if(threads.begin(), threads.end(), [&](auto& t) { return t.id == id; });
  ASSERT_NE(found, threads.end());
  EXPECT_EQ(found->name, "sleeper");
  EXPECT_FALSE(found->stack.empty());
  EXPECT_TRUE(ThreadStacks::Ask()) << "and again";
  stop = true;
  sleeper.join();
}

TEST(HeapProfile, KnowsWhatIsInUse) {
  HeapProfile heap;
  char block[4];
  uintptr_t a[] = {10, 11}, b[] = {20};
  heap.Sampled(&block[0], 100, a);  // not enabled: nothing
  heap.Freed(&block[0]);
  EXPECT_TRUE(heap.Read().empty());
  ASSERT_TRUE(heap.Enable());
  EXPECT_EQ(HeapProfile::Active(), nullptr) << "only the product's is asked by malloc";
  heap.Sampled(&block[0], 100, a);
  heap.Sampled(&block[1], 200, a);
  heap.Sampled(&block[2], 50, b);
  heap.Freed(&block[1]);
  heap.Freed(&block[3]);  // not a sample
  heap.Freed(nullptr);
  auto stacks = heap.Read();
  ASSERT_EQ(stacks.size(), 2u);
  if (stacks[0].stack.size() != 2) std::swap(stacks[0], stacks[1]);
  EXPECT_EQ(stacks[0].allocated, 2u);
  EXPECT_EQ(stacks[0].allocated_bytes, 300u);
  EXPECT_EQ(stacks[0].freed, 1u);
  EXPECT_EQ(stacks[0].freed_bytes, 200u);
  EXPECT_EQ(stacks[1].allocated_bytes, 50u);
  EXPECT_EQ(stacks[1].freed, 0u);
  // A freed block's place is used again, and freeing counts once.
  heap.Freed(&block[1]);
  heap.Sampled(&block[1], 7, b);
  EXPECT_EQ(heap.stacks(), 2u);
  heap.Disable();
  heap.Freed(&block[0]);
  ASSERT_TRUE(heap.Enable());
  EXPECT_TRUE(heap.Read().empty()) << "it begins anew";
}

TEST(HeapProfile, IsBounded) {
  HeapProfile heap;
  ASSERT_TRUE(heap.Enable());
  uintptr_t stack[] = {1};
  auto block = [](uint64_t i) { return reinterpret_cast<void*>(0x10000 + 16 * i); };  // never looked into
  for (uint64_t i = 0; i < HeapProfile::kMaxLive + 10; ++i) heap.Sampled(block(i), 16, stack);
  EXPECT_EQ(heap.dropped(), 10u);
  EXPECT_EQ(heap.Read().at(0).allocated, HeapProfile::kMaxLive);
  for (uint64_t i = 0; i < HeapProfile::kMaxLive + 10; ++i) heap.Freed(block(i));
  EXPECT_EQ(heap.Read().at(0).freed, HeapProfile::kMaxLive);
  heap.Sampled(block(1), 16, stack);
  EXPECT_EQ(heap.dropped(), 10u);
}

TEST(HeapProfile, SamplesBytesEvenly) {
  HeapProfile heap;
  ASSERT_TRUE(heap.Enable());
  auto frame = __builtin_frame_address(0);
  const uint64_t n = 40'000, size = 64 << 10;
  for (uint64_t i = 0; i < n; ++i) {
    heap.Allocated(reinterpret_cast<void*>(0x10000 + 16 * i), size, frame);
    heap.Freed(reinterpret_cast<void*>(0x10000 + 16 * i));
  }
  uint64_t seen = 0;
  for (auto& s : heap.Read()) {
    seen += s.allocated;
    EXPECT_EQ(s.allocated, s.freed);
    EXPECT_FALSE(s.stack.empty());
  }
  // n * (1 - exp(-1/8)) = 4700, give or take six deviations.
  EXPECT_GT(seen, 4300u);
  EXPECT_LT(seen, 5100u);
}

TEST(HeapProfile, IsUsedByManyThreads) {
  HeapProfile heap;
  ASSERT_TRUE(heap.Enable());
  std::vector<std::thread> threads;
  for (uintptr_t t = 1; t <= 4; ++t) {
    threads.emplace_back([&heap, t] {
      uintptr_t stack[] = {t};
      for (uintptr_t i = 0; i < 5000; ++i) {
        auto* p = reinterpret_cast<void*>(t << 32 | i << 4);
        heap.Sampled(p, 8, stack);
        heap.Freed(p);
        if (i % 1000 == 0) heap.Read();
      }
    });
  }
  for (auto& t : threads) t.join();
  for (auto& s : heap.Read()) {
    EXPECT_EQ(s.allocated, 5000u);
    EXPECT_EQ(s.freed_bytes, 40000u);
  }
}

}  // namespace
}  // namespace naru
