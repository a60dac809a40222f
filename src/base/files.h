// The disk as an interface, with a real form here and simulated ones in tests: what naru keeps must survive every way
// in which a disk can fail. Nothing that has to last asks the system for files in any other way.
//
// Every call may block: not for event loops, unless at the start.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace naru {

/// An open file. Thread-safe as far as calls do not touch the same bytes.
class File {
 public:
  virtual ~File() = default;
  /// Fills `into` from `offset`; the number of bytes read is less only at the end of the file.
  virtual Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> into) = 0;
  /// Writes everything or fails; after a failure some bytes may be there. The vectors are used up.
  virtual Status WriteAt(uint64_t offset, std::span<iovec> vectors) = 0;
  /// Returns when what was written would survive a loss of power.
  virtual Status Sync() = 0;
  virtual Status Truncate(uint64_t size) = 0;
  virtual Result<uint64_t> Size() = 0;
};

/// Held while it lives; also given up when the process ends, however it ends.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

/// The file system. Thread-safe.
class Files {
 public:
  virtual ~Files() = default;
  virtual Result<std::unique_ptr<File>> OpenToRead(const std::string& path) = 0;
  /// A new, empty file to write and read; an error when there is one (mode 0600).
  virtual Result<std::unique_ptr<File>> Create(const std::string& path) = 0;
  /// The names in a folder, without "." and "..", sorted.
  virtual Result<std::vector<std::string>> List(const std::string& folder) = 0;
  virtual Status Remove(const std::string& path) = 0;
  /// Makes a folder and those above it, with these permissions; those that are there are left as they are. The names of
  /// those that were made last when this returns, and that of the folder itself, whoever made it.
  virtual Status MakeFolder(const std::string& path, unsigned mode) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  /// Makes created, removed and renamed names of a folder last.
  virtual Status SyncFolder(const std::string& folder) = 0;
  /// An exclusive lock on a file that is made if missing. kFailedPrecondition when another process has it.
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;

  static Files& System();
};

}  // namespace naru
