#include "base/buffer.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace naru {
namespace {

TEST(Buffer, ChargesItsCapacityUntilTheLastReferenceGoes) {
  Budget budget;
  {
    BufferRef a = Buffer::Allocate(100'000, budget);
    EXPECT_GE(a->capacity(), 100'000u);
    EXPECT_GE(budget.used(), static_cast<int64_t>(a->capacity()));
    int64_t used = budget.used();
    Slice s(a, 10);
    a = BufferRef();
    Slice cut = s.Sub(3, 4);
    s = Slice();
    EXPECT_EQ(budget.used(), used);
    EXPECT_EQ(cut.size(), 4u);
  }
  EXPECT_EQ(budget.used(), 0);
}

TEST(Buffer, RecyclesBySizeClassWithinItsBound) {
  Buffer::TrimThreadCache();
  uint8_t* first = nullptr;
  {
    BufferRef a = Buffer::Allocate(250'000);
    first = a->data();
  }
  EXPECT_GT(Buffer::ThreadCacheBytes(), 0u);
  BufferRef b = Buffer::Allocate(200'000);
  EXPECT_EQ(b->data(), first);
  std::vector<BufferRef> many;
  for (int i = 0; i < 64; ++i) many.push_back(Buffer::Allocate(1 << 20));
  many.clear();
  EXPECT_LE(Buffer::ThreadCacheBytes(), Buffer::kThreadCacheLimit);
  Buffer::TrimThreadCache();
  EXPECT_EQ(Buffer::ThreadCacheBytes(), 0u);
}

TEST(Buffer, TryAllocateKeepsTheHardLimit) {
  Budget budget;
  budget.SetLimits(1 << 20, 8 << 20);
  std::atomic<int> got{0};
  std::vector<std::thread> threads;
  std::vector<BufferRef> held(16);
  for (auto& h : held) {
    threads.emplace_back([&] {
      h = Buffer::TryAllocate(2'500'000, budget);
      if (h) ++got;
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_GE(got, 1);
  EXPECT_LE(got, 2);  // of 3 MiB each by its size class
  EXPECT_LE(budget.used(), 8 << 20);
  held.clear();
  EXPECT_EQ(budget.used(), 0);
}

TEST(Buffer, KeepsLittleForReuseWhereThereIsALimit) {
  Buffer::TrimThreadCache();
  Budget budget;
  budget.SetLimits(16 << 20, 20 << 20);
  std::vector<BufferRef> many;
  for (int i = 0; i < 40; ++i) many.push_back(Buffer::Allocate(250'000, budget));
  many.clear();
  EXPECT_LE(Buffer::ThreadCacheBytes(), 1u << 20);
  Buffer::TrimThreadCache();
}

TEST(Buffer, EverySizeFitsItsClass) {
  Budget budget;
  for (size_t n = 0; n < (9u << 20); n = n < 16 ? n + 1 : n + n / 7) {
    BufferRef b = Buffer::Allocate(n, budget);
    ASSERT_GE(b->capacity(), n);
    if (n) b->data()[n - 1] = 1;
    if (n > 64 * 1024) {
      EXPECT_LT(b->capacity(), n * 3 / 2 + 4096) << n;
    }
  }
  EXPECT_EQ(budget.used(), 0);
}

TEST(Buffer, MovesBetweenThreads) {
  Budget budget;
  Slice s = Slice::CopyOf(std::string(70'000, 'x'), budget);
  std::thread t([s = std::move(s)] { EXPECT_EQ(s.view()[69'999], 'x'); });
  t.join();
  EXPECT_EQ(budget.used(), 0);
}

TEST(Slice, SubIsClamped) {
  Slice s = Slice::CopyOf("hello");
  EXPECT_EQ(s.Sub(1, 3).view(), "ell");
  EXPECT_EQ(s.Sub(4, 30).view(), "o");
  EXPECT_EQ(s.Sub(9).size(), 0u);
}

}  // namespace
}  // namespace naru
