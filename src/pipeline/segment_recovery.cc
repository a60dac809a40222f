// Opening a segment log: which records the files of a folder hold, and what is wrong with them.
#include <algorithm>
#include <cstring>

#include "pipeline/segment_format.h"

namespace naru::pipeline {

using namespace segment;

namespace {

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

}  // namespace

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
    if (auto s = Scan(number, number == numbers.back(), done, lost); !s) return s;
  }
  CheckChain();
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
  segment.number = number;
  segment.size = *size;
  Window window(**file);
  uint64_t at = FileHead::kSize, damaged = 0;
  // Since the last whole record: a process that was killed leaves a record that was begun, and nobody was told that it
  // is stored. It stays in the file until the segment goes, and is met at every start until then. Before a whole record
  // it is a loss.
  uint64_t tail = 0;
  std::map<uint64_t, uint64_t> begun;  // items, by sequence
  auto head = window.At(0, FileHead::kSize);
  if (!head) return tl::unexpected(head.error());
  if (head->size() >= FileHead::kOldSize && Text(head->data(), kOldMagic.size()) == kOldMagic) {
    at = FileHead::kOldSize;
  } else if (head->size() >= FileHead::kSize) {
    if (auto h = FileHead::Parse(head->data())) {
      segment.previous = h->previous;
      segment.previous_size = h->previous_size;
    } else {
      damaged += FileHead::kSize;
    }
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
      segment.data_end = at + kHeader + h->bytes;
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

// Every segment says how long the one before it was. What is shorter now, or gone though an older one is there, was
// lost outside of this process: segments go oldest first.
void SegmentLog::CheckChain() {
  for (auto& [number, segment] : segments_) {
    if (segment.previous == 0) continue;
    auto found = segments_.find(segment.previous);
    bool there = found != segments_.end();
    uint64_t size = there ? found->second.size : 0;
    if (size >= segment.previous_size || (!there && segments_.begin()->first > segment.previous)) continue;
    recovery_.missing_bytes += segment.previous_size - size;
    options_.log.Error(
        there ? "A segment of a stored queue was cut off; what stood there is lost"
              : "A segment of a stored queue was removed; what was in it is lost",
        {{"file", PathOf(segment.previous)}, {"bytes", static_cast<int64_t>(segment.previous_size - size)}});
  }
}

}  // namespace naru::pipeline
