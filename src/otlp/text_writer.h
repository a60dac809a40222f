// What the layouts share: lines, values, attributes, and the strings that profiles keep in their dictionary. Only
// text*.cc include this.
#pragma once

#include <string_view>
#include <vector>

#include "otlp/text.h"
#include "wire/numbers.h"

namespace naru::otlp::text {

using Strings = std::vector<std::string_view>;

/// An attribute with the dictionary's strings filled in.
struct Attribute {
  std::string_view key;
  AnyValue value;
};

class TextWriter {
 public:
  TextWriter(wire::Writer& out, size_t max_bytes) : out_(out), limit_(out.size() + max_bytes) {}

  /// Of the profiles that are being written; null otherwise.
  void set_strings(const Strings* strings) { strings_ = strings; }
  bool full() const { return out_.size() > limit_; }
  wire::Writer& out() { return out_; }

  /// Pieces of one line. Text, integers in decimal, floats in %f or %v.
  TextWriter& S(std::string_view text) {
    out_.Raw(text);
    return *this;
  }
  TextWriter& I(int64_t v);
  TextWriter& U(uint64_t v);
  TextWriter& F(double v) { return Float(v, wire::FloatStyle::kFixed6); }
  TextWriter& G(double v) { return Float(v, wire::FloatStyle::kGeneral); }
  /// An id in hex, nothing for zeros.
  TextWriter& Id(std::string_view id);
  TextWriter& Time(uint64_t time) {
    AppendTime(out_, time);
    return *this;
  }
  /// As AppendValueText.
  TextWriter& Value(const AnyValue& value);
  /// "Str(x)".
  TextWriter& TypedValue(const AnyValue& value);
  void End() { out_.Raw("\n"); }

  Attribute Resolve(std::string_view encoded_key_value) const;
  AnyValue ResolveValue(std::string_view encoded_any_value) const;

 private:
  TextWriter& Float(double v, wire::FloatStyle style);
  wire::Writer& out_;
  size_t limit_;
  const Strings* strings_ = nullptr;
};

void NormalSpans(TextWriter& w, const ResourceItems& r, uint64_t index);
void NormalMetrics(TextWriter& w, const ResourceItems& r, uint64_t index);
void NormalLogs(TextWriter& w, const ResourceItems& r, uint64_t index);
void DetailedSpans(TextWriter& w, const ResourceItems& r, uint64_t index);
void DetailedMetrics(TextWriter& w, const ResourceItems& r, uint64_t index);
void DetailedLogs(TextWriter& w, const ResourceItems& r, uint64_t index);
/// A whole request: its dictionary comes first.
void ProfilesText(TextWriter& w, TextLayout layout, std::string_view request, uint64_t* index);

/// The parts of the detailed layout that profiles use too.
void DetailedResource(TextWriter& w, std::string_view title, const ResourceItems& r, uint64_t index);
void DetailedScope(TextWriter& w, std::string_view title, const ScopeItems& s, uint64_t index);
/// The header line, then a line an attribute, indented by `indent` and five; nothing when there are none.
void DetailedAttributes(TextWriter& w, std::string_view header, std::string_view indent, const Attributes& attributes);
/// " a=1 b=2" of the normal layout, with `separator` before all but the first.
void JoinAttributes(TextWriter& w, const Attributes& attributes, std::string_view first, std::string_view separator);
/// The head lines of the normal layout; `title` as "ResourceTraces", "ScopeTraces".
void NormalResource(TextWriter& w, std::string_view title, const ResourceItems& r, uint64_t index);
void NormalScope(TextWriter& w, std::string_view title, const ScopeItems& s, uint64_t index);

/// e to the power of x in the steps of Go's math.Exp on amd64, whose last digits the layouts show.
double GoExp(double x);

}  // namespace naru::otlp::text
