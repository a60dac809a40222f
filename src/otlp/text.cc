#include "otlp/text.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "otlp/scan.h"
#include "otlp/text_writer.h"
#include "otlp/validate.h"
#include "wire/hash.h"
#include "wire/json_writer.h"

namespace naru::otlp {
namespace {

using text::Attribute;
using text::TextWriter;
using wire::Writer;

void AppendFloat(Writer& out, double v, wire::FloatStyle style) {
  auto* p = reinterpret_cast<char*>(out.Room(wire::kFloatText));
  out.Advance(static_cast<size_t>(wire::PutFloat(p, v, style) - p));
}

void AppendBase64(Writer& out, std::string_view bytes) {
  size_t n = wire::Base64EncodedSize(bytes.size());
  wire::Base64EncodeTo(bytes, reinterpret_cast<char*>(out.Room(n)));
  out.Advance(n);
}

// A value inside a map or an array, as encoding/json writes it. False where that gives up.
bool AppendGoJson(TextWriter& w, const AnyValue& value, int depth) {
  Writer& out = w.out();
  switch (value.kind) {
    case AnyValue::Kind::kEmpty:
      out.Raw("null");
      return true;
    case AnyValue::Kind::kString:
      wire::AppendJsonString(out, value.bytes, wire::JsonEscapes::kGo);
      return true;
    case AnyValue::Kind::kBool:
      out.Raw(value.boolean ? "true" : "false");
      return true;
    case AnyValue::Kind::kInt:
      w.I(value.integer);
      return true;
    case AnyValue::Kind::kDouble:
      if (!std::isfinite(value.real)) return false;
      AppendFloat(out, value.real, wire::FloatStyle::kEcmaScript);
      return true;
    case AnyValue::Kind::kBytes:
      // Empty bytes are a nil slice there.
      if (value.bytes.empty()) {
        out.Raw("null");
        return true;
      }
      out.Raw("\"");
      AppendBase64(out, value.bytes);
      out.Raw("\"");
      return true;
    case AnyValue::Kind::kArray: {
      if (depth >= kMaxDepth) return false;
      out.Raw("[");
      bool first = true;
      for (std::string_view element : value.array().encoded()) {
        if (!first) out.Raw(",");
        first = false;
        if (w.full() || !AppendGoJson(w, w.ResolveValue(element), depth + 1)) return false;
      }
      out.Raw("]");
      return true;
    }
    case AnyValue::Kind::kKvlist: {
      if (depth >= kMaxDepth) return false;
      // A map there: sorted, and of equal keys the last one counts.
      std::vector<Attribute> entries;
      for (std::string_view entry : value.kvlist().encoded()) entries.push_back(w.Resolve(entry));
      std::stable_sort(entries.begin(), entries.end(),
                       [](const Attribute& a, const Attribute& b) { return a.key < b.key; });
      out.Raw("{");
      bool first = true;
      for (size_t i = 0; i < entries.size(); ++i) {
        if (i + 1 < entries.size() && entries[i + 1].key == entries[i].key) continue;
        if (!first) out.Raw(",");
        first = false;
        wire::AppendJsonString(out, entries[i].key, wire::JsonEscapes::kGo);
        out.Raw(":");
        if (w.full() || !AppendGoJson(w, entries[i].value, depth + 1)) return false;
      }
      out.Raw("}");
      return true;
    }
  }
  return true;
}

constexpr struct {
  std::string_view title, resources, metrics, items;
} kSummaries[kSignals] = {{"Traces", "resource spans", "", "spans"},
                          {"Metrics", "resource metrics", "metrics", "data points"},
                          {"Logs", "resource logs", "", "log records"},
                          {"Profiles", "resource profiles", "", "sample records"}};

}  // namespace

namespace text {

TextWriter& TextWriter::I(int64_t v) {
  auto* p = reinterpret_cast<char*>(out_.Room(wire::kIntegerText));
  out_.Advance(static_cast<size_t>(wire::PutSigned(p, v) - p));
  return *this;
}

TextWriter& TextWriter::U(uint64_t v) {
  auto* p = reinterpret_cast<char*>(out_.Room(wire::kIntegerText));
  out_.Advance(static_cast<size_t>(wire::PutUnsigned(p, v) - p));
  return *this;
}

TextWriter& TextWriter::Float(double v, wire::FloatStyle style) {
  AppendFloat(out_, v, style);
  return *this;
}

TextWriter& TextWriter::Id(std::string_view id) {
  if (std::all_of(id.begin(), id.end(), [](char c) { return c == 0; })) return *this;
  wire::HexEncodeTo(id, reinterpret_cast<char*>(out_.Room(id.size() * 2)));
  out_.Advance(id.size() * 2);
  return *this;
}

TextWriter& TextWriter::Value(const AnyValue& value) {
  switch (value.kind) {
    case AnyValue::Kind::kEmpty:
      break;
    case AnyValue::Kind::kString:
      out_.Raw(value.bytes);
      break;
    case AnyValue::Kind::kBytes:
      AppendBase64(out_, value.bytes);
      break;
    case AnyValue::Kind::kDouble:
      AppendFloat(out_, value.real, wire::FloatStyle::kEcmaScript);
      break;
    default: {
      size_t before = out_.size();
      if (!AppendGoJson(*this, value, 0)) out_.Truncate(before);
    }
  }
  return *this;
}

TextWriter& TextWriter::TypedValue(const AnyValue& value) {
  return S(KindName(value.kind)).S("(").Value(value).S(")");
}

AnyValue TextWriter::ResolveValue(std::string_view encoded) const {
  AnyValue value = AnyValue::Parse(encoded);
  if (!strings_ || value.kind != AnyValue::Kind::kEmpty) return value;
  wire::Reader r(encoded);
  while (uint32_t tag = r.Next()) {
    if (tag != wire::Tag(field::any_value::kStringIndex, wire::kVarint)) {
      r.Skip(tag);
      continue;
    }
    uint64_t i = r.Varint();
    value.kind = AnyValue::Kind::kString;
    value.bytes = i < strings_->size() ? (*strings_)[i] : std::string_view();
  }
  return value;
}

Attribute TextWriter::Resolve(std::string_view encoded) const {
  if (!strings_) {
    KeyValue kv = KeyValue::Parse(encoded);
    return {kv.key, kv.value};
  }
  Attribute a;
  wire::Reader r(encoded);
  while (uint32_t tag = r.Next()) {
    switch (tag) {
      case wire::Tag(field::key_value::kKey, wire::kLength):
        a.key = r.Bytes();
        break;
      case wire::Tag(field::key_value::kValue, wire::kLength):
        a.value = ResolveValue(r.Bytes());
        break;
      case wire::Tag(field::key_value::kKeyIndex, wire::kVarint):
        if (uint64_t i = r.Varint(); i != 0 && i < strings_->size()) a.key = (*strings_)[i];
        break;
      default:
        r.Skip(tag);
    }
  }
  return a;
}

// The argument is x = k ln2 + r; e^r comes from a polynomial of degree 8 for e^(r/16) - 1, squared up four times.
double GoExp(double x) {
  if (std::isnan(x) || x == INFINITY) return x;
  if (x == -INFINITY) return 0;
  if (x > 7.09782712893384e+02) return INFINITY;
  if (x < -1e4) return 0;  // far below the smallest number; keeps k small
  constexpr double kLog2E = 1.4426950408889634073599246810018920;
  constexpr double kLn2Upper = 0.69314718055966295651160180568695068359375;
  constexpr double kLn2Lower = 0.28235290563031577122588448175013436025525412068e-12;
  double k = std::nearbyint(x * kLog2E);
  if (k >= 1024) return INFINITY;  // gives up half a bit early
  double r = std::fma(-k, kLn2Upper, x);
  r = std::fma(-k, kLn2Lower, r) * 0.0625;
  double p = 1.0 / 40320;
  for (double c : {1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0}) p = std::fma(p, r, c);
  r *= p;
  for (int i = 0; i < 3; ++i) r *= r + 2;
  return std::ldexp(std::fma(r, r + 2, 1.0), static_cast<int>(k));
}

}  // namespace text

void AppendValueText(Writer& out, const AnyValue& value) {
  TextWriter(out, SIZE_MAX / 2).Value(value);
}

std::string ValueText(const AnyValue& value) {
  Writer out;
  AppendValueText(out, value);
  return std::string(out.view());
}

std::string_view KindName(AnyValue::Kind kind) {
  switch (kind) {
    case AnyValue::Kind::kEmpty:
      return "Empty";
    case AnyValue::Kind::kString:
      return "Str";
    case AnyValue::Kind::kBool:
      return "Bool";
    case AnyValue::Kind::kInt:
      return "Int";
    case AnyValue::Kind::kDouble:
      return "Double";
    case AnyValue::Kind::kArray:
      return "Slice";
    case AnyValue::Kind::kKvlist:
      return "Map";
    case AnyValue::Kind::kBytes:
      return "Bytes";
  }
  return "";
}

void AppendTime(Writer& out, uint64_t time) {
  using namespace std::chrono;
  sys_time<nanoseconds> at{nanoseconds(static_cast<int64_t>(time))};
  auto day = floor<days>(at);
  year_month_day date(day);
  hh_mm_ss clock(at - day);
  auto put = [&](int64_t v, int digits, char after) {
    auto* p = reinterpret_cast<char*>(out.Room(16));
    for (int i = digits - 1; i >= 0; --i, v /= 10) p[i] = static_cast<char>('0' + v % 10);
    p[digits] = after;
    out.Advance(static_cast<size_t>(digits + 1));
  };
  put(static_cast<int>(date.year()), 4, '-');
  put(static_cast<unsigned>(date.month()), 2, '-');
  put(static_cast<unsigned>(date.day()), 2, ' ');
  put(clock.hours().count(), 2, ':');
  put(clock.minutes().count(), 2, ':');
  int64_t nanos = clock.subseconds().count();
  put(clock.seconds().count(), 2, nanos ? '.' : ' ');
  if (nanos != 0) {
    int digits = 9;
    for (; nanos % 10 == 0; nanos /= 10) --digits;
    put(nanos, digits, ' ');
  }
  out.Raw("+0000 UTC");
}

TextCounts CountForText(Signal signal, std::span<const Slice> parts) {
  TextCounts counts;
  for (const Slice& part : parts) {
    counts.items += Count(signal, part.view()).items;
    for (const ResourceItems& r : Resources(part.view())) {
      ++counts.resources;
      if (signal != Signal::kMetrics) continue;
      for (const ScopeItems& s : r.scopes) counts.metrics += s.raw_records.size();
    }
  }
  return counts;
}

std::string SummaryLine(Signal signal, const TextCounts& counts) {
  const auto& names = kSummaries[static_cast<int>(signal)];
  std::string line = fmt::format("{}\t{{\"{}\": {}", names.title, names.resources, counts.resources);
  if (!names.metrics.empty()) line += fmt::format(", \"{}\": {}", names.metrics, counts.metrics);
  return line + fmt::format(", \"{}\": {}}}", names.items, counts.items);
}

bool AppendText(Writer& out, Signal signal, TextLayout layout, std::span<const Slice> parts, size_t max_bytes) {
  using Layout = void (*)(TextWriter&, const ResourceItems&, uint64_t);
  constexpr Layout kLayouts[2][3] = {{text::NormalSpans, text::NormalMetrics, text::NormalLogs},
                                     {text::DetailedSpans, text::DetailedMetrics, text::DetailedLogs}};
  TextWriter w(out, max_bytes);
  uint64_t index = 0;
  for (const Slice& part : parts) {
    if (signal == Signal::kProfiles) {
      text::ProfilesText(w, layout, part.view(), &index);
    } else {
      for (const ResourceItems& r : Resources(part.view())) {
        if (w.full()) break;
        kLayouts[static_cast<int>(layout)][static_cast<int>(signal)](w, r, index++);
      }
    }
    if (w.full()) return false;
  }
  return true;
}

}  // namespace naru::otlp
