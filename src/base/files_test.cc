#include "base/files.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

namespace naru {
namespace {

TEST(Files, MakeFolderMakesThoseAboveAndLeavesWhatIsThere) {
  std::string root = (std::filesystem::temp_directory_path() / "naru-files-XXXXXX").string();
  ASSERT_NE(mkdtemp(root.data()), nullptr);
  Files& files = Files::System();
  auto mode = [](const std::string& path) {
    struct stat st {};
    return stat(path.c_str(), &st) == 0 ? st.st_mode & 0777 : 0;
  };
  EXPECT_TRUE(files.MakeFolder(root + "/a/b", 0750));
  EXPECT_EQ(mode(root + "/a/b"), 0750u);
  EXPECT_TRUE(files.MakeFolder(root + "/a/b", 0700)) << "it is there";
  EXPECT_EQ(mode(root + "/a/b"), 0750u);
  EXPECT_TRUE(files.MakeFolder(root + "//a/c/", 0700)) << "slashes too many";
  EXPECT_EQ(mode(root + "/a/c"), 0700u);
  ASSERT_TRUE(files.Create(root + "/file"));
  EXPECT_FALSE(files.MakeFolder(root + "/file", 0700)) << "a file is in the way";
  EXPECT_FALSE(files.MakeFolder(root + "/file/below", 0700));
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace naru
