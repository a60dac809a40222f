#include "extensions/pprof/symbol_table.h"

#include <elf.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "wire/hash.h"

namespace naru::extensions::pprof {
namespace {

constexpr uint64_t kMostBytes = 256 << 20;  // of one section; naru's own have a few MiB
constexpr size_t kMostSections = 4096;

Result<std::string> Bytes(File& file, uint64_t offset, uint64_t size) {
  if (size > kMostBytes) return Fail(Code::kInvalidArgument, "a section of {} bytes", size);
  std::string out(size, '\0');
  auto n = file.ReadAt(offset, {reinterpret_cast<uint8_t*>(out.data()), out.size()});
  if (!n) return Unexpected(n.error());
  if (*n != size) return Fail(Code::kInvalidArgument, "the file ends in a section");
  return out;
}

template <class T>
T At(std::string_view bytes, size_t index) {
  T out{};
  if ((index + 1) * sizeof(T) <= bytes.size()) std::memcpy(&out, bytes.data() + index * sizeof(T), sizeof(T));
  return out;
}

}  // namespace

std::string BuildIdIn(std::string_view notes) {
  auto padded = [](uint64_t n) { return (n + 3) & ~uint64_t{3}; };
  while (notes.size() >= sizeof(Elf64_Nhdr)) {
    auto head = At<Elf64_Nhdr>(notes, 0);
    notes.remove_prefix(sizeof head);
    uint64_t name = padded(head.n_namesz), value = padded(head.n_descsz);
    if (name > notes.size() || head.n_descsz > notes.size() - name) return {};
    if (head.n_type == NT_GNU_BUILD_ID && notes.substr(0, head.n_namesz) == std::string_view("GNU\0", 4)) {
      return wire::HexEncode(notes.substr(name, head.n_descsz));
    }
    notes.remove_prefix(std::min<uint64_t>(notes.size(), name + value));
  }
  return {};
}

Result<SymbolTable> SymbolTable::Read(Files& files, const std::string& path, std::string_view build_id) {
  auto file = files.OpenToRead(path);
  if (!file) return Unexpected(file.error());
  auto head_bytes = Bytes(**file, 0, sizeof(Elf64_Ehdr));
  if (!head_bytes) return Unexpected(head_bytes.error());
  auto head = At<Elf64_Ehdr>(*head_bytes, 0);
  constexpr unsigned char kOrder = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  if (std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
      head.e_ident[EI_DATA] != kOrder || head.e_shentsize != sizeof(Elf64_Shdr) || head.e_shnum > kMostSections) {
    return Fail(Code::kInvalidArgument, "{} is no ELF file that is understood", path);
  }
  auto sections = Bytes(**file, head.e_shoff, uint64_t{head.e_shnum} * sizeof(Elf64_Shdr));
  if (!sections) return Unexpected(sections.error());

  std::string found_id;
  Elf64_Shdr symbols{};
  for (size_t i = 0; i < head.e_shnum; ++i) {
    auto s = At<Elf64_Shdr>(*sections, i);
    if (s.sh_type == SHT_SYMTAB) symbols = s;
    if (s.sh_type != SHT_NOTE || !found_id.empty()) continue;
    if (auto notes = Bytes(**file, s.sh_offset, s.sh_size)) found_id = BuildIdIn(*notes);
  }
  if (found_id != build_id) return Fail(Code::kFailedPrecondition, "{} is of another build", path);
  if (symbols.sh_type != SHT_SYMTAB || symbols.sh_link >= head.e_shnum) {
    return Fail(Code::kNotFound, "{} has no symbol table", path);
  }
  auto strings = At<Elf64_Shdr>(*sections, symbols.sh_link);
  auto table = Bytes(**file, symbols.sh_offset, symbols.sh_size);
  if (!table) return Unexpected(table.error());
  auto names = Bytes(**file, strings.sh_offset, strings.sh_size);
  if (!names) return Unexpected(names.error());

  SymbolTable out;
  out.names_ = std::move(*names);
  out.names_ += '\0';
  for (size_t i = 0; i < table->size() / sizeof(Elf64_Sym); ++i) {
    auto s = At<Elf64_Sym>(*table, i);
    if (ELF64_ST_TYPE(s.st_info) != STT_FUNC || s.st_size == 0 || s.st_name >= out.names_.size()) continue;
    out.functions_.push_back({s.st_value, s.st_size, s.st_name});
  }
  std::sort(out.functions_.begin(), out.functions_.end(), [](auto& a, auto& b) { return a.start < b.start; });
  return out;
}

std::string_view SymbolTable::Find(uint64_t address) const {
  auto it = std::upper_bound(functions_.begin(), functions_.end(), address,
                             [](uint64_t a, const Function& f) { return a < f.start; });
  if (it == functions_.begin()) return {};
  --it;
  if (address - it->start >= it->size) return {};
  return names_.c_str() + it->name;
}

}  // namespace naru::extensions::pprof
