#include "otlp/split.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "otlp/fields.h"
#include "otlp/scan.h"
#include "wire/proto.h"

namespace naru::otlp {
namespace {

using wire::FieldSize;
using wire::kLength;
using wire::Reader;
using wire::Tag;
using wire::Writer;

// Headers are repeated in every piece, so hostile limits or headers could multiply the data: output beyond this many
// times the input (and some) is refused.
constexpr uint64_t kMaxAmplification = 64;
constexpr uint64_t kFreeBytes = 64 << 20;

class Splitter {
 public:
  Splitter(Signal signal, const SplitLimits& limits, Budget& budget)
      : signal_(signal), limits_(limits), budget_(budget) {}

  Status Add(uint32_t index, const Slice& input);
  std::vector<SplitPiece> Finish() {
    Flush();
    return std::move(pieces_);
  }

 private:
  // A message that is being cut. Level 0 is the request.
  struct Level {
    uint32_t field = 0;
    std::string header;     // encoded fields that are not children; repeated in every piece
    uint64_t own = 0;       // bytes of the message in the current part, without its open child
    Writer::Mark mark{};    // valid while open
    std::string_view data;  // of a Metric: the field that holds its points
  };
  static constexpr int kLevels = 6;

  // Level of the message whose child is an item, and with that the deepest that is cut.
  int LeafLevel() const {
    switch (signal_) {
      case Signal::kMetrics:
        return 4;
      case Signal::kProfiles:
        return 3;
      default:
        return 2;
    }
  }
  bool IsChild(int level, uint32_t tag, std::string_view field) const {
    switch (level) {
      case 0:
        return tag == Tag(field::request::kResources, kLength);
      case 1:
        return tag == Tag(field::resource_items::kScopes, kLength);
      case 2:
        return tag == Tag(field::scope_items::kRecords, kLength);
      case 3:
        if (signal_ == Signal::kProfiles) return tag == Tag(field::profile::kSamples, kLength);
        return !levels_[3].data.empty() && field.data() == levels_[3].data.data();
      default:
        return tag == Tag(field::metric_data::kPoints, kLength);
    }
  }
  // Fields that are neither header nor child: data of a Metric that a later data field replaces.
  bool IsDead(int level, uint32_t tag) const {
    return level == 3 && signal_ == Signal::kMetrics && wire::TypeOf(tag) == kLength &&
           field::metric::IsData(wire::FieldOf(tag));
  }

  Unexpected Malformed() const { return Fail(Code::kInvalidArgument, "malformed {} request", Names(signal_).name); }
  bool Enter(int level, uint32_t field, std::string_view content);
  uint64_t ItemsOf(int level, std::string_view child_content, bool* ok) const;
  Status Cut(int level, std::string_view content);

  bool Fits(uint64_t items, uint64_t bytes) const {
    return (limits_.max_items == 0 || piece_.items + items <= limits_.max_items) &&
           (limits_.max_bytes == 0 || bytes <= limits_.max_bytes);
  }
  // No further item fits. Flushing then, at the boundary of a resource, saves cutting the next one.
  bool Full() const { return limits_.max_items != 0 && piece_.items >= limits_.max_items; }
  // Bytes of the whole piece when `size` bytes are appended to the message at `level`.
  uint64_t BytesWith(int level, uint64_t size) const {
    uint64_t n = levels_[level].own + size;
    for (int i = level; i > 0; --i) n = levels_[i - 1].own + FieldSize(levels_[i].field, n);
    return piece_.bytes + n;
  }
  uint64_t HeaderBytes(int level) const {
    uint64_t n = 0;
    for (int i = 0; i <= level; ++i) n += levels_[i].header.size();
    return n;
  }
  void Append(int level, std::string_view field, uint64_t items);
  void Share(std::string_view field, uint64_t items);
  void CloseTo(int level);
  void ClosePart();
  void Flush();

  Signal signal_;
  SplitLimits limits_;
  Budget& budget_;
  std::vector<SplitPiece> pieces_;
  SplitPiece piece_;  // bytes and items of closed parts; items also of the open one
  Slice input_;
  uint32_t index_ = 0;
  Level levels_[kLevels];
  int open_ = -1;  // deepest level that is open in the writer; -1: no part is being written
  uint64_t part_items_ = 0;
  std::unique_ptr<Writer> writer_;
  uint64_t input_bytes_ = 0, written_ = 0;
};

// Appends a whole top-level entry as a slice of the input.
void Splitter::Share(std::string_view field, uint64_t items) {
  ClosePart();
  size_t offset = static_cast<size_t>(field.data() - input_.view().data());
  piece_.items += items;
  piece_.bytes += field.size();
  if (!piece_.parts.empty()) {
    SplitPart& last = piece_.parts.back();
    if (last.input == index_ && last.bytes.data() + last.bytes.size() == input_.data() + offset) {
      size_t start = static_cast<size_t>(last.bytes.data() - input_.data());
      last.bytes = input_.Sub(start, last.bytes.size() + field.size());
      last.items += items;
      return;
    }
  }
  piece_.parts.push_back({input_.Sub(offset, field.size()), items, index_});
}

// Appends a field to the message at `level`, opening it and its parents in this part as needed.
void Splitter::Append(int level, std::string_view field, uint64_t items) {
  if (open_ < 0) {
    writer_ = std::make_unique<Writer>(std::max<size_t>(4096, field.size() + HeaderBytes(level) + 64), budget_);
    writer_->Raw(levels_[0].header);
    open_ = 0;
  }
  while (open_ < level) {
    Level& next = levels_[++open_];
    next.mark = writer_->Begin(next.field, 20000);
    writer_->Raw(next.header);
  }
  writer_->Raw(field);
  levels_[level].own += field.size();
  piece_.items += items;
  part_items_ += items;
}

// Closes open messages until `level` is the deepest one, in the writer and in the accounts.
void Splitter::CloseTo(int level) {
  for (; open_ > level; --open_) {
    Level& l = levels_[open_];
    writer_->End(l.mark);
    levels_[open_ - 1].own += FieldSize(l.field, l.own);
    l.own = l.header.size();
  }
}

void Splitter::ClosePart() {
  if (open_ < 0) return;
  CloseTo(0);
  open_ = -1;
  levels_[0].own = levels_[0].header.size();
  Slice bytes = writer_->Finish();
  written_ += bytes.size();
  piece_.bytes += bytes.size();
  piece_.parts.push_back({std::move(bytes), std::exchange(part_items_, 0), index_});
}

void Splitter::Flush() {
  ClosePart();
  if (piece_.parts.empty()) return;
  pieces_.push_back(std::move(piece_));
  piece_ = SplitPiece();
}

// Puts a message on the stack: collects its header. False when it is malformed.
bool Splitter::Enter(int level, uint32_t field, std::string_view content) {
  Level& l = levels_[level];
  l.field = field;
  l.header.clear();
  l.data = {};
  if (level == 3 && signal_ == Signal::kMetrics) {
    Reader r(content);
    for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
      r.Skip(tag);
      if (IsDead(level, tag)) l.data = {at, static_cast<size_t>(r.pos() - at)};
    }
    if (!r.ok()) return false;
  }
  Reader r(content);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    r.Skip(tag);
    std::string_view whole(at, static_cast<size_t>(r.pos() - at));
    if (r.ok() && !IsChild(level, tag, whole) && !IsDead(level, tag)) l.header.append(whole);
  }
  l.own = l.header.size();
  return r.ok();
}

// The items in a child of the message at `level`.
uint64_t Splitter::ItemsOf(int level, std::string_view child, bool* ok) const {
  if (level == LeafLevel()) return 1;
  if (level == 2 && signal_ != Signal::kMetrics && signal_ != Signal::kProfiles) return 1;
  uint64_t n = 0, current = 0;
  int inner = level + 1;
  Reader r(child);
  while (uint32_t tag = r.Next()) {
    if (wire::TypeOf(tag) != kLength) {
      r.Skip(tag);
      continue;
    }
    std::string_view content = r.Bytes();
    if (inner == 3 && signal_ == Signal::kMetrics) {
      if (field::metric::IsData(wire::FieldOf(tag))) current = ItemsOf(inner, content, ok);
    } else if (IsChild(inner, tag, {})) {
      n += ItemsOf(inner, content, ok);
    }
  }
  *ok = *ok && r.ok();
  return n + current;
}

// Distributes the children of the message at `level`, which is on the stack.
Status Splitter::Cut(int level, std::string_view content) {
  Reader r(content);
  bool ok = true;
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    std::string_view inside;
    if (wire::TypeOf(tag) == kLength) {
      inside = r.Bytes();
    } else {
      r.Skip(tag);
    }
    if (!r.ok()) break;
    std::string_view whole(at, static_cast<size_t>(r.pos() - at));
    if (!IsChild(level, tag, whole)) continue;
    if (written_ > kMaxAmplification * input_bytes_ + kFreeBytes) {
      return Fail(Code::kResourceExhausted,
                  "splitting would multiply the data: headers of resources and scopes are too large for "
                  "pieces this small");
    }
    uint64_t items = ItemsOf(level, inside, &ok);
    if (!ok) break;
    if (Fits(items, BytesWith(level, whole.size()))) {
      Append(level, whole, items);
      continue;
    }
    bool divisible = level != LeafLevel() && items > 0;
    if (divisible) {
      if (!Enter(level + 1, wire::FieldOf(tag), inside)) return Malformed();
      // Repeating a header that fills half of every piece would multiply the data: such a message stays whole.
      divisible = limits_.max_bytes == 0 || HeaderBytes(level + 1) * 2 <= limits_.max_bytes;
    }
    if (!divisible) {
      Flush();
      Append(level, whole, items);
      if (!Fits(0, BytesWith(level, 0))) {
        piece_.oversized = true;
        Flush();
      }
      continue;
    }
    if (Status s = Cut(level + 1, inside); !s) return s;
    if (open_ > level) CloseTo(level);
    levels_[level + 1].header.clear();
  }
  if (!r.ok() || !ok) return Malformed();
  return {};
}

Status Splitter::Add(uint32_t index, const Slice& input) {
  if (input.empty()) return {};
  index_ = index;
  input_ = input;
  input_bytes_ += input.size();
  ScanResult scan = Count(signal_, input.view());
  if (!scan.ok) return Malformed();
  if (signal_ == Signal::kProfiles) {
    Flush();
    if (!Enter(0, 0, input.view())) return Malformed();
    if (Fits(scan.items, input.size())) {
      Share(input.view(), scan.items);
    } else if (Status s = Cut(0, input.view()); !s) {
      return s;
    }
    Flush();
    return {};
  }
  if (Full()) Flush();
  if (Fits(scan.items, piece_.bytes + input.size())) {
    Share(input.view(), scan.items);
    return {};
  }
  levels_[0].header.clear();
  levels_[0].own = 0;
  Reader r(input.view());
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    r.Skip(tag);
    std::string_view whole(at, static_cast<size_t>(r.pos() - at));
    uint64_t items = Count(signal_, whole).items;
    if (Full()) Flush();
    if (Fits(items, piece_.bytes + whole.size())) {
      Share(whole, items);
    } else if (tag != Tag(field::request::kResources, kLength)) {
      Flush();
      Share(whole, 0);
      if (!Fits(0, piece_.bytes)) {
        piece_.oversized = true;
        Flush();
      }
    } else if (Status s = Cut(0, whole); !s) {
      return s;
    } else {
      ClosePart();
    }
  }
  return {};
}

}  // namespace

Result<std::vector<SplitPiece>> Split(Signal signal, std::span<const Slice> inputs, const SplitLimits& limits,
                                      Budget& budget) {
  Splitter splitter(signal, limits, budget);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (Status s = splitter.Add(static_cast<uint32_t>(i), inputs[i]); !s) return Unexpected(s.error());
  }
  return splitter.Finish();
}

}  // namespace naru::otlp
