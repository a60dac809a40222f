// A disk in memory that fails as disks do: what was not synced is lost or torn when the power goes, writes find no
// room, calls fail, bytes rot.
//
// The disk outlives the processes that use it; each has a SimFiles, its view of the disk. When a process ends, its view
// is detached: what it does then has no effect, its locks are free. What happens, and what is torn, follows from the
// world's seed.
//
// Syncing follows POSIX, not one file system: Sync makes the bytes of a file last, SyncFolder the names in a folder
// (and neither does the other's work). After a Sync that failed, what it should have written is not written by a later
// one either.
//
// Threads: one, that of the simulated world.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "testkit/sim_world.h"

namespace naru::testkit {

/// What the disk does wrong. May be changed at any time.
struct SimDiskFaults {
  uint64_t capacity = UINT64_MAX;  // bytes of all files; a write that does not fit is cut off
  bool read_only = false;
  double write = 0, read = 0, sync = 0;  // chances of a call to fail; a failed write leaves a part
  /// A bug of the disk, to show that tests notice: what was synced is lost or torn when the power goes, as the rest is.
  bool forgets_synced = false;
};

class SimFiles;

class SimDisk {
 public:
  explicit SimDisk(SimWorld& world) : world_(world) {}

  SimDiskFaults faults;
  /// The power goes: of what was not synced each sector is there or not, as are names and lengths. Views must be
  /// detached.
  void CutPower();
  /// Paths of the files in a folder and below it whose name ends so.
  std::vector<std::string> Find(const std::string& folder, std::string_view suffix) const;
  std::string Content(const std::string& path) const;
  /// Changes bytes behind everybody's back, for good; a shorter content truncates.
  void Damage(const std::string& path, std::string content);
  uint64_t used() const;
  /// Calls that could change something, so far.
  uint64_t operations() const { return operations_; }

 private:
  friend class SimFiles;
  friend class SimFile;
  friend class SimLock;
  struct Node {
    bool folder = false;
    std::string now, synced;
    std::vector<std::pair<uint64_t, uint64_t>> dirty;  // what the next Sync writes: offset, end
    bool resized = false;
  };
  using NodePtr = std::shared_ptr<Node>;
  using Names = std::map<std::string, NodePtr>;

  SimWorld& world_;
  Names now_, synced_;  // by path
  std::map<std::string, SimFiles*> locks_;
  uint64_t operations_ = 0;
};

/// The disk as one process sees it.
class SimFiles final : public Files {
 public:
  explicit SimFiles(SimDisk& disk) : disk_(disk) {}
  ~SimFiles() override { Detach(); }

  void Detach();
  bool detached() const { return detached_; }
  /// `on_crash` runs within the `n`th call from here that would change something (1: the next), of whose change only a
  /// part has happened; the view is detached by then.
  void CrashAt(uint64_t n, std::function<void()> on_crash);

  Result<std::unique_ptr<File>> OpenToRead(const std::string& path) override;
  Result<std::unique_ptr<File>> Create(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& folder) override;
  Status Remove(const std::string& path) override;
  Status MakeFolder(const std::string& path, unsigned mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status SyncFolder(const std::string& folder) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

 private:
  friend class SimFile;
  friend class SimLock;
  /// Before a change: why it cannot be, or whether the process ends in the middle of it.
  Status Change(const std::string& path, bool* crash);
  void Crash();

  SimDisk& disk_;
  bool detached_ = false;
  uint64_t crash_in_ = 0;  // 0: not
  std::function<void()> on_crash_;
};

}  // namespace naru::testkit
