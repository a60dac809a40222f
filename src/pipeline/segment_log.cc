#include "pipeline/segment_log.h"

#include <algorithm>
#include <condition_variable>

#include "pipeline/segment_format.h"

namespace naru::pipeline {

using namespace segment;
namespace {

// The logs of this process by file system and folder: a configuration that is read again opens a queue before the one
// that it replaces has let go of it.
struct OpenLogs {
  std::mutex mutex;
  std::condition_variable closed;
  std::map<std::pair<Files*, std::string>, std::weak_ptr<SegmentLog>> logs;
  static OpenLogs& Instance() {
    static auto* all = new OpenLogs;  // never destroyed: logs may outlive static destruction
    return *all;
  }
};

}  // namespace

SegmentLog::SegmentLog(std::string folder, SegmentLogOptions options)
    : folder_(std::move(folder)), options_(std::move(options)) {}

SegmentLog::~SegmentLog() {
  OpenLogs& all = OpenLogs::Instance();
  std::lock_guard lock(all.mutex);
  if (!lock_) return;  // was never open
  lock_.reset();
  all.logs.erase({options_.files, folder_});
  all.closed.notify_all();
}

SegmentLog::Recovery SegmentLog::TakeRecovery() {
  std::lock_guard lock(mutex_);
  return std::exchange(recovery_, Recovery());
}

std::string SegmentLog::PathOf(uint64_t number) const {
  return fmt::format("{}/{:016x}{}", folder_, number, kSuffix);
}

Result<std::shared_ptr<SegmentLog>> SegmentLog::Open(const std::string& folder, SegmentLogOptions options) {
  OpenLogs& all = OpenLogs::Instance();
  auto log = std::make_shared<SegmentLog>(folder, std::move(options));
  {
    std::unique_lock lock(all.mutex);
    std::pair key(log->options_.files, folder);
    for (auto it = all.logs.find(key); it != all.logs.end(); it = all.logs.find(key)) {
      if (auto open = it->second.lock()) return open;
      all.closed.wait(lock);  // its last owner is letting go
    }
    auto file = log->options_.files->Lock(folder + "/lock");
    if (!file) return tl::unexpected(file.error());
    log->lock_ = std::move(*file);
    all.logs[key] = log;
  }
  if (auto s = log->Recover(); !s) return tl::unexpected(s.error());
  return log;
}

void SegmentLog::Append(std::vector<Slice> body, uint64_t items, bool take, Appended done) {
  Waiting w;
  for (auto& s : body) w.bytes += s.size();
  if (w.bytes > kMaxRecord) {
    return done(Fail(Code::kInvalidArgument, "{} bytes are too many for a stored record (at most {})", w.bytes,
                     uint64_t{kMaxRecord}));
  }
  w.body = std::move(body);
  w.items = items;
  w.take = take;
  w.done = std::move(done);
  std::unique_lock lock(mutex_);
  w.sequence = next_sequence_++;
  ++size_.records;
  size_.items += w.items;
  size_.bytes += w.bytes;
  appends_.push_back(std::move(w));
  Schedule(lock);
}

std::optional<SegmentLog::Taken> SegmentLog::Take() {
  std::lock_guard lock(mutex_);
  if (free_.empty()) return {};
  uint64_t sequence = free_.front();
  free_.pop_front();
  const Record& r = records_.at(sequence);
  return Taken{sequence, r.items, r.bytes};
}

void SegmentLog::Read(uint64_t sequence, std::function<void(Result<Slice>)> done) {
  std::unique_lock lock(mutex_);
  jobs_.push_back([this, sequence, done = std::move(done)] { done(ReadNow(sequence)); });
  Schedule(lock);
}

void SegmentLog::Done(std::span<const uint64_t> sequences) {
  std::unique_lock lock(mutex_);
  for (uint64_t sequence : sequences) {
    auto it = records_.find(sequence);
    if (it == records_.end()) continue;
    Forget(it);
    marks_.push_back(sequence);
  }
  auto listener = listener_;
  Schedule(lock);
  if (lock.owns_lock()) lock.unlock();
  if (listener) (*listener)();
}

void SegmentLog::GiveBack(uint64_t sequence) {
  std::shared_ptr<const std::function<void()>> listener;
  {
    std::lock_guard lock(mutex_);
    if (!records_.count(sequence)) return;
    free_.insert(std::upper_bound(free_.begin(), free_.end(), sequence), sequence);
    listener = listener_;
  }
  if (listener) (*listener)();
}

void SegmentLog::Flush(std::function<void()> done) {
  std::unique_lock lock(mutex_);
  jobs_.push_back(std::move(done));
  Schedule(lock);
}

void SegmentLog::SetListener(std::function<void()> listener) {
  std::lock_guard lock(mutex_);
  listener_ = listener ? std::make_shared<const std::function<void()>>(std::move(listener)) : nullptr;
}

SegmentLog::Size SegmentLog::size() const {
  std::lock_guard lock(mutex_);
  return size_;
}
uint64_t SegmentLog::waiting() const {
  std::lock_guard lock(mutex_);
  return free_.size();
}
uint64_t SegmentLog::disk_bytes() const {
  std::lock_guard lock(mutex_);
  return disk_bytes_;
}

// Under the mutex.
void SegmentLog::Forget(std::map<uint64_t, Record>::iterator it) {
  --size_.records;
  size_.items -= it->second.items;
  size_.bytes -= it->second.bytes;
  if (auto s = segments_.find(it->second.segment); s != segments_.end()) --s->second.live;
  records_.erase(it);
}

// Under the mutex; a turn that is scheduled sees what was added since.
void SegmentLog::Schedule(std::unique_lock<std::mutex>& lock) {
  if (scheduled_) return;
  scheduled_ = true;
  lock.unlock();
  auto self = shared_from_this();
  if (!options_.workers || !options_.workers->Submit([self] { self->Work(); })) Work();
}

// A turn of the writer: everything that came since the last one is written with one write, and synced once.
void SegmentLog::Work() {
  for (;;) {
    std::vector<Waiting> appends;
    std::vector<uint64_t> marks;
    std::vector<std::function<void()>> jobs;
    {
      std::lock_guard lock(mutex_);
      appends.swap(appends_);
      marks.swap(marks_);
      jobs.swap(jobs_);
      if (appends.empty() && marks.empty() && jobs.empty()) {
        scheduled_ = false;
        return;
      }
    }
    Status written = Write(appends, marks);
    failed_ = !written;
    std::shared_ptr<const std::function<void()>> listener;
    {
      std::lock_guard lock(mutex_);
      if (!written && !appends.empty()) listener = listener_;
      for (auto& w : appends) {
        if (!written) {
          --size_.records;
          size_.items -= w.items;
          size_.bytes -= w.bytes;
          continue;
        }
        ++segments_[w.at.segment].live;
        records_[w.sequence] = w.at;
        if (!w.take) free_.insert(std::upper_bound(free_.begin(), free_.end(), w.sequence), w.sequence);
      }
      // Marks that could not be written are tried again with the next write; without them records come twice after a
      // crash, which is better than refusing to go on.
      if (!written) marks_.insert(marks_.end(), marks.begin(), marks.end());
    }
    for (auto& w : appends) {
      if (written)
        w.done(w.sequence);
      else
        w.done(tl::unexpected(written.error()));
    }
    if (listener) (*listener)();
    for (auto& job : jobs) job();
    Reclaim();
    if (!written) {
      // Failed marks alone do not keep this thread busy: they wait for the next append, done or read.
      std::lock_guard lock(mutex_);
      if (appends_.empty() && jobs_.empty()) {
        scheduled_ = false;
        return;
      }
    }
  }
}

Status SegmentLog::Roll() {
  // Another number with every try: what is left of the last one may still be there, when it could not be removed
  // either.
  uint64_t number = next_number_++;
  auto file = options_.files->Create(PathOf(number));
  if (!file) return tl::unexpected(file.error());
  FileHead next{number};
  {
    std::lock_guard lock(mutex_);
    if (!segments_.empty()) {
      next.previous = segments_.rbegin()->second.number;
      next.previous_size = segments_.rbegin()->second.data_end;
    }
  }
  auto head = next.Encode();
  iovec v{head.data(), head.size()};
  Status s = (*file)->WriteAt(0, {&v, 1});
  if (s && options_.fsync) s = options_.files->SyncFolder(folder_);
  if (!s) {
    file->reset();
    (void)options_.files->Remove(PathOf(number));
    return s;
  }
  std::lock_guard lock(mutex_);
  for (auto& [n, segment] : segments_) {
    segment.file.reset();
    segment.immovable = false;  // there may be room by now: one more try a segment
  }
  Segment& segment = segments_[number];
  segment.number = number;
  segment.size = FileHead::kSize;
  segment.file = std::move(*file);
  disk_bytes_ += FileHead::kSize;
  roll_ = false;
  return {};
}

Status SegmentLog::Write(std::vector<Waiting>& group, const std::vector<uint64_t>& marks) {
  if (group.empty() && marks.empty()) return {};
  std::shared_ptr<File> file;
  uint64_t number = 0, begin = 0;
  auto current = [&] {
    std::lock_guard lock(mutex_);
    Segment& segment = segments_.rbegin()->second;
    file = segment.file;
    number = segment.number;
    begin = segment.size;
  };
  if (!roll_) current();
  if (roll_ || begin >= options_.segment_bytes) {
    if (auto s = Roll(); !s) return s;
    current();
  }
  size_t mark_records = (marks.size() + kMarksARecord - 1) / kMarksARecord;
  std::vector<uint8_t> headers((group.size() + mark_records) * kHeader);
  std::vector<iovec> vectors;
  uint8_t* h = headers.data();
  uint64_t at = begin;
  auto add = [&](const void* p, size_t n) {
    if (n) vectors.push_back(iovec{const_cast<void*>(p), n});
  };
  for (size_t i = 0; i < marks.size(); i += kMarksARecord) {
    size_t n = std::min<size_t>(kMarksARecord, marks.size() - i) * sizeof(uint64_t);
    auto* p = reinterpret_cast<const uint8_t*>(marks.data() + i);
    Header{kMarks, wire::Crc32c(Text(p, n)), n, 0, 0}.Write(h);
    add(h, kHeader);
    add(p, n);
    h += kHeader;
    at += kHeader + n;
  }
  for (auto& w : group) {
    uint32_t crc = 0;
    for (auto& s : w.body) crc = wire::Crc32c(s.view(), crc);
    Header{kData, crc, w.bytes, w.sequence, w.items}.Write(h);
    add(h, kHeader);
    for (auto& s : w.body) add(s.data(), s.size());
    h += kHeader;
    w.at = Record{number, at + kHeader, w.bytes, w.items, crc};
    at += kHeader + w.bytes;
  }
  Status s = file->WriteAt(begin, vectors);
  if (s && options_.fsync && !group.empty()) {
    s = file->Sync();
    // After a failed sync nobody knows what of this file is on disk.
    if (!s) roll_ = true;
  }
  if (!s) {
    if (!file->Truncate(begin)) roll_ = true;
    return s;
  }
  std::lock_guard lock(mutex_);
  disk_bytes_ += at - begin;
  segments_[number].size = at;
  if (!group.empty()) segments_[number].data_end = at;
  return {};
}

// Removes segments that nobody needs, oldest first: what is marked in a segment may lie in an older one.
void SegmentLog::Reclaim() {
  for (;;) {
    uint64_t number = 0, move = 0;
    {
      std::lock_guard lock(mutex_);
      if (segments_.empty()) return;
      auto& [n, front] = *segments_.begin();
      bool writing = n == segments_.rbegin()->first && !roll_;
      if (front.live == 0 && !writing) {
        number = n;
      } else if (front.live == 0 && writing &&
                 (failed_ || front.size >= std::max<uint64_t>(options_.segment_bytes / 8, 4096))) {
        // Soon enough; at once when the disk is full, for nobody else may make room.
        roll_ = true;
        number = n;
      } else if (!writing && !front.immovable &&
                 disk_bytes_ > 4 * (size_.bytes + size_.records * kHeader + options_.segment_bytes)) {
        // With the headers: what moving could not make smaller would be moved for ever.
        move = n;
      } else {
        return;
      }
    }
    if (move) {
      if (MoveLive(move)) continue;
      std::lock_guard lock(mutex_);
      if (auto it = segments_.find(move); it != segments_.end()) it->second.immovable = true;
      return;
    }
    if (read_number_ == number) read_file_.reset();
    if (!options_.files->Remove(PathOf(number))) return;  // again at the next turn
    std::lock_guard lock(mutex_);
    disk_bytes_ -= segments_[number].size;
    segments_.erase(number);
    if (segments_.empty()) marks_.clear();  // there is nothing on disk that they could be about
  }
}

// Copies what is alive in an old segment to the newest one.
Status SegmentLog::MoveLive(uint64_t number) {
  std::vector<Waiting> group;
  {
    std::lock_guard lock(mutex_);
    for (auto& [sequence, r] : records_) {
      if (r.segment != number) continue;
      Waiting w;
      w.sequence = sequence;
      w.items = r.items;
      w.bytes = r.bytes;
      group.push_back(std::move(w));
    }
  }
  for (auto& w : group) {
    auto body = ReadNow(w.sequence);
    if (!body) {
      std::lock_guard lock(mutex_);
      if (!records_.count(w.sequence)) continue;  // done meanwhile
      return tl::unexpected(body.error());
    }
    w.body.push_back(std::move(*body));
  }
  group.erase(std::remove_if(group.begin(), group.end(), [](auto& w) { return w.bytes && w.body.empty(); }),
              group.end());
  if (auto s = Write(group, {}); !s) return s;
  std::lock_guard lock(mutex_);
  for (auto& w : group) {
    auto it = records_.find(w.sequence);
    // Done meanwhile: its mark is written later than the copy, so it will not come back.
    if (it == records_.end()) continue;
    --segments_[number].live;
    ++segments_[w.at.segment].live;
    it->second = w.at;
  }
  return {};
}

Result<Slice> SegmentLog::ReadNow(uint64_t sequence) {
  Record r;
  {
    std::lock_guard lock(mutex_);
    auto it = records_.find(sequence);
    if (it == records_.end()) return Fail(Code::kNotFound, "record {} is done", sequence);
    r = it->second;
  }
  if (!read_file_ || read_number_ != r.segment) {
    auto file = options_.files->OpenToRead(PathOf(r.segment));
    if (!file) return tl::unexpected(file.error());
    read_file_ = std::move(*file);
    read_number_ = r.segment;
  }
  BufferRef buffer = Buffer::Allocate(r.bytes);
  auto n = read_file_->ReadAt(r.offset, {buffer->data(), static_cast<size_t>(r.bytes)});
  if (!n) return tl::unexpected(n.error());
  if (*n != r.bytes || wire::Crc32c(Text(buffer->data(), r.bytes)) != r.crc) {
    return Fail(Code::kDataLoss, "record {} in {} is damaged", sequence, PathOf(r.segment));
  }
  return Slice(std::move(buffer), r.bytes);
}

}  // namespace naru::pipeline
