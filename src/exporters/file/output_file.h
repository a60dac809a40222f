// One output file: appending, flushing, putting aside when full.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "exporters/file/config.h"

namespace naru::exporters::file {

/// Not thread-safe. Errors name the file.
class OutputFile {
 public:
  /// Opens `path` (emptied, unless append is on or rotation, which goes on where it was).
  static Result<std::unique_ptr<OutputFile>> Open(const std::string& path, const Config& config);
  ~OutputFile();
  /// Takes all of `bytes` or, with an error, nothing: what a full disk cut short is taken back. Rotates before when the
  /// file is full.
  Status Write(std::string_view bytes, uint64_t unix_nano);
  /// Writes what is buffered. What cannot be written stays for the next time.
  Status Flush();

 private:
  OutputFile(std::string path, const Config& config) : path_(std::move(path)), config_(config) {}
  Status Reopen(bool truncate);
  void Close();
  Status Rotate(uint64_t unix_nano);
  void RemoveOld(uint64_t unix_nano);

  std::string path_;
  const Config& config_;
  int fd_ = -1;
  std::string buffer_;  // taken and not written
  uint64_t size_ = 0;   // of the file with that
};

}  // namespace naru::exporters::file
