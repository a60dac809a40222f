#include "otlp/scan.h"

#include <algorithm>
#include <cstring>

#include "otlp/fields.h"
#include "wire/proto.h"

namespace naru::otlp {

using wire::kFixed32;
using wire::kFixed64;
using wire::kLength;
using wire::kVarint;
using wire::Reader;
using wire::Tag;

namespace {

constexpr uint32_t kRecordsTag = Tag(field::scope_items::kRecords, kLength);

// What a length-delimited field in a message of that level is to the scan.
enum class Meaning { kOther, kEnter, kItem };

Meaning MeaningOf(Signal signal, int level, uint32_t tag) {
  switch (level) {
    case 0:
      return tag == Tag(field::request::kResources, kLength) ? Meaning::kEnter : Meaning::kOther;
    case 1:
      return tag == Tag(field::resource_items::kScopes, kLength) ? Meaning::kEnter : Meaning::kOther;
    case 2:
      if (tag != kRecordsTag) return Meaning::kOther;
      return signal == Signal::kTraces || signal == Signal::kLogs ? Meaning::kItem : Meaning::kEnter;
    case 3:
      if (signal == Signal::kProfiles)
        return tag == Tag(field::profile::kSamples, kLength) ? Meaning::kItem : Meaning::kOther;
      return wire::TypeOf(tag) == kLength && field::metric::IsData(wire::FieldOf(tag)) ? Meaning::kEnter
                                                                                       : Meaning::kOther;
    default:
      return tag == Tag(field::metric_data::kPoints, kLength) ? Meaning::kItem : Meaning::kOther;
  }
}

// A varint of at most `most` bytes at p. 1: read, 0: `available` ends inside of it, -1: too long.
int ReadVarint(const uint8_t* p, size_t available, size_t most, uint64_t* value, size_t* used) {
  uint64_t v = 0;
  for (size_t i = 0; i < most; ++i) {
    if (i == available) return 0;
    v |= i < 9 ? static_cast<uint64_t>(p[i] & 0x7f) << (7 * i) : static_cast<uint64_t>(p[i]) << 63;
    if (p[i] < 0x80) {
      *value = v;
      *used = i + 1;
      return 1;
    }
  }
  return -1;
}

}  // namespace

// Reads one field header (tag, and length or varint value) and acts on it. False when the header is not complete or the
// scan failed.
bool Scanner::Header(const uint8_t* p, size_t available, size_t* used) {
  uint64_t room = ends_[level_] - position_;  // of the current message, from p on
  bool cut = available >= room;               // running out of bytes means running out of the message
  if (cut) available = static_cast<size_t>(room);
  uint64_t tag = 0, value = 0;
  size_t n = 0;
  int got = ReadVarint(p, available, 5, &tag, &n);
  if (got <= 0 || tag > UINT32_MAX || tag < 8) {
    failed_ = got != 0 || cut;
    return false;
  }
  uint64_t skip = 0;
  switch (tag & 7) {
    case kVarint:
    case kLength: {
      size_t m = 0;
      got = ReadVarint(p + n, available - n, (tag & 7) == kLength ? 5 : 10, &value, &m);
      if (got <= 0 || ((tag & 7) == kLength && value > UINT32_MAX)) {
        failed_ = got != 0 || cut;
        return false;
      }
      n += m;
      if ((tag & 7) == kLength) skip = value;
      break;
    }
    case kFixed64:
      skip = 8;
      break;
    case kFixed32:
      skip = 4;
      break;
    default:
      failed_ = true;
      return false;
  }
  if (skip > room - n) {
    failed_ = true;
    return false;
  }
  *used = n;
  position_ += n;
  switch (MeaningOf(signal_, level_, static_cast<uint32_t>(tag))) {
    case Meaning::kEnter:
      if (level_ == 3) pending_ = 0;
      ends_[++level_] = position_ + skip;
      return true;
    case Meaning::kItem:
      if (level_ == 4) {
        ++pending_;
      } else {
        ++items_;
      }
      break;
    case Meaning::kOther:
      break;
  }
  skip_ = skip;
  return true;
}

bool Scanner::Feed(std::string_view chunk) {
  const uint8_t* p = reinterpret_cast<const uint8_t*>(chunk.data());
  const uint8_t* end = p + chunk.size();
  while (!failed_) {
    if (skip_ > 0) {
      uint64_t n = std::min<uint64_t>(skip_, static_cast<uint64_t>(end - p));
      p += n;
      position_ += n;
      skip_ -= n;
      if (skip_ > 0) break;
    }
    while (level_ > 0 && position_ == ends_[level_]) {
      if (level_ == 3) {
        items_ += pending_;
        pending_ = 0;
      }
      --level_;
    }
    if (p == end) break;
    if (carried_ > 0) {
      // The header began in an earlier chunk: complete it byte by byte.
      carry_[carried_++] = *p++;
      size_t used = 0;
      if (Header(carry_, carried_, &used)) carried_ = 0;
      continue;
    }
    if (level_ == 2 && (signal_ == Signal::kTraces || signal_ == Signal::kLogs)) {
      // The loop that runs a million times a second: records in a scope, wholly inside of this chunk.
      const uint8_t* limit = static_cast<uint64_t>(end - p) > ends_[2] - position_ ? p + (ends_[2] - position_) : end;
      const uint8_t* start = p;
      uint64_t n = 0;
      while (limit - p > 3 && p[0] == kRecordsTag) {
        size_t length = p[1], header = 2;
        if (length >= 0x80) {
          if (p[2] >= 0x80) break;
          length = (length & 0x7f) | static_cast<size_t>(p[2]) << 7;
          header = 3;
        }
        if (length > static_cast<size_t>(limit - p) - header) break;
        p += header + length;
        ++n;
      }
      if (n > 0) {
        items_ += n;
        position_ += static_cast<uint64_t>(p - start);
        continue;
      }
    }
    size_t used = 0;
    if (Header(p, static_cast<size_t>(end - p), &used)) {
      p += used;
    } else if (!failed_) {
      // At most 14 bytes remain: a header has 15 at most and this one is not complete.
      carried_ = static_cast<uint8_t>(end - p);
      std::memcpy(carry_, p, carried_);
      break;
    }
  }
  return !failed_;
}

ScanResult Scanner::Finish() const {
  return {!failed_ && level_ == 0 && skip_ == 0 && carried_ == 0, items_ + pending_};
}

ScanResult Count(Signal signal, std::string_view request) {
  Scanner scanner(signal);
  scanner.Feed(request);
  return scanner.Finish();
}

}  // namespace naru::otlp
