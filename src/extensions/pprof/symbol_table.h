// The names of functions that an ELF file's symbol table knows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"

namespace naru::extensions::pprof {

/// Immutable. Holds copies: the file may change afterwards. Errors are those of reading, and files that are not ELF for
/// a 64-bit machine of this byte order, or have no symbol table; nothing in a file is believed without a look.
class SymbolTable {
 public:
  /// `build_id` (hexadecimal) is that of the program which runs: a file that has another one is refused.
  static Result<SymbolTable> Read(Files& files, const std::string& path, std::string_view build_id);

  /// The function that `address` (as the file counts addresses) lies in, mangled as it is in the file; empty when there
  /// is none. Valid while this lives.
  std::string_view Find(uint64_t address) const;
  size_t size() const { return functions_.size(); }

 private:
  struct Function {
    uint64_t start, size;
    uint32_t name;  // its place in names_
  };
  std::vector<Function> functions_;  // by start
  std::string names_;                // ends with a zero byte
};

/// The GNU build id among ELF notes, as hexadecimal text; empty when there is none.
std::string BuildIdIn(std::string_view notes);

}  // namespace naru::extensions::pprof
