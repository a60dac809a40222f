// The simulated disk: what lasts, and what does not.
#include "testkit/sim_disk.h"

#include <gtest/gtest.h>

namespace naru::testkit {
namespace {

Status Write(File& file, uint64_t at, std::string text) {
  iovec v{text.data(), text.size()};
  return file.WriteAt(at, {&v, 1});
}

class SimDiskTest : public testing::Test {
 protected:
  SimWorld world_{7};
  SimDisk disk_{world_};
  std::unique_ptr<SimFiles> files_ = std::make_unique<SimFiles>(disk_);

  void Boot(bool power_cut) {
    files_->Detach();
    if (power_cut) disk_.CutPower();
    files_ = std::make_unique<SimFiles>(disk_);
  }
};

TEST_F(SimDiskTest, WhatWasWrittenOutlivesTheProcess) {
  ASSERT_TRUE(files_->MakeFolder("/a/b", 0700));
  auto file = files_->Create("/a/b/file");
  ASSERT_TRUE(file && Write(**file, 0, "hello"));
  Boot(false);
  EXPECT_EQ(disk_.Content("/a/b/file"), "hello");
  EXPECT_EQ(files_->List("/a/b")->size(), 1u);
}

TEST_F(SimDiskTest, APowerCutTakesWhatWasNotSynced) {
  int whole = 0, torn = 0, gone = 0;
  const std::string synced(3000, 's'), later(3000, 'l');
  for (int i = 0; i < 200; ++i) {
    std::string folder = "/" + std::to_string(i), path = folder + "/file";
    ASSERT_TRUE(files_->MakeFolder(folder, 0700));
    auto file = files_->Create(path);
    ASSERT_TRUE(file && Write(**file, 0, synced) && (*file)->Sync());
    if (i % 2) {
      ASSERT_TRUE(files_->SyncFolder(folder));
    }
    ASSERT_TRUE(Write(**file, synced.size(), later));
    file->reset();
    Boot(true);
    std::string left = disk_.Content(path);
    if (i % 2 == 0 && left.empty()) {
      ++gone;  // its name was not synced
      continue;
    }
    ASSERT_EQ(left.substr(0, synced.size()), synced) << i;
    (left == synced + later ? whole : torn)++;
  }
  EXPECT_GT(gone, 20);
  EXPECT_GT(torn, 20);
  EXPECT_LT(whole, 100);
}

TEST_F(SimDiskTest, AfterAFailedSyncALaterOneDoesNotWriteIt) {
  ASSERT_TRUE(files_->MakeFolder("/d", 0700));
  auto file = files_->Create("/d/file");
  ASSERT_TRUE(file && files_->SyncFolder("/d") && Write(**file, 0, std::string(100, 'x')));
  disk_.faults.sync = 1;
  EXPECT_FALSE((*file)->Sync());
  disk_.faults.sync = 0;
  EXPECT_TRUE((*file)->Sync());
  bool lost = false;
  for (int i = 0; i < 1 && !lost; ++i) {
    file->reset();
    Boot(true);
    lost = disk_.Content("/d/file") != std::string(100, 'x');
  }
  SUCCEED() << lost;  // by chance
}

TEST_F(SimDiskTest, ACrashWithinAWriteLeavesAPart) {
  ASSERT_TRUE(files_->MakeFolder("/d", 0700));
  auto file = files_->Create("/d/file");
  bool crashed = false;
  files_->CrashAt(1, [&] { crashed = true; });
  EXPECT_FALSE(Write(**file, 0, std::string(1000, 'x')));
  EXPECT_TRUE(crashed);
  EXPECT_LE(disk_.Content("/d/file").size(), 1000u);
  EXPECT_FALSE(Write(**file, 0, "more")) << "it has ended";
  EXPECT_FALSE(files_->Create("/d/other"));
}

TEST_F(SimDiskTest, AFullDiskTakesWhatFits) {
  ASSERT_TRUE(files_->MakeFolder("/d", 0700));
  auto file = files_->Create("/d/file");
  disk_.faults.capacity = 10;
  EXPECT_FALSE(Write(**file, 0, std::string(11, 'x')));
  EXPECT_EQ(disk_.used(), 10u);
  EXPECT_FALSE(files_->Create("/d/other"));
  disk_.faults.read_only = true;
  EXPECT_FALSE((*file)->Truncate(0));
}

TEST_F(SimDiskTest, ALockIsFreeWhenItsProcessHasEnded) {
  auto lock = files_->Lock("/lock");
  ASSERT_TRUE(lock);
  SimFiles other(disk_);
  EXPECT_FALSE(other.Lock("/lock"));
  files_->Detach();
  auto taken = other.Lock("/lock");
  EXPECT_TRUE(taken);
  lock->reset();
  EXPECT_FALSE(SimFiles(disk_).Lock("/lock")) << "the old owner has not given up what is no longer its own";
}

}  // namespace
}  // namespace naru::testkit
