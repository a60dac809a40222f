#include "pipeline/segment_log.h"

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace naru::pipeline {
namespace {

// A folder that goes with the test.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "naru-log-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::vector<std::string> Segments() const {
    std::vector<std::string> out;
    for (auto& e : std::filesystem::directory_iterator(path_)) {
      if (e.path().extension() == ".seg") out.push_back(e.path().string());
    }
    std::sort(out.begin(), out.end());
    return out;
  }

 private:
  std::string path_;
};

// The real disk, with faults that it will not produce on demand.
class FaultyFiles final : public Files {
 public:
  int64_t writes_left = INT64_MAX;  // bytes until the disk is full
  bool sync_fails = false, remove_fails = false;

  Result<std::unique_ptr<File>> OpenToRead(const std::string& path) override {
    return Files::System().OpenToRead(path);
  }
  Result<std::unique_ptr<File>> Create(const std::string& path) override {
    auto f = Files::System().Create(path);
    if (!f) return f;
    return std::make_unique<Faulty>(*this, std::move(*f));
  }
  Result<std::vector<std::string>> List(const std::string& folder) override { return Files::System().List(folder); }
  Status Remove(const std::string& path) override {
    if (remove_fails) return Unavailable("remove: Read-only file system");
    return Files::System().Remove(path);
  }
  Status MakeFolder(const std::string& path, unsigned mode) override { return Files::System().MakeFolder(path, mode); }
  Status Rename(const std::string& a, const std::string& b) override { return Files::System().Rename(a, b); }
  Status SyncFolder(const std::string& folder) override { return Files::System().SyncFolder(folder); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override { return Files::System().Lock(path); }

 private:
  class Faulty final : public File {
   public:
    Faulty(FaultyFiles& world, std::unique_ptr<File> f) : world_(world), f_(std::move(f)) {}
    Result<size_t> ReadAt(uint64_t at, std::span<uint8_t> into) override { return f_->ReadAt(at, into); }
    Status WriteAt(uint64_t at, std::span<iovec> v) override {
      for (auto& one : v) {
        int64_t n = std::min<int64_t>(static_cast<int64_t>(one.iov_len), world_.writes_left);
        world_.writes_left -= n;
        bool all = n == static_cast<int64_t>(one.iov_len);
        iovec part{one.iov_base, static_cast<size_t>(n)};
        if (auto s = f_->WriteAt(at, {&part, 1}); !s) return s;
        if (!all) return Unavailable("write: No space left on device");
        at += static_cast<uint64_t>(n);
      }
      return {};
    }
    Status Sync() override {
      if (world_.sync_fails) return Unavailable("fdatasync: Input/output error");
      return f_->Sync();
    }
    Status Truncate(uint64_t size) override { return f_->Truncate(size); }
    Result<uint64_t> Size() override { return f_->Size(); }

   private:
    FaultyFiles& world_;
    std::unique_ptr<File> f_;
  };
};

SegmentLogOptions Inline() {
  SegmentLogOptions o;
  o.workers = nullptr;
  return o;
}

std::shared_ptr<SegmentLog> Open(const Folder& folder, SegmentLogOptions options = Inline()) {
  auto log = SegmentLog::Open(folder.path(), std::move(options));
  EXPECT_TRUE(log.has_value()) << (log ? "" : log.error().message);
  return log ? *log : nullptr;
}

Result<uint64_t> Append(SegmentLog& log, std::string_view text, uint64_t items = 1, bool take = false) {
  Result<uint64_t> out = Fail(Code::kInternal, "not called");
  // In two slices: a record is what they are together.
  log.Append({Slice::CopyOf(text.substr(0, text.size() / 2)), Slice::CopyOf(text.substr(text.size() / 2))}, items, take,
             [&](Result<uint64_t> r) { out = std::move(r); });
  return out;
}

Result<std::string> Read(SegmentLog& log, uint64_t sequence) {
  Result<std::string> out = Fail(Code::kInternal, "not called");
  log.Read(sequence, [&](Result<Slice> r) {
    if (r)
      out = std::string(r->view());
    else
      out = tl::unexpected(r.error());
  });
  return out;
}

// Takes everything, as texts; damaged records as "!".
std::vector<std::string> TakeAll(SegmentLog& log) {
  std::vector<std::string> out;
  while (auto t = log.Take()) {
    auto text = Read(log, t->sequence);
    out.push_back(text ? *text : text.error().code == Code::kDataLoss ? "!" : text.error().message);
  }
  return out;
}

TEST(SegmentLog, GivesRecordsInOrderAndForgetsWhatIsDone) {
  Folder folder;
  auto log = Open(folder);
  for (auto* text : {"one", "two", "", "four"}) ASSERT_TRUE(Append(*log, text, 5));
  EXPECT_EQ(log->size().records, 4u);
  EXPECT_EQ(log->size().items, 20u);
  EXPECT_EQ(log->size().bytes, 10u);
  auto first = log->Take(), second = log->Take();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*Read(*log, first->sequence), "one");
  EXPECT_EQ(*Read(*log, second->sequence), "two");
  log->Done(second->sequence);
  log->GiveBack(first->sequence);
  EXPECT_EQ(TakeAll(*log), (std::vector<std::string>{"one", "", "four"}));
  EXPECT_FALSE(log->Take());
}

TEST(SegmentLog, WhatIsNotDoneIsThereAfterAnyEnd) {
  Folder folder;
  std::vector<std::string> want;
  for (int round = 0; round < 4; ++round) {
    auto log = Open(folder);
    auto found = log->TakeRecovery();
    EXPECT_EQ(found.records, want.size());
    EXPECT_EQ(found.damaged_bytes, 0u);
    EXPECT_EQ(log->TakeRecovery().records, 0u);
    EXPECT_EQ(TakeAll(*log), want);
    // Done are the first of what was there, and one of two that are new.
    log.reset();
    log = Open(folder);
    if (auto t = log->Take()) {
      log->Done(t->sequence);
      want.erase(want.begin());
    }
    std::string kept = fmt::format("kept {}", round);
    ASSERT_TRUE(Append(*log, kept));
    auto gone = Append(*log, "gone", 1, true);
    log->Done(*gone);
    want.push_back(kept);
  }
}

TEST(SegmentLog, OneLogAFolder) {
  Folder folder;
  auto log = Open(folder);
  EXPECT_EQ(Open(folder), log);
  // A lock belongs to an open file, so this process can play another one.
  EXPECT_FALSE(Files::System().Lock(folder.path() + "/lock"));
  log.reset();
  auto other = Files::System().Lock(folder.path() + "/lock");
  ASSERT_TRUE(other);
  auto refused = SegmentLog::Open(folder.path(), Inline());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("locked"), std::string::npos) << refused.error().message;
  other->reset();
  EXPECT_TRUE(Open(folder));
}

TEST(SegmentLog, SegmentsGoWhenTheirRecordsAreDone) {
  Folder folder;
  auto options = Inline();
  options.segment_bytes = 1000;
  auto log = Open(folder, options);
  std::vector<uint64_t> all;
  for (int i = 0; i < 100; ++i) all.push_back(*Append(*log, std::string(90, 'x'), 1, true));
  EXPECT_GT(folder.Segments().size(), 8u);
  for (uint64_t s : all) log->Done(s);
  EXPECT_LE(folder.Segments().size(), 2u);
  EXPECT_LT(log->disk_bytes(), 6000u);
  EXPECT_EQ(log->size().records, 0u);
}

TEST(SegmentLog, OneOldRecordHoldsUpNoSpace) {
  Folder folder;
  auto options = Inline();
  options.segment_bytes = 1000;
  auto log = Open(folder, options);
  uint64_t stuck = *Append(*log, "stuck", 7, true);
  uint64_t most = 0;
  for (int i = 0; i < 1000; ++i) {
    log->Done(*Append(*log, std::string(90, 'x'), 1, true));
    most = std::max(most, log->disk_bytes());
  }
  EXPECT_LT(most, 10'000u);
  EXPECT_EQ(*Read(*log, stuck), "stuck");
  log.reset();
  log = Open(folder, options);
  EXPECT_EQ(log->size().items, 7u);
  EXPECT_EQ(TakeAll(*log), std::vector<std::string>{"stuck"});
}

// Cut off at every byte, the log gives every record that was whole, and takes new ones.
TEST(SegmentLog, CutOffAnywhere) {
  Folder folder;
  std::vector<uint64_t> ends;
  {
    auto log = Open(folder);
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(Append(*log, fmt::format("record {}", i)));
      ends.push_back(std::filesystem::file_size(folder.Segments()[0]));
    }
  }
  std::string path = folder.Segments()[0];
  std::filesystem::path saved = folder.path() + "/saved";
  std::filesystem::copy_file(path, saved);
  for (uint64_t cut = 0; cut <= ends.back(); ++cut) {
    for (auto& p : folder.Segments()) std::filesystem::remove(p);
    std::filesystem::copy_file(saved, path);
    std::filesystem::resize_file(path, cut);
    std::vector<std::string> want;
    for (size_t i = 0; i < ends.size(); ++i) {
      if (ends[i] <= cut) want.push_back(fmt::format("record {}", i));
    }
    auto log = Open(folder);
    ASSERT_TRUE(log);
    ASSERT_TRUE(Append(*log, "new"));
    want.push_back("new");
    ASSERT_EQ(TakeAll(*log), want) << "cut at " << cut;
  }
}

// A flipped byte costs at most the record that it is in, in the newest segment and in older ones.
TEST(SegmentLog, AFlippedByteAnywhereCostsOneRecord) {
  for (bool newest : {true, false}) {
    Folder folder;
    {
      auto log = Open(folder);
      for (int i = 0; i < 3; ++i) ASSERT_TRUE(Append(*log, fmt::format("record {}", i)));
    }
    if (!newest) {
      auto log = Open(folder);
      ASSERT_TRUE(Append(*log, "newer"));
    }
    uint64_t size = std::filesystem::file_size(folder.Segments()[0]);
    for (uint64_t at = 0; at < size; ++at) {
      // Each time on a copy, for every start adds a segment.
      Folder copy;
      for (auto& segment : folder.Segments())
        std::filesystem::copy_file(segment,
                                   std::filesystem::path(copy.path()) / std::filesystem::path(segment).filename());
      std::string path = copy.Segments()[0];
      {
        FILE* f = std::fopen(path.c_str(), "r+e");
        std::fseek(f, static_cast<long>(at), SEEK_SET);
        int c = std::fgetc(f);
        std::fseek(f, static_cast<long>(at), SEEK_SET);
        std::fputc(c ^ 0x10, f);
        std::fclose(f);
      }
      {
        auto log = Open(copy);
        ASSERT_TRUE(log);
        auto got = TakeAll(*log);
        got.erase(std::remove(got.begin(), got.end(), "!"), got.end());
        EXPECT_GE(got.size(), newest ? 2u : 3u) << "byte " << at;
        for (auto& text : got) EXPECT_TRUE(text.rfind("record ", 0) == 0 || text == "newer") << text;
      }
    }
  }
}

// A record in the middle of the newest segment that is damaged is a loss, and counted; one at its end was being
// written.
TEST(SegmentLog, CountsWhatTheNewestSegmentLost) {
  for (bool middle : {true, false}) {
    Folder folder;
    {
      auto log = Open(folder);
      for (int i = 0; i < 3; ++i) ASSERT_TRUE(Append(*log, fmt::format("record {}", i)));
    }
    std::string path = folder.Segments()[0];
    FILE* f = std::fopen(path.c_str(), "r+e");
    std::string bytes(std::filesystem::file_size(path), 0);
    ASSERT_EQ(std::fread(bytes.data(), 1, bytes.size(), f), bytes.size());
    std::fseek(f, static_cast<long>(bytes.find(middle ? "record 1" : "record 2")), SEEK_SET);
    std::fputc('R', f);
    std::fclose(f);
    auto log = Open(folder);
    ASSERT_TRUE(log);
    auto found = log->TakeRecovery();
    EXPECT_EQ(found.records, 2u);
    EXPECT_GT(found.damaged_bytes, 0u);
    EXPECT_EQ(found.damaged_items, middle ? 1u : 0u);
  }
}

// What is appended after a record that was cut short is there at the next start (found by the simulation, seed 169).
TEST(SegmentLog, ARecordAfterOneThatWasBegunStays) {
  Folder folder;
  {
    auto log = Open(folder);
    ASSERT_TRUE(Append(*log, "whole") && Append(*log, "begun"));
  }
  std::filesystem::resize_file(folder.Segments()[0], std::filesystem::file_size(folder.Segments()[0]) - 1);
  {
    auto log = Open(folder);
    ASSERT_TRUE(Append(*log, "after"));
  }
  EXPECT_EQ(TakeAll(*Open(folder)), (std::vector<std::string>{"whole", "after"}));
}

TEST(SegmentLog, AFullDiskRefusesAndLosesNothing) {
  for (int64_t room = 0; room < 470; room += 7) {
    Folder folder;
    FaultyFiles files;
    auto options = Inline();
    options.files = &files;
    auto log = Open(folder, options);
    files.writes_left = room;
    std::vector<std::string> want;
    int refused = 0;
    for (int i = 0; i < 10; ++i) {
      std::string text = fmt::format("record {}", i);
      auto r = Append(*log, text);
      if (r) {
        want.push_back(text);
      } else {
        ++refused;
        EXPECT_TRUE(r.error().retryable);
        EXPECT_NE(r.error().message.find("No space left"), std::string::npos);
      }
    }
    EXPECT_GT(refused, 0);
    files.writes_left = INT64_MAX;
    ASSERT_TRUE(Append(*log, "after"));
    want.push_back("after");
    EXPECT_EQ(log->size().records, want.size());
    log.reset();
    log = Open(folder, options);
    EXPECT_EQ(TakeAll(*log), want) << "with room for " << room;
  }
}

// A log that fills its disk makes room when its records are done, however small its segment is.
TEST(SegmentLog, AFullDiskIsFreedByWhatIsDone) {
  Folder folder;
  FaultyFiles files;
  auto options = Inline();
  options.files = &files;
  auto log = Open(folder, options);
  std::vector<uint64_t> all;
  for (int i = 0; i < 10; ++i) all.push_back(*Append(*log, "before", 1, true));
  files.writes_left = 0;
  EXPECT_FALSE(Append(*log, "refused"));
  for (uint64_t s : all) log->Done(s);
  EXPECT_EQ(folder.Segments(), std::vector<std::string>{});
  EXPECT_EQ(log->disk_bytes(), 0u);
  files.writes_left = INT64_MAX;
  ASSERT_TRUE(Append(*log, "after"));
  log.reset();
  log = Open(folder, options);
  EXPECT_EQ(TakeAll(*log), std::vector<std::string>{"after"});
}

// Nothing that lies in the folder ends the process.
// The head of a new segment was written in part, and the file could not be removed: its name is taken.
TEST(SegmentLog, ARotationThatFailsDoesNotStopTheQueue) {
  Folder folder;
  FaultyFiles files;
  auto options = Inline();
  options.files = &files;
  auto log = Open(folder, options);
  files.writes_left = 5;
  files.remove_fails = true;
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(Append(*log, "refused"));
  files.writes_left = INT64_MAX;
  files.remove_fails = false;
  EXPECT_TRUE(Append(*log, "kept"));
  log.reset();
  EXPECT_THAT(TakeAll(*Open(folder)), testing::ElementsAre("kept"));
}

// An old segment that could not be moved for want of room is moved when there is some.
TEST(SegmentLog, AFullDiskHoldsUpSpaceOnlyWhileItIsFull) {
  Folder folder;
  FaultyFiles files;
  auto options = Inline();
  options.files = &files;
  options.segment_bytes = 200;
  auto log = Open(folder, options);
  ASSERT_TRUE(Append(*log, "stays", 1, true));
  auto churn = [&] {
    auto n = Append(*log, std::string(100, 'x'), 1, true);
    if (n) log->Done(*n);
    return n.has_value();
  };
  for (int i = 0; i < 20; ++i) {
    files.writes_left = 190;  // enough for the record, and not for the copy
    churn();
  }
  size_t full = folder.Segments().size();
  EXPECT_GT(full, 5u);
  files.writes_left = INT64_MAX;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(churn());
  EXPECT_LT(folder.Segments().size(), full);
  log.reset();
  EXPECT_THAT(TakeAll(*Open(folder)), testing::ElementsAre("stays"));
}

// What a kill leaves at the end of a segment is no damage, at the next start and at those after it.
TEST(SegmentLog, ARecordThatWasBegunIsNoDamage) {
  class Levels final : public LogSink {
   public:
    std::vector<LogLevel> seen;
    bool Enabled(LogLevel) const override { return true; }
    void Write(LogLevel level, std::string_view, const std::vector<LogField>&, const LogField*, size_t) override {
      seen.push_back(level);
    }
  };
  for (uint64_t cut : {1, 30, 44}) {  // within the body, and within the header
    Folder folder;
    {
      auto log = Open(folder);
      ASSERT_TRUE(Append(*log, "kept"));
      ASSERT_TRUE(Append(*log, "begun"));
    }
    std::string path = folder.Segments()[0];
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - cut);
    for (int start = 0; start < 3; ++start) {
      auto levels = std::make_shared<Levels>();
      auto options = Inline();
      options.log = Logger(levels);
      auto log = Open(folder, options);
      EXPECT_THAT(levels->seen, testing::ElementsAre(LogLevel::kWarn)) << "start " << start << ", cut " << cut;
      ASSERT_TRUE(Append(*log, "newer"));
    }
  }
}

// A queue of three segments with two records each; what went with each segment is known by its records.
struct ThreeSegments {
  Folder folder;
  std::vector<std::string> segments;
  ThreeSegments() {
    auto options = Inline();
    options.segment_bytes = 130;  // head, and two records of 50 bytes
    auto log = Open(folder, options);
    for (int i = 0; i < 6; ++i) EXPECT_TRUE(Append(*log, fmt::format("record {:03}", i), 3));
    segments = folder.Segments();
    EXPECT_EQ(segments.size(), 3u);
  }
};

TEST(SegmentLog, NoticesASegmentThatWasCutOrRemoved) {
  struct Case {
    const char* what;
    std::function<void(const std::string&)> damage;
    uint64_t missing;
    std::vector<std::string> left;
  };
  const Case cases[] = {
      {"cut between records",
       [](auto& p) { std::filesystem::resize_file(p, 40 + 50); },
       50,
       {"record 000", "record 001", "record 002", "record 004", "record 005"}},
      {"emptied",
       [](auto& p) { std::filesystem::resize_file(p, 0); },
       140,
       {"record 000", "record 001", "record 004", "record 005"}},
      {"removed",
       [](auto& p) { std::filesystem::remove(p); },
       140,
       {"record 000", "record 001", "record 004", "record 005"}},
      {"untouched",
       [](auto&) {},
       0,
       {"record 000", "record 001", "record 002", "record 003", "record 004", "record 005"}},
  };
  for (auto& c : cases) {
    ThreeSegments q;
    c.damage(q.segments[1]);
    auto log = Open(q.folder);
    EXPECT_EQ(log->TakeRecovery().missing_bytes, c.missing) << c.what;
    EXPECT_EQ(TakeAll(*log), c.left) << c.what;
  }
}

TEST(SegmentLog, ASegmentThatIsDoneIsNotMissed) {
  ThreeSegments q;
  {
    auto log = Open(q.folder);
    for (int i = 0; i < 4; ++i) log->Done(log->Take()->sequence);
  }
  EXPECT_EQ(q.folder.Segments().size(), 2u);  // the third of before, and that of the marks
  EXPECT_EQ(Open(q.folder)->TakeRecovery().missing_bytes, 0u);
}

TEST(SegmentLog, ReadsSegmentsOfTheFirstFormat) {
  Folder folder;
  {
    auto log = Open(folder);
    ASSERT_TRUE(Append(*log, "one"));
    ASSERT_TRUE(Append(*log, "two"));
  }
  std::string path = folder.Segments()[0], bytes;
  {
    std::ifstream in(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  std::string old = "naruseg1" + bytes.substr(8, 8) + bytes.substr(40);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << old;
  auto log = Open(folder);
  EXPECT_EQ(log->TakeRecovery().damaged_bytes, 0u);
  EXPECT_EQ(TakeAll(*log), (std::vector<std::string>{"one", "two"}));
}

TEST(SegmentLog, ASegmentThatNoneCanFollowIsNotOurs) {
  for (auto* name : {"ffffffffffffffff", "fffffffffffffffe", "4000000000000001"}) {
    Folder folder;
    std::ofstream(folder.path() + "/" + name + ".seg") << "naruseg1";
    auto options = Inline();
    options.segment_bytes = 1;
    auto log = Open(folder, options);
    for (auto* text : {"one", "two", "three"}) ASSERT_TRUE(Append(*log, text));
    EXPECT_EQ(TakeAll(*log), (std::vector<std::string>{"one", "two", "three"})) << name;
  }
}

TEST(SegmentLog, NothingIsAcknowledgedThatIsNotSynced) {
  Folder folder;
  FaultyFiles files;
  auto options = Inline();
  options.files = &files;
  options.fsync = true;
  auto log = Open(folder, options);
  ASSERT_TRUE(Append(*log, "one"));
  files.sync_fails = true;
  EXPECT_FALSE(Append(*log, "two"));
  files.sync_fails = false;
  ASSERT_TRUE(Append(*log, "three"));
  EXPECT_EQ(TakeAll(*log), (std::vector<std::string>{"one", "three"}));
}

TEST(SegmentLog, HearsOfWhatIsGivenBack) {
  Folder folder;
  auto log = Open(folder);
  int heard = 0;
  log->SetListener([&] { ++heard; });
  uint64_t s = *Append(*log, "x", 1, true);
  EXPECT_EQ(log->waiting(), 0u);
  log->GiveBack(s);
  EXPECT_EQ(heard, 1);
  EXPECT_EQ(log->waiting(), 1u);
  log->Done(s);
}

// Many threads append, take and finish; nothing is lost, nothing is given twice, and what is left survives.
TEST(SegmentLog, ManyThreads) {
  Folder folder;
  SegmentLogOptions options;
  options.segment_bytes = 20'000;
  std::mutex mutex;
  std::set<std::string> kept, done;
  {
    auto log = Open(folder, options);
    std::atomic<int> open{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 random(static_cast<uint32_t>(t));
        for (int i = 0; i < 200; ++i) {
          std::string text = fmt::format("{} {} {}", t, i, std::string(random() % 300, 'x'));
          bool take = random() % 2;
          ++open;
          log->Append({Slice::CopyOf(text)}, 1, take, [&, text, take](Result<uint64_t> r) {
            ASSERT_TRUE(r);
            std::lock_guard lock(mutex);
            if (take) {
              done.insert(text);
              log->Done(*r);
            } else {
              kept.insert(text);
            }
            --open;
          });
          if (auto taken = random() % 3 == 0 ? log->Take() : std::nullopt) {
            ++open;
            log->Read(taken->sequence, [&, s = taken->sequence](Result<Slice> r) {
              ASSERT_TRUE(r);
              std::lock_guard lock(mutex);
              EXPECT_TRUE(done.insert(std::string(r->view())).second);
              log->Done(s);
              --open;
            });
          }
        }
      });
    }
    for (auto& t : threads) t.join();
    std::mutex m;
    std::condition_variable cv;
    bool flushed = false;
    while (open > 0) std::this_thread::yield();
    log->Flush([&] {
      std::lock_guard lock(m);
      flushed = true;
      cv.notify_all();
    });
    std::unique_lock lock(m);
    cv.wait(lock, [&] { return flushed; });
    // The worker lets go of the log after the last job.
    std::weak_ptr<SegmentLog> weak = log;
    log.reset();
    while (!weak.expired()) std::this_thread::yield();
  }
  auto log = Open(folder);
  std::set<std::string> left;
  for (auto& text : TakeAll(*log)) EXPECT_TRUE(left.insert(text).second);
  std::set<std::string> all = kept, both = done;
  all.insert(done.begin(), done.end());
  both.insert(left.begin(), left.end());
  EXPECT_EQ(all.size(), 800u);
  EXPECT_EQ(both, all);
  for (auto& text : left) EXPECT_FALSE(done.count(text)) << text;
}

}  // namespace
}  // namespace naru::pipeline
