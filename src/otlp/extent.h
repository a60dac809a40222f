// Where the elements of a repeated field lie in a message that is being parsed: from the first to the last. Only the
// views' own files use it.
#pragma once

#include <string_view>

#include "otlp/views.h"

namespace naru::otlp {

class Extent {
 public:
  /// Passes over the field whose tag was just read and which began at `at`.
  void Pass(wire::Reader& r, uint32_t tag, const char* at) {
    r.Skip(tag);
    if (!r.ok()) return;
    if (!begin_) begin_ = at;
    end_ = r.pos();
  }
  /// A view over the elements: Repeated<T> or Numbers<T>.
  template <class V>
  V Of(uint32_t field) const {
    return begin_ ? V(std::string_view(begin_, static_cast<size_t>(end_ - begin_)), field) : V();
  }

 private:
  const char* begin_ = nullptr;
  const char* end_ = nullptr;
};

}  // namespace naru::otlp
