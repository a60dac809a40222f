// What bounds a segment log: numbers that somebody else wrote, the work of moving records, and who hears of room.
#include <cstring>

#include <gtest/gtest.h>

#include "pipeline/segment_log.h"
#include "testkit/sim_disk.h"
#include "testkit/sim_world.h"
#include "wire/hash.h"

namespace naru::pipeline {
namespace {

constexpr const char* kFolder = "/queue";

class SegmentBounds : public ::testing::Test {
 protected:
  SegmentBounds() { EXPECT_TRUE(files_.MakeFolder(kFolder, 0700)); }
  std::shared_ptr<SegmentLog> Open(uint64_t segment_bytes) {
    SegmentLogOptions o;
    o.files = &files_;
    o.workers = nullptr;
    o.fsync = true;
    o.segment_bytes = segment_bytes;
    auto log = SegmentLog::Open(kFolder, o);
    EXPECT_TRUE(log);
    return log ? *log : nullptr;
  }
  static Result<uint64_t> Append(SegmentLog& log, std::string_view text, bool take = false) {
    Result<uint64_t> out = Fail(Code::kInternal, "not called");
    log.Append({Slice::CopyOf(text)}, 1, take, [&](Result<uint64_t> r) { out = std::move(r); });
    return out;
  }
  static std::vector<std::string> TakeAll(SegmentLog& log) {
    std::vector<std::string> out;
    while (auto t = log.Take()) {
      log.Read(t->sequence, [&](Result<Slice> r) { out.emplace_back(r ? r->view() : r.error().message); });
    }
    return out;
  }

  testkit::SimWorld world_{1};
  testkit::SimDisk disk_{world_};
  testkit::SimFiles files_{disk_};
};

// Records that are little more than their headers are not moved from one segment to the next without end.
TEST_F(SegmentBounds, TinyRecordsStayWhereTheyAre) {
  for (auto& [segment_bytes, n] : std::initializer_list<std::pair<uint64_t, size_t>>{{1, 20}, {4096, 1000}}) {
    auto log = Open(segment_bytes);
    for (size_t i = 0; i < n; ++i) ASSERT_TRUE(Append(*log, "x"));
    EXPECT_EQ(log->size().records, n);
    EXPECT_EQ(TakeAll(*log).size(), n);
    for (uint64_t s = 1; log->size().records; ++s) log->Done(s);
  }
}

// Headers that somebody else wrote, with checksums that are right: numbers that none can follow are not believed.
TEST_F(SegmentBounds, ARecordThatNoneCanFollowIsNotOurs) {
  struct Case {
    const char* what;
    uint64_t sequence, items;
    bool is_one;
  };
  for (auto& c : std::initializer_list<Case>{{"the last sequence there is", UINT64_MAX, 1, false},
                                             {"the one before", UINT64_MAX - 1, 1, false},
                                             {"the largest", uint64_t{1} << 62, 1, true},
                                             {"more items than bytes could have", 9, UINT64_MAX, false}}) {
    std::string head(40, '\0'), folder = std::string("/") + c.what;
    auto put = [&](size_t at, auto v) { std::memcpy(&head[at], &v, sizeof v); };
    put(0, uint32_t{0x4352a14eu});
    put(4, uint32_t{1});
    put(8, uint64_t{3});
    put(16, c.sequence);
    put(24, c.items);
    put(32, wire::Crc32c("old"));
    put(36, wire::Crc32c(std::string_view(head).substr(0, 36)));
    ASSERT_TRUE(files_.MakeFolder(folder, 0700));
    std::string path = folder + "/0000000000000001.seg";
    ASSERT_TRUE(files_.Create(path));
    disk_.Damage(path, "naruseg1" + std::string(8, '\0') + head + "old");
    SegmentLogOptions o;
    o.files = &files_;
    o.workers = nullptr;
    auto log = SegmentLog::Open(folder, o);
    ASSERT_TRUE(log) << c.what;
    for (auto* text : {"one", "two", "three"}) ASSERT_TRUE(Append(**log, text)) << c.what;
    std::vector<std::string> want = {"one", "two", "three"};
    if (c.is_one) want.insert(want.begin(), "old");
    EXPECT_EQ((*log)->size().items, want.size()) << c.what;
    EXPECT_EQ(TakeAll(**log), want) << c.what;
  }
}

TEST_F(SegmentBounds, WhoListensHearsOfRoom) {
  auto log = Open(4096);
  std::vector<uint64_t> sizes;
  log->SetListener([&] { sizes.push_back(log->size().records); });
  uint64_t one = *Append(*log, "one", true), two = *Append(*log, "two", true);
  EXPECT_TRUE(sizes.empty());
  disk_.faults.sync = 1;
  EXPECT_FALSE(Append(*log, "three"));
  EXPECT_EQ(sizes, std::vector<uint64_t>{2});
  disk_.faults.sync = 0;
  log->Done(std::vector<uint64_t>{one, two});
  EXPECT_EQ(sizes, (std::vector<uint64_t>{2, 0}));
  log->SetListener(nullptr);
}

}  // namespace
}  // namespace naru::pipeline
