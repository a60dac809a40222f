// Memory for the texts that are made while one record is translated.
#pragma once

#include <cstring>
#include <memory_resource>
#include <string_view>

namespace naru::codec::loki {

/// Keeps texts until Clear. The first 4 KiB cost no allocation, ever; what goes beyond is freed by Clear. Not
/// thread-safe.
class TextArena {
 public:
  TextArena() : memory_(first_, sizeof first_) {}
  TextArena(const TextArena&) = delete;

  char* Allocate(size_t n) { return static_cast<char*>(memory_.allocate(n, 1)); }
  /// `a`, then `b`.
  std::string_view Join(std::string_view a, std::string_view b = {}) {
    if (a.empty() && b.empty()) return {};
    char* to = Allocate(a.size() + b.size());
    if (!a.empty()) std::memcpy(to, a.data(), a.size());
    if (!b.empty()) std::memcpy(to + a.size(), b.data(), b.size());
    return {to, a.size() + b.size()};
  }
  void Clear() { memory_.release(); }

 private:
  char first_[4096];
  std::pmr::monotonic_buffer_resource memory_;
};

}  // namespace naru::codec::loki
