// What stands in a segment file (docs/formats/segment-log.md), for segment_log.cc and segment_recovery.cc.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "pipeline/segment_log.h"
#include "wire/hash.h"

namespace naru::pipeline::segment {

inline constexpr std::string_view kMagic = "naruseg2", kOldMagic = "naruseg1";
inline constexpr uint32_t kMarker = 0x4352a14eu;
inline constexpr size_t kHeader = 40;
inline constexpr uint32_t kData = 1, kMarks = 2;
inline constexpr uint64_t kMarksARecord = 4096;
// Of sequences and of numbers of segments. No counting gets there: what says more is not of this queue, and the next
// one cannot overflow.
inline constexpr uint64_t kMaxNumber = uint64_t{1} << 62;
inline constexpr std::string_view kSuffix = ".seg";

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
inline std::string_view Text(const uint8_t* p, size_t n) {
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

/// The head of a file. The segment before it, with the end of its last data record when this one was begun, tells
/// whether it was lost or cut since; 0 when there was none. Files of the first format (`kOldMagic`) say only their
/// number.
struct FileHead {
  static constexpr size_t kSize = 40, kOldSize = 16;
  uint64_t number = 0, previous = 0, previous_size = 0;

  std::array<uint8_t, kSize> Encode() const {
    std::array<uint8_t, kSize> out{};
    std::memcpy(out.data(), kMagic.data(), kMagic.size());
    uint8_t* p = out.data() + kMagic.size();
    Put(p, number);
    Put(p, previous);
    Put(p, previous_size);
    Put(p, wire::Crc32c(Text(out.data(), kSize - 8)));
    return out;
  }
  /// Of the whole head; nothing when it is damaged.
  static std::optional<FileHead> Parse(const uint8_t* in) {
    FileHead h{Get<uint64_t>(in + 8), Get<uint64_t>(in + 16), Get<uint64_t>(in + 24)};
    if (Text(in, kMagic.size()) != kMagic || Get<uint32_t>(in + 32) != wire::Crc32c(Text(in, kSize - 8))) return {};
    return h;
  }
};

}  // namespace naru::pipeline::segment
