#include "base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

namespace naru {
namespace {

// Retryable: room comes back, disks are mounted again. Who asks for a file at the start treats it as fatal all the
// same.
Unexpected Failed(const char* what, const std::string& path) {
  int e = errno;
  return Unavailable("{} {}: {}", what, path, std::strerror(e));
}

class SystemFile final : public File {
 public:
  SystemFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~SystemFile() override { close(fd_); }

  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> into) override {
    size_t done = 0;
    while (done < into.size()) {
      ssize_t n = pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed("read", path_);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Status WriteAt(uint64_t offset, std::span<iovec> v) override {
    while (!v.empty()) {
      ssize_t n =
          pwritev(fd_, v.data(), static_cast<int>(std::min<size_t>(v.size(), IOV_MAX)), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed("write", path_);
      offset += static_cast<uint64_t>(n);
      auto left = static_cast<size_t>(n);
      while (!v.empty() && left >= v[0].iov_len) {
        left -= v[0].iov_len;
        v = v.subspan(1);
      }
      if (left) {
        v[0].iov_base = static_cast<char*>(v[0].iov_base) + left;
        v[0].iov_len -= left;
      }
    }
    return {};
  }

  Status Sync() override {
    if (fdatasync(fd_) != 0) return Failed("fdatasync", path_);
    return {};
  }
  Status Truncate(uint64_t size) override {
    if (ftruncate(fd_, static_cast<off_t>(size)) != 0) return Failed("truncate", path_);
    return {};
  }
  Result<uint64_t> Size() override {
    struct stat st {};
    if (fstat(fd_, &st) != 0) return Failed("stat", path_);
    return static_cast<uint64_t>(st.st_size);
  }

 private:
  const int fd_;
  const std::string path_;
};

class SystemLock final : public FileLock {
 public:
  explicit SystemLock(int fd) : fd_(fd) {}
  ~SystemLock() override { close(fd_); }

 private:
  const int fd_;
};

class SystemFiles final : public Files {
 public:
  Result<std::unique_ptr<File>> OpenToRead(const std::string& path) override { return Open(path, O_RDONLY); }
  Result<std::unique_ptr<File>> Create(const std::string& path) override {
    return Open(path, O_RDWR | O_CREAT | O_EXCL);
  }
  Result<std::vector<std::string>> List(const std::string& folder) override {
    DIR* d = opendir(folder.c_str());
    if (!d) return Failed("open", folder);
    std::vector<std::string> out;
    while (dirent* e = readdir(d)) {
      std::string name = e->d_name;
      if (name != "." && name != "..") out.push_back(std::move(name));
    }
    closedir(d);
    std::sort(out.begin(), out.end());
    return out;
  }
  Status Remove(const std::string& path) override {
    if (unlink(path.c_str()) != 0) return Failed("remove", path);
    return {};
  }
  Status MakeFolder(const std::string& path, unsigned mode) override {
    for (size_t end = 0; end < path.size();) {
      end = std::min(path.find('/', end + 1), path.size());
      std::string folder = path.substr(0, end);
      if (folder.back() == '/') continue;
      size_t slash = folder.rfind('/');
      std::string above = slash == std::string::npos ? "." : slash == 0 ? "/" : folder.substr(0, slash);
      bool made = mkdir(folder.c_str(), 0700) == 0;
      if (!made && errno != EEXIST) return Failed("mkdir", folder);
      if (made) chmod(folder.c_str(), mode);  // whatever the umask takes away
      // A folder that somebody else made may be in a place that may not be read; then its name was his to make last.
      if (auto s = made || end == path.size() ? SyncFolder(above) : Status(); !s && made) return s;
    }
    struct stat st {};
    if (stat(path.c_str(), &st) != 0) return Failed("mkdir", path);
    if (S_ISDIR(st.st_mode)) return {};
    errno = ENOTDIR;
    return Failed("mkdir", path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) != 0) return Failed("rename", from);
    return {};
  }
  Status SyncFolder(const std::string& folder) override {
    int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return Failed("open", folder);
    int rc = fsync(fd);
    int e = errno;
    close(fd);
    errno = e;
    if (rc != 0) return Failed("fsync", folder);
    return {};
  }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return Failed("open", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      int e = errno;
      close(fd);
      errno = e;
      if (e == EWOULDBLOCK) return Fail(Code::kFailedPrecondition, "{} is locked by another process", path);
      return Failed("lock", path);
    }
    return std::make_unique<SystemLock>(fd);
  }

 private:
  static Result<std::unique_ptr<File>> Open(const std::string& path, int flags) {
    int fd = open(path.c_str(), flags | O_CLOEXEC, 0600);
    if (fd < 0) return Failed("open", path);
    return std::make_unique<SystemFile>(fd, path);
  }
};

}  // namespace

Files& Files::System() {
  static auto* files = new SystemFiles;  // never destroyed: queues may outlive static destruction
  return *files;
}

}  // namespace naru
