#include "exporters/file/output_file.h"

#include <sys/stat.h>

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

Result<std::unique_ptr<OutputFile>> OutputFile::Open(const std::string& path, const Config& config) {
  std::error_code ec;
  fs::path parent = fs::path(path).parent_path();
  if (config.create_directory && !parent.empty() && !fs::exists(parent, ec)) {
    fs::create_directories(parent, ec);
    if (ec) return Fail(Code::kFailedPrecondition, "mkdir {}: {}", parent.string(), ec.message());
    auto mode = static_cast<mode_t>(std::strtol(config.directory_permissions.c_str(), nullptr, 8));
    if (mode) chmod(parent.c_str(), mode);
  }
  std::unique_ptr<OutputFile> out(new OutputFile(path, config));
  if (auto s = out->Reopen(!config.append && !config.rotation); !s) return Unexpected(s.error());
  return out;
}

OutputFile::~OutputFile() {
  if (file_) std::fclose(file_);
}

Status OutputFile::Reopen(bool truncate) {
  if (file_) std::fclose(file_);
  file_ = std::fopen(path_.c_str(), truncate ? "we" : "ae");
  if (!file_) return Fail(Code::kFailedPrecondition, "open {}: {}", path_, std::strerror(errno));
  struct stat st {};
  size_ = stat(path_.c_str(), &st) == 0 ? static_cast<uint64_t>(st.st_size) : 0;
  return {};
}

Status OutputFile::Write(std::string_view bytes, uint64_t unix_nano) {
  if (!file_) {
    if (auto s = Reopen(false); !s) return s;
  }
  if (config_.rotation && size_ > 0 &&
      size_ + bytes.size() > static_cast<uint64_t>(std::max<int64_t>(1, config_.rotation->max_megabytes)) << 20) {
    if (auto s = Rotate(unix_nano); !s) return s;
  }
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
    // A full disk empties itself, perhaps: the same write may work later.
    int e = errno;
    std::clearerr(file_);
    return Unexpected(
        Error{Code::kUnavailable, true, Duration{0}, fmt::format("write {}: {}", path_, std::strerror(e))});
  }
  size_ += bytes.size();
  return {};
}

Status OutputFile::Flush() {
  if (file_ && std::fflush(file_) != 0) {
    return Unexpected(
        Error{Code::kUnavailable, true, Duration{0}, fmt::format("write {}: {}", path_, std::strerror(errno))});
  }
  return {};
}

// name.ext -> name-2006-01-02T15-04-05.000.ext
Status OutputFile::Rotate(uint64_t unix_nano) {
  std::fclose(file_);
  file_ = nullptr;
  auto s = static_cast<time_t>(unix_nano / 1'000'000'000);
  tm t{};
  config_.rotation->localtime ? localtime_r(&s, &t) : gmtime_r(&s, &t);
  fs::path p(path_);
  std::string aside = fmt::format("{}-{:04}-{:02}-{:02}T{:02}-{:02}-{:02}.{:03}{}",
                                  (p.parent_path() / p.stem()).string(), t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                                  t.tm_hour, t.tm_min, t.tm_sec, unix_nano / 1'000'000 % 1000, p.extension().string());
  if (std::rename(path_.c_str(), aside.c_str()) != 0)
    return Fail(Code::kInternal, "rename {}: {}", path_, std::strerror(errno));
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
    // Only what Rotate has named: the stem, 23 characters of time, the extension.
    if (name.rfind(stem, 0) == 0 && name.size() == stem.size() + 23 + extension.size() && name.ends_with(extension))
      aside.push_back(e.path());
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
