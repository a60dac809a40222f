#include "extensions/pprof/profile.h"

#include <cxxabi.h>

#include <cstdlib>
#include <unordered_map>

#include "wire/compress.h"
#include "wire/proto.h"

namespace naru::extensions::pprof {
namespace {

// Fields of perftools.profiles.Profile and of what it holds.
enum ProfileField : uint32_t {
  kSampleType = 1,
  kSample = 2,
  kMapping = 3,
  kLocation = 4,
  kFunction = 5,
  kStringTable = 6,
  kTimeNanos = 9,
  kDurationNanos = 10,
  kPeriodType = 11,
  kPeriod = 12,
  kComment = 13,
  kDefaultSampleType = 14,
};
enum SampleField : uint32_t { kLocationId = 1, kValue = 2, kLabel = 3 };
enum MappingField : uint32_t {
  kStart = 2,
  kLimit = 3,
  kOffset = 4,
  kFile = 5,
  kBuildId = 6,
  kHasFunctions = 7,
};
enum LocationField : uint32_t { kMappingId = 2, kAddress = 3, kLine = 4 };
enum FunctionField : uint32_t { kName = 2, kSystemName = 3 };
constexpr uint32_t kId = 1;  // of mappings, locations and functions; counted from 1

// The instruction that a frame stands for: a return address is behind its call, which may be the last one of a
// function.
uint64_t Instruction(const Profile& p, const std::vector<uintptr_t>& stack, size_t i) {
  return i == 0 && p.exact_leaf ? stack[i] : stack[i] - 1;
}

class Encoder {
 public:
  Encoder(const Profile& profile, const AddressSpace& space) : p_(profile), space_(space) { String(""); }

  Slice Run() {
    for (auto& t : p_.types) Type(kSampleType, t);
    for (auto& s : p_.samples) OneSample(s);
    for (size_t i = 0; i < space_.mappings().size(); ++i) OneMapping(i);
    if (p_.time_nanos) w_.VarintField(kTimeNanos, p_.time_nanos);
    if (p_.duration_nanos) w_.VarintField(kDurationNanos, static_cast<uint64_t>(p_.duration_nanos));
    if (!p_.period_type.type.empty()) Type(kPeriodType, p_.period_type);
    if (p_.period) w_.VarintField(kPeriod, static_cast<uint64_t>(p_.period));
    if (!p_.comment.empty()) w_.VarintField(kComment, String(p_.comment));
    if (!p_.default_type.empty()) w_.VarintField(kDefaultSampleType, String(p_.default_type));
    for (auto& s : strings_) w_.BytesField(kStringTable, s);
    return w_.Finish();
  }

 private:
  uint64_t String(std::string_view text) {
    auto [it, added] = string_ids_.try_emplace(std::string(text), strings_.size());
    if (added) strings_.push_back(it->first);
    return it->second;
  }

  void Type(uint32_t field, const ValueType& t) {
    auto m = w_.Begin(field);
    w_.VarintField(1, String(t.type));
    w_.VarintField(2, String(t.unit));
    w_.End(m);
  }

  void OneSample(const Sample& s) {
    std::vector<uint64_t> ids;
    for (size_t i = 0; i < s.stack.size(); ++i) {
      uint64_t id = Location(Instruction(p_, s.stack, i));
      if (id == 0) break;
      ids.push_back(id);
    }
    auto m = w_.Begin(kSample);
    for (uint64_t id : ids) w_.VarintField(kLocationId, id);
    for (int64_t v : s.values) w_.VarintField(kValue, static_cast<uint64_t>(v));
    if (!s.thread.empty()) {
      auto label = w_.Begin(kLabel);
      w_.VarintField(1, String("thread"));
      w_.VarintField(2, String(s.thread));
      w_.End(label);
    }
    w_.End(m);
  }

  // Writes the location when it is new; 0 when nothing is mapped there.
  uint64_t Location(uint64_t address) {
    if (auto it = locations_.find(address); it != locations_.end()) return it->second;
    int mapping = space_.Find(address);
    if (mapping < 0) return 0;
    uint64_t id = locations_.size() + 1;
    locations_.emplace(address, id);
    uint64_t function = Function(space_.Name(address));
    auto m = w_.Begin(kLocation);
    w_.VarintField(kId, id);
    w_.VarintField(kMappingId, static_cast<uint64_t>(mapping) + 1);
    w_.VarintField(kAddress, address);
    if (function) {
      auto line = w_.Begin(kLine);
      w_.VarintField(1, function);
      w_.End(line);
    }
    w_.End(m);
    return id;
  }

  uint64_t Function(std::string_view name) {
    if (name.empty()) return 0;
    uint64_t text = String(name);
    auto [it, added] = functions_.try_emplace(text, functions_.size() + 1);
    if (!added) return it->second;
    auto m = w_.Begin(kFunction);
    w_.VarintField(kId, it->second);
    w_.VarintField(kName, text);  // pprof demangles
    w_.VarintField(kSystemName, text);
    w_.End(m);
    return it->second;
  }

  void OneMapping(size_t i) {
    auto& mapping = space_.mappings()[i];
    auto m = w_.Begin(kMapping);
    w_.VarintField(kId, i + 1);
    w_.VarintField(kStart, mapping.start);
    w_.VarintField(kLimit, mapping.limit);
    w_.VarintField(kOffset, mapping.offset);
    w_.VarintField(kFile, String(mapping.file));
    if (!mapping.build_id.empty()) w_.VarintField(kBuildId, String(mapping.build_id));
    // Else readers look for names themselves.
    if (mapping.main && space_.has_symbols()) w_.VarintField(kHasFunctions, 1);
    w_.End(m);
  }

  const Profile& p_;
  const AddressSpace& space_;
  wire::Writer w_{64 << 10};
  std::unordered_map<std::string, uint64_t> string_ids_;
  std::vector<std::string> strings_;
  std::unordered_map<uint64_t, uint64_t> locations_, functions_;
};

std::string Readable(std::string_view name) {
  int status = 0;
  char* text = abi::__cxa_demangle(std::string(name).c_str(), nullptr, nullptr, &status);
  std::string out(text ? std::string_view(text) : name);
  std::free(text);
  return out;
}

}  // namespace

Result<Slice> Encode(const Profile& profile, const AddressSpace& space) {
  Slice message = Encoder(profile, space).Run();
  return wire::Compress(wire::Codec::kGzip, {&message, 1});
}

std::string ToText(const Profile& profile, const AddressSpace& space) {
  std::string out = fmt::format("{} profile:", profile.name);
  for (auto& t : profile.types) out += fmt::format(" {}/{}", t.type, t.unit);
  out += profile.comment.empty() ? "\n" : fmt::format("\n{}\n", profile.comment);
  for (auto& s : profile.samples) {
    out += "\n";
    for (int64_t v : s.values) out += fmt::format("{} ", v);
    out += s.thread.empty() ? "@\n" : fmt::format("@ {}\n", s.thread);
    for (size_t i = 0; i < s.stack.size(); ++i) {
      uint64_t address = Instruction(profile, s.stack, i);
      int mapping = space.Find(address);
      if (mapping < 0) break;
      std::string name = Readable(space.Name(address));
      out += fmt::format("#\t{:#x}\t{}\n", address,
                         name.empty() ? space.mappings()[static_cast<size_t>(mapping)].file : name);
    }
  }
  return out;
}

}  // namespace naru::extensions::pprof
