// What lies where in this process: the mapped code, the files it comes from, and the names of functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "extensions/pprof/symbol_table.h"

namespace naru::extensions::pprof {

/// Mapped code.
struct Mapping {
  uint64_t start = 0, limit = 0, offset = 0;  // addresses, and where in the file it begins
  std::string file, build_id;
  bool main = false;  // the program itself, not a library
};

/// A picture of the moment at which it was read; libraries are not unloaded in naru. Immutable.
class AddressSpace {
 public:
  explicit AddressSpace(Files& files);

  /// The program's own first, as pprof wants it.
  const std::vector<Mapping>& mappings() const { return mappings_; }
  /// Which mapping an address lies in: its index, or -1.
  int Find(uint64_t address) const;
  /// The mangled name of the function at `address`; empty when it is not known. The program's names come from its own
  /// symbol table, or from that of `naru.debug` beside a stripped one; those of libraries from what they export.
  std::string_view Name(uint64_t address) const;
  /// The program's symbol table was found.
  bool has_symbols() const { return symbols_.size() > 0; }

 private:
  std::vector<Mapping> mappings_;
  SymbolTable symbols_;
  uint64_t base_ = 0;  // what to take off the program's addresses for those of its file
};

}  // namespace naru::extensions::pprof
