#include "conf/schema.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/core.h>

#include "conf/component_id.h"
#include "conf/scalar.h"

namespace naru::conf {

std::string Issues::Issue::ToString() const {
  std::string out = mark.ToString();
  if (!out.empty()) out += ": ";
  if (!path.empty()) out += path + ": ";
  return out + message;
}

Issues::Scope::Scope(Issues& issues, std::string_view path, const Value* at) : issues_(issues) {
  if (!at && !issues.frames_.empty() && issues.frames_.back().at) at = issues.frames_.back().at->Find(path);
  issues.frames_.push_back({std::string(path), at});
}
Issues::Scope::~Scope() {
  issues_.frames_.pop_back();
}

std::string Issues::Path(std::string_view path) const {
  std::string out;
  for (auto& f : frames_) {
    if (!f.path.empty()) out += (out.empty() ? "" : "::") + f.path;
  }
  if (!path.empty()) out += (out.empty() ? "" : "::") + std::string(path);
  return out;
}

void Issues::Add(const Value& at, std::string_view path, std::string message) {
  issues_.push_back({at.mark(), Path(path), std::move(message)});
}

void Issues::Add(std::string_view path, std::string message) {
  const Value* at = nullptr;
  for (auto f = frames_.rbegin(); f != frames_.rend() && !at; ++f) at = f->at;
  Mark mark = at ? at->mark() : Mark();
  std::string_view rest = path;
  while (at && !rest.empty()) {
    size_t end = rest.find("::");
    at = at->Find(rest.substr(0, end));
    if (at && at->mark().line) mark = at->mark();
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 2);
  }
  issues_.push_back({std::move(mark), Path(path), std::move(message)});
}

std::string Issues::ToString() const {
  std::string out;
  for (auto& i : issues_) out += i.ToString() + "\n";
  return out;
}

namespace {

Value SchemaOf(std::string_view type) {
  Value s = Value::MakeMap();
  s.Set("type", Value::String(type));
  return s;
}

void Mismatch(const Value& v, std::string_view wanted, Issues& issues) {
  auto text = v.ScalarText();
  std::string shown = text && text->size() <= 80 ? fmt::format(" '{}'", *text) : "";
  issues.Add(v, "", fmt::format("expected {}, got {}{}", wanted, v.KindName(), shown));
}

class BoolType final : public Type {
 public:
  void Decode(const Value& v, void* out, Issues& issues) const override {
    if (v.is_null()) return;
    if (!v.is_bool()) return Mismatch(v, "a bool", issues);
    *static_cast<bool*>(out) = v.bool_value();
  }
  Value Dump(const void* in) const override { return Value::Bool(*static_cast<const bool*>(in)); }
  std::string Name() const override { return "bool"; }
  Value Schema() const override { return SchemaOf("boolean"); }
};

template <class I>
class IntType final : public Type {
 public:
  void Decode(const Value& v, void* out, Issues& issues) const override {
    if (v.is_null()) return;
    double d = 0;
    if (v.is_double()) {
      d = std::trunc(v.double_value());
      if (!(d >= -9.2e18 && d <= 9.2e18)) return Mismatch(v, "an integer", issues);
    } else if (!v.is_int()) {
      return Mismatch(v, "an integer", issues);
    }
    int64_t i = v.is_int() ? v.int_value() : static_cast<int64_t>(d);
    constexpr bool kSmall = sizeof(I) < 8;
    bool ok = std::is_signed_v<I> ? true : i >= 0;
    if constexpr (kSmall)
      ok = ok && i >= static_cast<int64_t>(std::numeric_limits<I>::min()) &&
           i <= static_cast<int64_t>(std::numeric_limits<I>::max());
    if (!ok) {
      issues.Add(v, "",
                 fmt::format("{} is out of range ({} to {})", i, std::numeric_limits<I>::min(),
                             std::numeric_limits<I>::max()));
      return;
    }
    *static_cast<I*>(out) = static_cast<I>(i);
  }
  Value Dump(const void* in) const override { return Value::Int(static_cast<int64_t>(*static_cast<const I*>(in))); }
  std::string Name() const override { return "int"; }
  Value Schema() const override { return SchemaOf("integer"); }
};

class DoubleType final : public Type {
 public:
  void Decode(const Value& v, void* out, Issues& issues) const override {
    if (v.is_null()) return;
    if (!v.is_int() && !v.is_double()) return Mismatch(v, "a number", issues);
    *static_cast<double*>(out) = v.is_int() ? static_cast<double>(v.int_value()) : v.double_value();
  }
  Value Dump(const void* in) const override { return Value::Double(*static_cast<const double*>(in)); }
  std::string Name() const override { return "float"; }
  Value Schema() const override { return SchemaOf("number"); }
};

class StringType final : public Type {
 public:
  void Decode(const Value& v, void* out, Issues& issues) const override {
    if (const std::string* text = v.AsText()) {
      *static_cast<std::string*>(out) = *text;
    } else if (!v.is_null()) {
      Mismatch(v, "a string (put quotes around it)", issues);
    }
  }
  Value Dump(const void* in) const override { return Value::String(*static_cast<const std::string*>(in)); }
  std::string Name() const override { return "string"; }
  Value Schema() const override { return SchemaOf("string"); }
};

class SecretType final : public Type {
 public:
  void Decode(const Value& v, void* out, Issues& issues) const override {
    if (const std::string* text = v.AsText()) {
      *static_cast<Secret*>(out) = Secret(*text);
    } else if (!v.is_null()) {
      issues.Add(v, "", fmt::format("expected a string (put quotes around it), got {}", v.KindName()));
    }
  }
  Value Dump(const void* in) const override {
    return Value::String(static_cast<const Secret*>(in)->empty() ? "" : "[REDACTED]");
  }
  std::string Name() const override { return "string (secret)"; }
  Value Schema() const override { return SchemaOf("string"); }
};

class DurationType final : public Type {
 public:
  void Decode(const Value& v, void* out, Issues& issues) const override {
    if (v.is_null()) return;
    if (v.is_int()) {
      *static_cast<Duration*>(out) = Duration(v.int_value());
      return;
    }
    std::optional<Duration> d;
    if (v.is_string()) d = ParseDuration(v.string_value());
    if (!d) return Mismatch(v, "a duration such as 5s, 200ms or 1h30m", issues);
    *static_cast<Duration*>(out) = *d;
  }
  Value Dump(const void* in) const override { return Value::String(FormatDuration(*static_cast<const Duration*>(in))); }
  std::string Name() const override { return "duration"; }
  Value Schema() const override {
    Value s = Value::MakeMap();
    Value types = Value::MakeList();
    types.list().push_back(Value::String("string"));
    types.list().push_back(Value::String("integer"));
    s.Set("type", std::move(types));
    s.Set("description", Value::String("a duration such as 5s, 200ms or 1h30m; an integer counts nanoseconds"));
    return s;
  }
};

class HeaderMapType final : public Type {
 public:
  void Decode(const Value& v, void* out, Issues& issues) const override {
    if (v.is_null()) return;
    auto& h = *static_cast<HeaderMap*>(out);
    h.entries.clear();
    if (v.is_map()) {
      for (auto& [k, item] : v.map()) {
        auto in = issues.In(k, &item);
        Secret s;
        TypeOf<Secret>().Decode(item, &s, issues);
        h.entries.emplace_back(k, std::move(s));
      }
      return;
    }
    if (!v.is_list()) return Mismatch(v, "a map of headers, or a list of {name, value}", issues);
    for (auto& item : v.list()) {
      const Value* name = item.Find("name");
      const Value* value = item.Find("value");
      if (!item.is_map() || !name || !name->AsText() || item.map().size() > 2 || (item.map().size() == 2 && !value)) {
        issues.Add(item, "", "expected {name, value}");
        continue;
      }
      Secret s;
      if (value) TypeOf<Secret>().Decode(*value, &s, issues);
      bool twice = std::any_of(h.entries.begin(), h.entries.end(), [&](auto& e) { return e.first == *name->AsText(); });
      if (twice) issues.Add(item, "", fmt::format("header \"{}\" is given twice", *name->AsText()));
      h.entries.emplace_back(*name->AsText(), std::move(s));
    }
  }
  Value Dump(const void* in) const override {
    Value m = Value::MakeMap();
    for (auto& [k, v] : static_cast<const HeaderMap*>(in)->entries) m.Set(k, Value::String("[REDACTED]"));
    return m;
  }
  std::string Name() const override { return "map of string (secret)"; }
  Value Schema() const override {
    Value s = Value::MakeMap();
    Value types = Value::MakeList();
    types.list().push_back(Value::String("object"));
    types.list().push_back(Value::String("array"));
    s.Set("type", std::move(types));
    return s;
  }
};

class AnyType final : public Type {
 public:
  void Decode(const Value& v, void* out, Issues&) const override { *static_cast<Value*>(out) = v; }
  Value Dump(const void* in) const override { return *static_cast<const Value*>(in); }
  std::string Name() const override { return "any"; }
  Value Schema() const override { return Value::MakeMap(); }
};

template <class T>
const Type& Single() {
  static const auto* type = new T;
  return *type;
}

}  // namespace

template <>
const Type& TypeOf<bool>() {
  return Single<BoolType>();
}
template <>
const Type& TypeOf<int64_t>() {
  return Single<IntType<int64_t>>();
}
template <>
const Type& TypeOf<int32_t>() {
  return Single<IntType<int32_t>>();
}
template <>
const Type& TypeOf<uint32_t>() {
  return Single<IntType<uint32_t>>();
}
template <>
const Type& TypeOf<uint64_t>() {
  return Single<IntType<uint64_t>>();
}
template <>
const Type& TypeOf<uint16_t>() {
  return Single<IntType<uint16_t>>();
}
template <>
const Type& TypeOf<double>() {
  return Single<DoubleType>();
}
template <>
const Type& TypeOf<std::string>() {
  return Single<StringType>();
}
template <>
const Type& TypeOf<Secret>() {
  return Single<SecretType>();
}
template <>
const Type& TypeOf<Duration>() {
  return Single<DurationType>();
}
template <>
const Type& TypeOf<HeaderMap>() {
  return Single<HeaderMapType>();
}
template <>
const Type& TypeOf<Value>() {
  return Single<AnyType>();
}

void StructType::Decode(const Value& v, void* out, Issues& issues) const {
  if (!v.is_null() && !v.is_map()) return Mismatch(v, "a map", issues);
  auto scope = issues.In("", &v);
  size_t before = issues.all().size();
  for (auto& [key, item] : v.map()) {
    auto f = std::find_if(fields_.begin(), fields_.end(), [&](auto& f) { return f.name == key; });
    if (f == fields_.end()) {
      std::vector<std::string> names;
      for (auto& field : fields_) names.push_back(field.name);
      issues.Add(item, key, "unknown key" + DidYouMean(key, names));
      continue;
    }
    if (f->ignored) continue;
    auto in = issues.In(key, &item);
    f->type->Decode(item, static_cast<char*>(out) + f->offset, issues);
  }
  // A struct whose keys did not decode is not judged further: its values are not what the user meant.
  if (issues.all().size() == before) Validate(out, issues);
}

Value StructType::Dump(const void* in) const {
  Value out = Value::MakeMap();
  for (auto& f : fields_) {
    if (!f.ignored) out.Set(f.name, f.type->Dump(static_cast<const char*>(in) + f.offset));
  }
  return out;
}

Value StructType::Schema() const {
  Value s = SchemaOf("object");
  Value properties = Value::MakeMap();
  for (auto& f : fields_) {
    Value p = f.type->Schema();
    if (!f.doc.empty()) p.Set("description", Value::String(f.doc));
    properties.Set(f.name, std::move(p));
  }
  s.Set("properties", std::move(properties));
  s.Set("additionalProperties", Value::Bool(false));
  return s;
}

namespace internal {

void ListType::Decode(const Value& v, void* out, Issues& issues) const {
  if (v.is_null()) return;
  if (of_strings_ && v.AsText()) {
    ops_.clear(out);
    const std::string& text = *v.AsText();
    for (size_t at = 0; !text.empty() && at <= text.size();) {
      size_t comma = std::min(text.find(',', at), text.size());
      *static_cast<std::string*>(ops_.append(out)) = text.substr(at, comma - at);
      at = comma + 1;
    }
    return;
  }
  if (!v.is_list()) return Mismatch(v, "a list", issues);
  ops_.clear(out);
  for (size_t i = 0; i < v.list().size(); ++i) {
    auto in = issues.In(fmt::format("{}", i), &v.list()[i]);
    item_.Decode(v.list()[i], ops_.append(out), issues);
  }
}

Value ListType::Dump(const void* in) const {
  Value out = Value::MakeList();
  for (size_t i = 0; i < ops_.size(in); ++i) out.list().push_back(item_.Dump(ops_.at(in, i)));
  return out;
}

Value ListType::Schema() const {
  Value s = SchemaOf("array");
  s.Set("items", item_.Schema());
  return s;
}

void MapType::Decode(const Value& v, void* out, Issues& issues) const {
  if (v.is_null()) return;
  if (!v.is_map()) return Mismatch(v, "a map", issues);
  for (auto& [k, item] : v.map()) {
    auto in = issues.In(k, &item);
    item_.Decode(item, ops_.at(out, k), issues);
  }
}

Value MapType::Dump(const void* in) const {
  Value out = Value::MakeMap();
  ops_.each(in, [&](const std::string& k, const void* v) { out.Set(k, item_.Dump(v)); });
  return out;
}

Value MapType::Schema() const {
  Value s = SchemaOf("object");
  s.Set("additionalProperties", item_.Schema());
  return s;
}

void OptionalType::Decode(const Value& v, void* out, Issues& issues) const {
  if (v.is_null() && !null_enables_) return;
  item_.Decode(v, ops_.enable(out), issues);
}

Value OptionalType::Dump(const void* in) const {
  const void* item = ops_.get(in);
  return item ? item_.Dump(item) : Value();
}

}  // namespace internal

namespace {

void TableRows(std::string& out, const StructType& type, const Value& defaults, const std::string& prefix) {
  for (auto& f : type.fields()) {
    std::string name = prefix + f.name;
    const Value* d = defaults.Find(f.name);
    if (const StructType* nested = f.ignored ? nullptr : f.type->AsStruct()) {
      bool off = !d || d->is_null();
      out += fmt::format("| `{}` | map | {} | {} |\n", name, off ? "off" : "", f.doc);
      TableRows(out, *nested, off ? Value() : *d, name + "::");
      continue;
    }
    std::string text = d && !d->is_null() ? ToJson(*d) : "";
    if (text == "\"\"" || text == "[]" || text == "{}") text.clear();
    if (text.size() > 1 && text.front() == '"') text = text.substr(1, text.size() - 2);
    if (!text.empty()) text = "`" + text + "`";
    out += fmt::format("| `{}` | {} | {} | {} |\n", name, f.ignored ? "any" : f.type->Name(), text, f.doc);
  }
}

}  // namespace

std::string MarkdownTable(const Type& type, const Value& defaults) {
  std::string out = "| key | type | default | meaning |\n|---|---|---|---|\n";
  if (const StructType* s = type.AsStruct()) TableRows(out, *s, defaults, "");
  return out;
}

}  // namespace naru::conf
