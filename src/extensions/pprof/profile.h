// A profile, and its two forms: pprof's protobuf (https://github.com/google/pprof/blob/main/proto/profile.proto),
// gzipped, and text for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "extensions/pprof/address_space.h"

namespace naru::extensions::pprof {

struct ValueType {
  std::string_view type, unit;
};

struct Sample {
  std::vector<uintptr_t> stack;  // innermost first
  std::vector<int64_t> values;   // one a type of the profile
  std::string thread;            // label; empty for none
};

struct Profile {
  std::string_view name;  // "heap"
  std::vector<ValueType> types;
  std::string_view default_type;  // what readers show first; empty: the last
  ValueType period_type;
  int64_t period = 0;
  uint64_t time_nanos = 0;  // since the epoch, when it was taken or began
  int64_t duration_nanos = 0;
  /// The first address of each stack is where a thread was. Else it is a return address, as all others are.
  bool exact_leaf = true;
  std::vector<Sample> samples;
  std::string comment;
};

/// Addresses that lie in no mapped code end their stack: they are what code without frame pointers left there.
Result<Slice> Encode(const Profile& profile, const AddressSpace& space);
/// A paragraph a stack, with names as people write them.
std::string ToText(const Profile& profile, const AddressSpace& space);

}  // namespace naru::extensions::pprof
