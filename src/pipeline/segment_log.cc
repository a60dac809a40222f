#include "pipeline/segment_log.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>

#include "wire/hash.h"

namespace naru::pipeline {
namespace {

constexpr std::string_view kMagic = "naruseg1";
constexpr size_t kFileHeader = 16;  // magic, number
constexpr uint32_t kMarker = 0x4352a14eu;
constexpr size_t kHeader = 40;
constexpr uint32_t kData = 1, kMarks = 2;
constexpr uint64_t kMarksARecord = 4096;
// Of sequences and of numbers of segments. No counting gets there: what says more is not of this queue, and the next
// one cannot overflow.
constexpr uint64_t kMaxNumber = uint64_t{1} << 62;
constexpr const char* kSuffix = ".seg";

// Little-endian, as every machine that naru runs on; the format says so.
template <class T>
void Put(uint8_t*& p, T v) {
  std::memcpy(p, &v, sizeof v);
  p += sizeof v;
}
template <class T>
T Get(const uint8_t* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
std::string_view Text(const uint8_t* p, size_t n) {
  return {reinterpret_cast<const char*>(p), n};
}

struct Header {
  uint32_t kind = 0, crc = 0;
  uint64_t bytes = 0, sequence = 0, items = 0;

  void Write(uint8_t* out) const {
    uint8_t* p = out;
    Put(p, kMarker);
    Put(p, kind);
    Put(p, bytes);
    Put(p, sequence);
    Put(p, items);
    Put(p, crc);
    Put(p, wire::Crc32c(Text(out, kHeader - 4)));
  }
  static std::optional<Header> Parse(const uint8_t* p) {
    if (Get<uint32_t>(p) != kMarker || Get<uint32_t>(p + kHeader - 4) != wire::Crc32c(Text(p, kHeader - 4))) return {};
    Header h;
    h.kind = Get<uint32_t>(p + 4);
    h.bytes = Get<uint64_t>(p + 8);
    h.sequence = Get<uint64_t>(p + 16);
    h.items = Get<uint64_t>(p + 24);
    h.crc = Get<uint32_t>(p + 32);
    if ((h.kind != kData && h.kind != kMarks) || h.bytes > SegmentLog::kMaxRecord) return {};
    // An item has two bytes and more.
    if (h.sequence > kMaxNumber || h.items > SegmentLog::kMaxRecord) return {};
    return h;
  }
};

// Reads a file through a window, forwards.
class Window {
 public:
  explicit Window(File& file) : file_(file), buffer_(Buffer::Allocate(kSize)) {}
  /// At least `n` (at most kSize) bytes from `offset`, fewer at the end of the file.
  Result<std::span<const uint8_t>> At(uint64_t offset, size_t n) {
    if (offset < start_ || offset + n > start_ + size_) {
      start_ = offset;
      size_ = 0;
      auto got = file_.ReadAt(offset, {buffer_->data(), kSize});
      if (!got) return tl::unexpected(got.error());
      size_ = *got;
    }
    size_t skip = std::min<size_t>(static_cast<size_t>(offset - start_), size_);
    return std::span<const uint8_t>(buffer_->data() + skip, size_ - skip);
  }
  static constexpr size_t kSize = 128 << 10;

 private:
  File& file_;
  BufferRef buffer_;
  uint64_t start_ = 0;
  size_t size_ = 0;
};

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

Status SegmentLog::Recover() {
  auto names = options_.files->List(folder_);
  if (!names) return tl::unexpected(names.error());
  std::vector<uint64_t> numbers;
  for (auto& name : *names) {
    if (name.size() != 16 + 4 || name.substr(16) != kSuffix) continue;
    uint64_t number = 0;
    bool hex = true;
    for (char c : name.substr(0, 16)) {
      int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
      hex = hex && digit >= 0;
      number = number << 4 | static_cast<uint64_t>(digit & 15);
    }
    if (hex && number <= kMaxNumber) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  if (!numbers.empty()) next_number_ = numbers.back() + 1;
  std::vector<uint64_t> done;
  std::map<uint64_t, uint64_t> lost;  // items of damaged records, by sequence
  for (uint64_t number : numbers) {
    segments_[number].number = number;
    if (auto s = Scan(number, number == numbers.back(), done, lost); !s) return s;
  }
  // A damaged copy of a record that was being moved is no loss, nor is a record that was done.
  for (auto& [sequence, items] : lost) {
    if (!records_.count(sequence) && std::find(done.begin(), done.end(), sequence) == done.end())
      recovery_.damaged_items += items;
  }
  for (uint64_t sequence : done) records_.erase(sequence);
  for (auto& [sequence, r] : records_) {
    ++segments_[r.segment].live;
    free_.push_back(sequence);
    ++size_.records;
    size_.items += r.items;
    size_.bytes += r.bytes;
  }
  recovery_.records = size_.records;
  recovery_.items = size_.items;
  recovery_.bytes = size_.bytes;
  for (auto& [number, segment] : segments_) disk_bytes_ += segment.size;
  Reclaim();
  return {};
}

// Finds the records of a segment. Where there should be one and is none, the next is looked for; the last segment may
// end within a record that nobody was told is stored, and its bodies are checked, for a write may have been cut short.
Status SegmentLog::Scan(uint64_t number, bool last, std::vector<uint64_t>& done, std::map<uint64_t, uint64_t>& lost) {
  auto file = options_.files->OpenToRead(PathOf(number));
  if (!file) return tl::unexpected(file.error());
  auto size = (*file)->Size();
  if (!size) return tl::unexpected(size.error());
  Segment& segment = segments_[number];
  segment.size = *size;
  Window window(**file);
  uint64_t at = kFileHeader, damaged = 0;
  // Since the last whole record: a process that was killed leaves a record that was begun, and nobody was told that it
  // is stored. It stays in the file until the segment goes, and is met at every start until then. Before a whole record
  // it is a loss.
  uint64_t tail = 0;
  std::map<uint64_t, uint64_t> begun;  // items, by sequence
  if (*size >= kFileHeader) {
    auto head = window.At(0, kFileHeader);
    if (!head) return tl::unexpected(head.error());
    if (Text(head->data(), kMagic.size()) != kMagic) damaged += kFileHeader;
  }
  std::vector<uint8_t> body;
  while (at + kHeader <= *size) {
    auto bytes = window.At(at, kHeader);
    if (!bytes) return tl::unexpected(bytes.error());
    if (bytes->size() < kHeader) break;
    auto h = Header::Parse(bytes->data());
    bool whole = h && h->bytes <= *size - at - kHeader;
    if (whole && (last || h->kind == kMarks)) {
      uint32_t crc = 0;
      body.clear();
      for (uint64_t i = 0; i < h->bytes;) {
        auto piece = window.At(at + kHeader + i, 1);
        if (!piece) return tl::unexpected(piece.error());
        auto n = std::min<uint64_t>(piece->size(), h->bytes - i);
        if (n == 0) break;
        crc = wire::Crc32c(Text(piece->data(), n), crc);
        if (h->kind == kMarks) body.insert(body.end(), piece->begin(), piece->begin() + static_cast<ptrdiff_t>(n));
        i += n;
      }
      whole = crc == h->crc;
    }
    if (!whole) {
      // What no record holds is skipped up to the next marker.
      const uint8_t* begin = bytes->data();
      uint32_t marker = kMarker;
      auto* next = static_cast<const uint8_t*>(memmem(begin + 1, bytes->size() - 1, &marker, sizeof marker));
      uint64_t step = next ? static_cast<uint64_t>(next - begin) : bytes->size() - sizeof marker + 1;
      if (h && last && h->kind == kData) {
        begun[h->sequence] = h->items;
        next_sequence_ = std::max(next_sequence_, h->sequence + 1);  // nobody else gets its number
      }
      tail += step;
      at += step;
      continue;
    }
    damaged += std::exchange(tail, 0);
    lost.merge(std::exchange(begun, {}));
    next_sequence_ = std::max(next_sequence_, h->sequence + 1);
    if (h->kind == kData) {
      records_[h->sequence] = Record{number, at + kHeader, h->bytes, h->items, h->crc};
    } else {
      for (size_t i = 0; i + 8 <= body.size(); i += 8) {
        uint64_t sequence = Get<uint64_t>(body.data() + i);
        if (sequence > kMaxNumber) continue;
        done.push_back(sequence);
        next_sequence_ = std::max(next_sequence_, sequence + 1);
      }
    }
    at += kHeader + h->bytes;
  }
  tail += *size - std::min(at, *size);
  recovery_.damaged_bytes += damaged + tail;
  auto log = [&](LogLevel level, std::string_view what, uint64_t n) {
    if (n) options_.log.Log(level, what, {{"file", PathOf(number)}, {"bytes", static_cast<int64_t>(n)}});
  };
  log(LogLevel::kWarn, "A segment of a stored queue ends in what was being written when the process ended", tail);
  log(LogLevel::kError, "A segment of a stored queue is damaged", damaged);
  return {};
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
  uint8_t head[kFileHeader];
  std::memcpy(head, kMagic.data(), kMagic.size());
  std::memcpy(head + kMagic.size(), &number, sizeof number);
  iovec v{head, sizeof head};
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
  segment.size = kFileHeader;
  segment.file = std::move(*file);
  disk_bytes_ += kFileHeader;
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
