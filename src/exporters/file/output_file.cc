#include "exporters/file/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <vector>

#include <fmt/core.h>

namespace naru::exporters::file {

namespace fs = std::filesystem;

namespace {

constexpr size_t kBuffer = 4096;
constexpr std::string_view kReason = "-size";

// What fails for the want of space, of descriptors or of permissions may work later; a path that cannot be one does
// not.
Error Failure(std::string_view what, const std::string& path, int e) {
  bool never = e == EISDIR || e == ENOTDIR || e == ENAMETOOLONG || e == EINVAL || e == ELOOP;
  return {never ? Code::kFailedPrecondition : Code::kUnavailable, !never, Duration{0},
          fmt::format("{} {}: {}", what, path, std::strerror(e))};
}

}  // namespace

Result<std::unique_ptr<OutputFile>> OutputFile::Open(const std::string& path, const Config& config) {
  std::error_code ec;
  fs::path parent = fs::path(path).parent_path();
  // Groups have the folders that their names ask for.
  bool create = config.create_directory || config.group_by.enabled;
  if (create && !parent.empty() && !fs::exists(parent, ec)) {
    fs::create_directories(parent, ec);
    if (ec) return Unexpected(Failure("mkdir", parent.string(), ec.value()));
    auto mode = static_cast<mode_t>(std::strtol(config.directory_permissions.c_str(), nullptr, 8));
    if (mode) chmod(parent.c_str(), mode);
  }
  std::unique_ptr<OutputFile> out(new OutputFile(path, config));
  if (auto s = out->Reopen(!config.append && !config.rotation); !s) return Unexpected(s.error());
  return out;
}

OutputFile::~OutputFile() {
  (void)Flush();
  Close();
}

void OutputFile::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

Status OutputFile::Reopen(bool truncate) {
  Close();
  // With rotation the reference's files are for their owner and group only.
  fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (truncate ? O_TRUNC : 0),
             config_.rotation ? 0640 : 0644);
  if (fd_ < 0) return Unexpected(Failure("open", path_, errno));
  struct stat st {};
  size_ = fstat(fd_, &st) == 0 ? static_cast<uint64_t>(st.st_size) : 0;
  return {};
}

Status OutputFile::Write(std::string_view bytes, uint64_t unix_nano) {
  if (fd_ < 0) {
    if (auto s = Reopen(false); !s) return s;
  }
  if (config_.rotation && size_ > 0 &&
      size_ + bytes.size() > static_cast<uint64_t>(std::max<int64_t>(1, config_.rotation->max_megabytes)) << 20) {
    if (auto s = Rotate(unix_nano); !s) return s;
  }
  if (!buffer_.empty() && buffer_.size() + bytes.size() > kBuffer) {
    if (auto s = Flush(); !s) return s;
  }
  uint64_t before = size_;
  buffer_ += bytes;
  size_ += bytes.size();
  if (buffer_.size() < kBuffer && config_.flush_interval > Duration(0)) return {};
  Status s = Flush();
  if (s) return s;
  uint64_t written = size_ - buffer_.size();
  if (written > before) {
    // Half a record: nobody could read what stands behind it.
    struct stat st {};
    if (fstat(fd_, &st) != 0 || ftruncate(fd_, st.st_size - static_cast<off_t>(written - before)) != 0) return {};
    buffer_.clear();
  } else {
    buffer_.resize(before - written);
  }
  size_ = before;
  return s;
}

Status OutputFile::Flush() {
  size_t done = 0;
  Status out{};
  while (fd_ >= 0 && done < buffer_.size()) {
    ssize_t n = write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (n >= 0) {
      done += static_cast<size_t>(n);
    } else if (errno != EINTR) {
      // A full disk empties itself, perhaps: the same write may work later.
      out = Unexpected(Failure("write", path_, errno));
      break;
    }
  }
  buffer_.erase(0, done);
  return out;
}

// name.ext -> name-2006-01-02T15-04-05.000-size.ext, as the reference names it.
Status OutputFile::Rotate(uint64_t unix_nano) {
  if (auto s = Flush(); !s) return s;
  Close();
  auto s = static_cast<time_t>(unix_nano / 1'000'000'000);
  tm t{};
  config_.rotation->localtime ? localtime_r(&s, &t) : gmtime_r(&s, &t);
  fs::path p(path_);
  std::string aside =
      fmt::format("{}-{:04}-{:02}-{:02}T{:02}-{:02}-{:02}.{:03}{}{}", (p.parent_path() / p.stem()).string(),
                  t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec,
                  unix_nano / 1'000'000 % 1000, kReason, p.extension().string());
  if (std::rename(path_.c_str(), aside.c_str()) != 0) return Unexpected(Failure("rename", path_, errno));
  RemoveOld(unix_nano);
  return Reopen(true);
}

void OutputFile::RemoveOld(uint64_t unix_nano) {
  fs::path p(path_);
  std::string stem = p.stem().string() + "-", extension = p.extension().string();
  fs::path folder = p.parent_path().empty() ? fs::path(".") : p.parent_path();
  std::vector<fs::path> aside;
  std::error_code ec;
  for (auto& e : fs::directory_iterator(folder, ec)) {
    std::string name = e.path().filename().string();
    // Only what Rotate has named, now or before there were reasons in names: the stem, 23 characters of time, perhaps
    // the reason, the extension.
    if (!name.starts_with(stem) || !name.ends_with(extension)) continue;
    size_t time = name.size() - stem.size() - std::min(name.size() - stem.size(), extension.size());
    bool reason = time == 23 + kReason.size() && name.substr(stem.size() + 23, kReason.size()) == kReason;
    if (time == 23 || reason) aside.push_back(e.path());
  }
  std::sort(aside.begin(), aside.end());
  auto keep = static_cast<size_t>(std::max<int64_t>(0, config_.rotation->max_backups));
  size_t first = keep > 0 && aside.size() > keep ? aside.size() - keep : 0;
  for (size_t i = 0; i < aside.size(); ++i) {
    bool old = i < first;
    if (!old && config_.rotation->max_days > 0) {
      struct stat st {};
      if (stat(aside[i].c_str(), &st) == 0) {
        old = static_cast<int64_t>(unix_nano / 1'000'000'000) - st.st_mtime > config_.rotation->max_days * 86400;
      }
    }
    if (old) fs::remove(aside[i], ec);
  }
}

}  // namespace naru::exporters::file
