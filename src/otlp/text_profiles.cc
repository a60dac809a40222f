// Both layouts of profiles. A request carries one dictionary, which the records refer to by index.
#include <algorithm>

#include "otlp/text_writer.h"
#include "otlp/validate.h"

namespace naru::otlp::text {
namespace {

using wire::kFixed64;
using wire::kLength;
using wire::kVarint;
using wire::Reader;
using wire::Tag;

// Field numbers (opentelemetry-proto 1.10, profiles/v1development).
namespace dictionary {
constexpr uint32_t kMappings = 1, kLocations = 2, kFunctions = 3, kLinks = 4, kStrings = 5, kAttributes = 6;
}
namespace table_attribute {
constexpr uint32_t kKey = 1, kValue = 2, kUnit = 3;
}
namespace profile {
constexpr uint32_t kSamples = 2, kTime = 3, kDuration = 4, kId = 7, kDropped = 8, kAttributes = 11;
}
namespace sample {
constexpr uint32_t kAttributes = 2, kValues = 4;
}

using Encoded = Repeated<std::string_view>;

struct Dictionary {
  std::string_view bytes;
  Strings strings;
  Strings attributes;  // encoded KeyValueAndUnit
  Encoded Table(uint32_t field) const { return Encoded(bytes, field); }
};

// The last of each plain field of a message, by number; nothing in it is nested or repeated.
struct Scalars {
  uint64_t at[8] = {};
  explicit Scalars(std::string_view bytes) {
    Reader r(bytes);
    while (uint32_t tag = r.Next()) {
      uint32_t field = wire::FieldOf(tag);
      if (wire::TypeOf(tag) == kVarint && field < std::size(at)) {
        at[field] = r.Varint();
      } else {
        r.Skip(tag);
      }
    }
  }
  int64_t Int32(uint32_t field) const { return static_cast<int32_t>(at[field]); }
  int64_t Int64(uint32_t field) const { return static_cast<int64_t>(at[field]); }
};

// "[1 2]"
void Indices(TextWriter& w, std::string_view bytes, uint32_t field, bool wide = false) {
  w.S("[");
  bool first = true;
  for (uint64_t v : Varints(bytes, field)) {
    if (w.full()) return;
    if (!first) w.S(" ");
    first = false;
    w.I(wide ? static_cast<int64_t>(v) : static_cast<int32_t>(v));
  }
  w.S("]");
}

struct TableAttribute {
  int64_t key = 0, unit = 0;
  AnyValue value;
  explicit TableAttribute(std::string_view bytes) {
    Scalars scalars(bytes);
    key = scalars.Int32(table_attribute::kKey);
    unit = scalars.Int32(table_attribute::kUnit);
    for (std::string_view v : Encoded(bytes, table_attribute::kValue)) value = AnyValue::Parse(v);
  }
};

// What Go's %s makes of a value that need not be a string.
void GoString(TextWriter& w, const AnyValue& v, int depth) {
  switch (v.kind) {
    case AnyValue::Kind::kEmpty:
      w.S("%!s(<nil>)");
      return;
    case AnyValue::Kind::kString:
    case AnyValue::Kind::kBytes:
      w.S(v.bytes);
      return;
    case AnyValue::Kind::kBool:
      w.S(v.boolean ? "%!s(bool=true)" : "%!s(bool=false)");
      return;
    case AnyValue::Kind::kInt:
      w.S("%!s(int64=").I(v.integer).S(")");
      return;
    case AnyValue::Kind::kDouble:
      w.S("%!s(float64=").G(v.real).S(")");
      return;
    default:
      break;
  }
  if (depth >= kMaxDepth || w.full()) return;
  bool first = true;
  if (v.kind == AnyValue::Kind::kArray) {
    w.S("[");
    for (const AnyValue& element : v.array()) {
      if (w.full()) return;
      if (!first) w.S(" ");
      first = false;
      GoString(w, element, depth + 1);
    }
  } else {
    std::vector<KeyValue> entries;
    for (const KeyValue& entry : v.kvlist()) entries.push_back(entry);
    std::stable_sort(entries.begin(), entries.end(),
                     [](const KeyValue& a, const KeyValue& b) { return a.key < b.key; });
    w.S("map[");
    for (const KeyValue& entry : entries) {
      if (w.full()) return;
      if (!first) w.S(" ");
      first = false;
      w.S(entry.key).S(":");
      GoString(w, entry.value, depth + 1);
    }
  }
  w.S("]");
}

// The name of a referred attribute, or what is missing; false when there is no such attribute.
bool AttributeName(TextWriter& w, const Dictionary& d, int32_t index, AnyValue* value) {
  if (index < 0 || static_cast<size_t>(index) >= d.attributes.size()) {
    w.S("[Missing Dictionary AttributeTable Item #").I(index).S("]");
    return false;
  }
  TableAttribute a(d.attributes[static_cast<size_t>(index)]);
  if (a.key >= 0 && static_cast<size_t>(a.key) < d.strings.size()) {
    w.S(d.strings[static_cast<size_t>(a.key)]);
  } else {
    w.S("[Missing Dictionary Key String Item #").I(a.key).S("]");
  }
  *value = a.value;
  return true;
}

void Mappings(TextWriter& w, const Dictionary& d) {
  uint64_t i = 0;
  for (std::string_view m : d.Table(dictionary::kMappings)) {
    if (w.full()) return;
    Scalars s(m);
    w.S("Mapping #").U(i++).End();
    w.S("    Memory start: ").U(s.at[1]).End();
    w.S("    Memory limit: ").U(s.at[2]).End();
    w.S("    File offset: ").U(s.at[3]).End();
    w.S("    File name: ").I(s.Int32(4)).End();
    w.S("    Attributes: ");
    Indices(w, m, 5);
    w.End();
  }
}

void Locations(TextWriter& w, const Dictionary& d) {
  uint64_t i = 0;
  for (std::string_view l : d.Table(dictionary::kLocations)) {
    Scalars s(l);
    w.S("Location #").U(i++).End();
    w.S("    Mapping index: ").I(s.Int32(1)).End();
    w.S("    Address: ").U(s.at[2]).End();
    uint64_t k = 0;
    for (std::string_view line : Encoded(l, 3)) {
      if (w.full()) return;
      Scalars of_line(line);
      w.S("    Line #").U(k++).End();
      w.S("        Function index: ").I(of_line.Int32(1)).End();
      w.S("        Line: ").I(of_line.Int64(2)).End();
      w.S("        Column: ").I(of_line.Int64(3)).End();
    }
    w.S("    Attributes: ");
    Indices(w, l, 4);
    w.End();
    if (w.full()) return;
  }
}

void Functions(TextWriter& w, const Dictionary& d) {
  uint64_t i = 0;
  for (std::string_view f : d.Table(dictionary::kFunctions)) {
    if (w.full()) return;
    Scalars s(f);
    w.S("Function #").U(i++).End();
    w.S("    Name: ").I(s.Int32(1)).End();
    w.S("    System name: ").I(s.Int32(2)).End();
    w.S("    Filename: ").I(s.Int32(3)).End();
    w.S("    Start line: ").I(s.Int64(4)).End();
  }
}

void DetailedDictionary(TextWriter& w, const Dictionary& d) {
  Mappings(w, d);
  Locations(w, d);
  Functions(w, d);
  // The reference collects these two tables into one map each, so only the last entry shows.
  if (!d.attributes.empty()) {
    TableAttribute last(d.attributes.back());
    w.S("Attribute table:").End();
    w.S("     -> Key: Int(").I(last.key).S(")").End();
    w.S("     -> Value: Str(").Value(last.value).S(")").End();
    w.S("     -> unit: Int(").I(last.unit).S(")").End();
  }
  std::string_view link;
  bool linked = false;
  for (std::string_view l : d.Table(dictionary::kLinks)) {
    link = l;
    linked = true;
  }
  if (linked) {
    w.S("Link table:").End();
    SpanLink ids = SpanLink::Parse(link);
    w.S("     -> Trace ID: Str(").Id(ids.trace_id).S(")").End();
    w.S("     -> Span ID: Str(").Id(ids.span_id).S(")").End();
  }
  if (!d.strings.empty()) w.S("String table:").End();
  for (std::string_view s : d.strings) {
    if (w.full()) return;
    w.S("    ").S(s).End();
  }
}

struct ProfileHead {
  std::string_view id;
  uint64_t time = 0;
  Scalars scalars;
  Encoded samples;
  explicit ProfileHead(std::string_view bytes) : scalars(bytes), samples(bytes, profile::kSamples) {
    Reader r(bytes);
    while (uint32_t tag = r.Next()) {
      if (tag == Tag(profile::kTime, kFixed64)) {
        time = r.Fixed64();
      } else if (tag == Tag(profile::kId, kLength)) {
        id = r.Bytes();
      } else {
        r.Skip(tag);
      }
    }
  }
};

void DetailedProfile(TextWriter& w, const Dictionary& d, std::string_view bytes, uint64_t index) {
  ProfileHead p(bytes);
  w.S("Profile #").U(index).End();
  w.S("    Profile ID     : ").Id(p.id).End();
  w.S("    Start time     : ").Time(p.time).End();
  w.S("    DurationNano   : ").U(p.scalars.at[profile::kDuration]).End();
  uint64_t dropped = 0;
  for (uint64_t v : Varints(bytes, profile::kDropped)) dropped = static_cast<uint32_t>(v);
  w.S("    Dropped attributes count: ").U(dropped).End();
  uint64_t i = 0;
  for (std::string_view s : p.samples) {
    if (w.full()) return;
    w.S("    Sample #").U(i++).End();
    w.S("        Values: ");
    Indices(w, s, sample::kValues, true);
    w.End();
    Varints indices(s, sample::kAttributes);
    if (!indices.empty()) w.S("        Attributes:").End();
    for (uint64_t index : indices) {
      if (w.full()) return;
      w.S("             -> ");
      AnyValue value;
      if (AttributeName(w, d, static_cast<int32_t>(index), &value)) {
        w.S(": ");
        GoString(w, value, 0);
      }
      w.End();
    }
  }
}

void NormalProfile(TextWriter& w, const Dictionary& d, std::string_view bytes) {
  ProfileHead p(bytes);
  w.Id(p.id).S(" samples=").U(p.samples.size());
  for (uint64_t index : Varints(bytes, profile::kAttributes)) {
    if (w.full()) return;
    w.S(" ");
    AnyValue value;
    if (AttributeName(w, d, static_cast<int32_t>(index), &value)) w.S("=").Value(value);
  }
  w.End();
}

}  // namespace

void ProfilesText(TextWriter& w, TextLayout layout, std::string_view request, uint64_t* index) {
  Dictionary d;
  for (std::string_view bytes : Encoded(request, field::request::kDictionary)) d.bytes = bytes;
  for (std::string_view s : d.Table(dictionary::kStrings)) d.strings.push_back(s);
  for (std::string_view a : d.Table(dictionary::kAttributes)) d.attributes.push_back(a);
  const bool detailed = layout == TextLayout::kDetailed;
  if (detailed) DetailedDictionary(w, d);
  w.set_strings(&d.strings);
  for (const ResourceItems& r : Resources(request)) {
    if (detailed) {
      DetailedResource(w, "ResourceProfiles", r, *index);
    } else {
      NormalResource(w, "ResourceProfiles", r, *index);
    }
    uint64_t j = 0;
    for (const ScopeItems& s : r.scopes) {
      if (w.full()) break;
      if (detailed) {
        DetailedScope(w, "ScopeProfiles", s, j++);
      } else {
        NormalScope(w, "ScopeProfiles", s, *index);
      }
      uint64_t k = 0;
      for (std::string_view bytes : s.raw_records) {
        if (w.full()) break;
        if (detailed) {
          DetailedProfile(w, d, bytes, k++);
        } else {
          NormalProfile(w, d, bytes);
        }
      }
    }
    ++*index;
    if (w.full()) break;
  }
  w.set_strings(nullptr);
}

}  // namespace naru::otlp::text
