#include "testkit/sim_disk.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

namespace naru::testkit {
namespace {

constexpr uint64_t kSector = 512;

Unexpected Failed(std::string_view what, const std::string& path, std::string_view why) {
  return Unavailable("{} {}: {}", what, path, why);
}

std::string Above(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

// The bytes [from, to) of one text over those of another one.
void Copy(const std::string& source, std::string& target, uint64_t from, uint64_t to) {
  to = std::min<uint64_t>({to, source.size(), target.size()});
  if (from < to) std::memcpy(target.data() + from, source.data() + from, to - from);
}

}  // namespace

class SimFile final : public File {
 public:
  SimFile(SimFiles& files, SimDisk::NodePtr node, std::string path)
      : files_(files), disk_(files.disk_), node_(std::move(node)), path_(std::move(path)) {}

  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> into) override {
    if (files_.detached_) return Failed("read", path_, "the process has ended");
    if (disk_.world_.random().Chance(disk_.faults.read)) return Failed("read", path_, "input/output error");
    if (offset >= node_->now.size()) return size_t{0};
    size_t n = std::min<size_t>(into.size(), node_->now.size() - offset);
    std::memcpy(into.data(), node_->now.data() + offset, n);
    return n;
  }

  Status WriteAt(uint64_t offset, std::span<iovec> vectors) override {
    std::string bytes;
    for (auto& v : vectors) bytes.append(static_cast<const char*>(v.iov_base), v.iov_len);
    bool crash = false;
    if (auto s = files_.Change(path_, &crash); !s) return s;
    uint64_t room = disk_.faults.capacity - std::min(disk_.faults.capacity, disk_.used());
    uint64_t grows = offset + bytes.size() > node_->now.size() ? offset + bytes.size() - node_->now.size() : 0;
    bool full = grows > room, fails = disk_.world_.random().Chance(disk_.faults.write);
    uint64_t n = bytes.size();
    if (full) n -= std::min(n, grows - room);
    if (fails || crash) n = disk_.world_.random().Below(n + 1);
    if (n) {
      if (node_->now.size() < offset + n) node_->now.resize(offset + n);
      std::memcpy(node_->now.data() + offset, bytes.data(), n);
      node_->dirty.emplace_back(offset, offset + n);
    }
    if (crash) files_.Crash();
    if (crash || fails) return Failed("write", path_, "input/output error");
    if (full) return Failed("write", path_, "no space left on device");
    return {};
  }

  Status Sync() override {
    bool crash = false;
    if (auto s = files_.Change(path_, &crash); !s) return s;
    bool fails = disk_.world_.random().Chance(disk_.faults.sync);
    if (!fails && !crash) {
      if (node_->resized || node_->now.size() > node_->synced.size()) node_->synced.resize(node_->now.size());
      for (auto& [from, to] : node_->dirty) Copy(node_->now, node_->synced, from, to);
    }
    if (!crash) {
      node_->dirty.clear();
      node_->resized = false;
    }
    if (crash) files_.Crash();
    if (crash || fails) return Failed("fdatasync", path_, "input/output error");
    return {};
  }

  Status Truncate(uint64_t size) override {
    bool crash = false;
    if (auto s = files_.Change(path_, &crash); !s) return s;
    if (!crash || disk_.world_.random().Chance(0.5)) {
      node_->now.resize(size);
      node_->resized = true;
    }
    if (!crash) return {};
    files_.Crash();
    return Failed("truncate", path_, "input/output error");
  }
  Result<uint64_t> Size() override {
    if (files_.detached_) return Failed("stat", path_, "the process has ended");
    return node_->now.size();
  }

 private:
  SimFiles& files_;
  SimDisk& disk_;
  SimDisk::NodePtr node_;
  const std::string path_;
};

class SimLock final : public FileLock {
 public:
  SimLock(SimFiles& files, std::string path) : files_(files), path_(std::move(path)) {}
  ~SimLock() override {
    auto it = files_.disk_.locks_.find(path_);
    if (it != files_.disk_.locks_.end() && it->second == &files_) files_.disk_.locks_.erase(it);
  }

 private:
  SimFiles& files_;
  const std::string path_;
};

void SimDisk::CutPower() {
  SimRandom& random = world_.random();
  Names left;
  std::set<std::string> paths;
  for (auto* names : {&now_, &synced_}) {
    for (auto& [path, node] : *names) paths.insert(path);
  }
  for (auto& path : paths) {
    auto now = now_.find(path), synced = synced_.find(path);
    bool here = now != now_.end(), lasts = synced != synced_.end();
    NodePtr node = !here ? synced->second : !lasts ? now->second : random.Chance(0.5) ? now->second : synced->second;
    if ((!here || !lasts) && random.Chance(0.5)) continue;
    // The folder that held it may be gone; paths come in the order of depth along each branch.
    if (std::string above = Above(path); !above.empty() && !left.count(above)) continue;
    left[path] = node;
  }
  std::set<Node*> seen;
  for (auto& [path, node] : left) {
    if (node->folder || !seen.insert(node.get()).second) continue;
    const std::string now = std::move(node->now);
    if (faults.forgets_synced) node->synced.clear();
    std::string after = node->synced;
    if (now.size() > after.size()) after.resize(after.size() + random.Below(now.size() - after.size() + 1));
    if (now.size() < after.size() && random.Chance(0.5)) after.resize(now.size());
    for (uint64_t at = 0; at < after.size(); at += kSector) {
      if (random.Chance(0.5)) Copy(now, after, at, at + kSector);
    }
    node->now = node->synced = std::move(after);
    node->dirty.clear();
    node->resized = false;
  }
  now_ = synced_ = std::move(left);
}

std::vector<std::string> SimDisk::Find(const std::string& folder, std::string_view suffix) const {
  std::vector<std::string> out;
  for (auto& [path, node] : now_) {
    if (!node->folder && path.starts_with(folder) && path.ends_with(suffix)) out.push_back(path);
  }
  return out;
}

std::string SimDisk::Content(const std::string& path) const {
  auto it = now_.find(path);
  return it == now_.end() ? std::string() : it->second->now;
}

void SimDisk::Damage(const std::string& path, std::string content) {
  auto it = now_.find(path);
  if (it == now_.end()) return;
  it->second->synced = content;
  it->second->now = std::move(content);
}

uint64_t SimDisk::used() const {
  uint64_t n = 0;
  for (auto& [path, node] : now_) n += node->now.size();
  return n;
}

void SimFiles::Detach() {
  detached_ = true;
  std::erase_if(disk_.locks_, [this](auto& l) { return l.second == this; });
}

void SimFiles::CrashAt(uint64_t n, std::function<void()> on_crash) {
  crash_in_ = n;
  on_crash_ = std::move(on_crash);
}

Status SimFiles::Change(const std::string& path, bool* crash) {
  if (detached_) return Failed("change", path, "the process has ended");
  if (disk_.faults.read_only) return Failed("change", path, "read-only file system");
  ++disk_.operations_;
  *crash = crash_in_ > 0 && --crash_in_ == 0;
  return {};
}

void SimFiles::Crash() {
  Detach();
  if (auto fn = std::move(on_crash_)) fn();
}

Result<std::unique_ptr<File>> SimFiles::OpenToRead(const std::string& path) {
  if (detached_) return Failed("open", path, "the process has ended");
  if (disk_.world_.random().Chance(disk_.faults.read)) return Failed("open", path, "input/output error");
  auto it = disk_.now_.find(path);
  if (it == disk_.now_.end() || it->second->folder) return Failed("open", path, "no such file or directory");
  return std::make_unique<SimFile>(*this, it->second, path);
}

Result<std::unique_ptr<File>> SimFiles::Create(const std::string& path) {
  bool crash = false;
  if (auto s = Change(path, &crash); !s) return tl::unexpected(s.error());
  if (disk_.now_.count(path)) return Failed("open", path, "file exists");
  if (!disk_.now_.count(Above(path))) return Failed("open", path, "no such file or directory");
  if (disk_.faults.capacity <= disk_.used()) return Failed("open", path, "no space left on device");
  auto node = std::make_shared<SimDisk::Node>();
  disk_.now_[path] = node;
  if (crash) {
    Crash();
    return Failed("open", path, "the process has ended");
  }
  return std::make_unique<SimFile>(*this, std::move(node), path);
}

Result<std::vector<std::string>> SimFiles::List(const std::string& folder) {
  auto it = disk_.now_.find(folder);
  if (detached_ || it == disk_.now_.end()) return Failed("open", folder, "no such file or directory");
  std::vector<std::string> out;
  for (auto& [path, node] : disk_.now_) {
    if (Above(path) == folder) out.push_back(path.substr(folder.size() + 1));
  }
  return out;
}

Status SimFiles::Remove(const std::string& path) {
  bool crash = false;
  if (auto s = Change(path, &crash); !s) return s;
  if (disk_.now_.erase(path) == 0) return Failed("remove", path, "no such file or directory");
  if (crash) Crash();
  return {};
}

Status SimFiles::MakeFolder(const std::string& path, unsigned) {
  for (size_t end = 0; end < path.size();) {
    end = std::min(path.find('/', end + 1), path.size());
    std::string folder = path.substr(0, end);
    auto it = disk_.now_.find(folder);
    bool made = it == disk_.now_.end();
    if (!made) {
      if (!it->second->folder) return Failed("mkdir", folder, "not a directory");
    } else {
      bool crash = false;
      if (auto s = Change(folder, &crash); !s) return s;
      auto node = std::make_shared<SimDisk::Node>();
      node->folder = true;
      disk_.now_[folder] = std::move(node);
      if (crash) {
        Crash();
        return Failed("mkdir", folder, "the process has ended");
      }
    }
    if (!made && end < path.size()) continue;
    if (auto s = SyncFolder(Above(folder)); !s && made) return s;
  }
  return {};
}

Status SimFiles::Rename(const std::string& from, const std::string& to) {
  bool crash = false;
  if (auto s = Change(from, &crash); !s) return s;
  auto node = disk_.now_.extract(from);
  if (!node) return Failed("rename", from, "no such file or directory");
  disk_.now_[to] = std::move(node.mapped());
  if (crash) Crash();
  return {};
}

Status SimFiles::SyncFolder(const std::string& folder) {
  bool crash = false;
  if (auto s = Change(folder, &crash); !s) return s;
  if (crash) {
    Crash();
    return Failed("fsync", folder, "the process has ended");
  }
  if (disk_.world_.random().Chance(disk_.faults.sync)) return Failed("fsync", folder, "input/output error");
  std::erase_if(disk_.synced_, [&](auto& e) { return Above(e.first) == folder && !disk_.now_.count(e.first); });
  for (auto& [path, node] : disk_.now_) {
    if (Above(path) == folder) disk_.synced_[path] = node;
  }
  return {};
}

Result<std::unique_ptr<FileLock>> SimFiles::Lock(const std::string& path) {
  if (detached_) return Failed("lock", path, "the process has ended");
  auto [it, taken] = disk_.locks_.emplace(path, this);
  if (!taken) return Fail(Code::kFailedPrecondition, "{} is locked by another process", path);
  return std::make_unique<SimLock>(*this, path);
}

}  // namespace naru::testkit
