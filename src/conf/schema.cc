#include "conf/schema.h"

#include <algorithm>
#include <ostream>

#include <fmt/core.h>

#include "conf/component_id.h"

namespace naru::conf {

std::string Issues::Issue::ToString() const {
  std::string out = mark.ToString();
  if (!out.empty()) out += ": ";
  if (!path.empty()) out += path + ": ";
  return out + message;
}

std::ostream& operator<<(std::ostream& out, const Secret& secret) {
  return out << (secret.empty() ? "" : "[REDACTED]");
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

void Issues::Warn(const Value& at, std::string_view path, std::string message) {
  warnings_.push_back({at.mark(), Path(path), std::move(message)});
}

void Issues::Add(std::string_view path, std::string message) {
  // The nearest place that was written. Only inside the innermost scope do the names of the path lead to it.
  const Value* at = nullptr;
  for (auto f = frames_.rbegin(); f != frames_.rend() && !at; ++f) at = f->at;
  Mark mark = at ? at->mark() : Mark();
  if (frames_.empty() || !frames_.back().at) at = nullptr;
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

namespace internal {

Value SchemaOf(std::string_view type) {
  Value s = Value::MakeMap();
  s.Set("type", Value::String(type));
  return s;
}

void Mismatch(const Value& v, std::string_view wanted, Issues& issues) {
  auto text = v.is_list() || v.is_map() ? std::nullopt : v.ScalarText();
  std::string shown = text && !v.is_null() && text->size() <= 80 ? fmt::format(" '{}'", *text) : "";
  issues.Add(v, "", fmt::format("expected {}, got {}{}", wanted, v.KindName(), shown));
}

}  // namespace internal

void StructType::AddField(FieldInfo field) {
  fields_.push_back(std::move(field));
}

void StructType::AddPart(const StructType& part, size_t offset) {
  for (auto f : part.fields_) {
    f.offset += offset;
    fields_.push_back(std::move(f));
  }
  spellings_.insert(spellings_.end(), part.spellings_.begin(), part.spellings_.end());
  for (auto& p : part.parts_) parts_.push_back({p.type, p.offset + offset});
  parts_.push_back({&part, offset});
}

const StructType::FieldInfo* StructType::FindField(std::string_view key) const {
  for (auto& f : fields_) {
    if (f.name == key) return &f;
  }
  for (auto& s : spellings_) {
    if (s.name == key) return FindField(s.of);
  }
  return nullptr;
}

std::string StructType::UnknownKey(const std::string& key) const {
  std::vector<std::string> names;
  for (auto& f : fields_) names.push_back(f.name);
  for (auto& s : spellings_) names.push_back(s.name);
  std::string hint = DidYouMean(key, names);
  if (!hint.empty()) return "unknown key" + hint;
  if (fields_.empty()) return "unknown key; nothing can be set here";
  std::string list;
  size_t shown = std::min<size_t>(fields_.size(), 16);
  for (size_t i = 0; i < shown; ++i) list += (i ? ", " : "") + fields_[i].name;
  return fmt::format("unknown key; the keys here are {}{}", list, shown < fields_.size() ? ", ..." : "");
}

void StructType::Decode(const Value& v, void* out, Issues& issues) const {
  if (!v.is_null() && !v.is_map()) return internal::Mismatch(v, "a map", issues);
  auto scope = issues.In("", &v);
  size_t before = issues.all().size();
  std::vector<const std::string*> given(fields_.size());
  for (auto& [key, item] : v.map()) {
    const FieldInfo* f = FindField(key);
    if (!f) {
      issues.Add(item, key, UnknownKey(key));
      continue;
    }
    const std::string*& by = given[static_cast<size_t>(f - fields_.data())];
    if (by) {
      issues.Add(item, key, fmt::format("is another spelling of \"{}\", which is given too: leave one", *by));
      continue;
    }
    by = &key;
    for (auto& s : spellings_) {
      if (s.warn && s.name == key) issues.Warn(item, key, fmt::format("is deprecated: use \"{}\"", s.of));
    }
    if (f->deprecated) issues.Warn(item, key, "is deprecated: " + f->doc);
    if (f->ignored) continue;
    auto in = issues.In(key, &item);
    f->type->Decode(item, static_cast<char*>(out) + f->offset, issues);
  }
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (given[i] || fields_[i].ignored) continue;
    auto in = issues.In(fields_[i].name);
    fields_[i].type->Check(static_cast<char*>(out) + fields_[i].offset, issues);
  }
  // A struct whose keys did not decode is not judged further: its values are not what the user meant.
  if (issues.all().size() == before && issues.checks()) {
    for (auto& p : parts_) p.type->Validate(static_cast<char*>(out) + p.offset, issues);
    Validate(out, issues);
  }
}

void StructType::Check(const void* in, Issues& issues) const {
  if (!issues.checks()) return;
  for (auto& f : fields_) {
    if (f.ignored) continue;
    auto scope = issues.In(f.name);
    f.type->Check(static_cast<const char*>(in) + f.offset, issues);
  }
  for (auto& p : parts_) p.type->Validate(static_cast<const char*>(in) + p.offset, issues);
  Validate(in, issues);
}

Value StructType::Dump(const void* in, bool secrets) const {
  Value out = Value::MakeMap();
  for (auto& f : fields_) {
    if (!f.ignored) out.Set(f.name, f.type->Dump(static_cast<const char*>(in) + f.offset, secrets));
  }
  return out;
}

Value StructType::Schema() const {
  Value s = internal::SchemaOf("object");
  Value properties = Value::MakeMap();
  auto property = [&](const std::string& name, const FieldInfo& f, bool deprecated) {
    Value p = f.type->Schema();
    if (!f.doc.empty()) p.Set("description", Value::String(f.doc));
    if (deprecated) p.Set("deprecated", Value::Bool(true));
    properties.Set(name, std::move(p));
  };
  for (auto& f : fields_) property(f.name, f, f.deprecated);
  for (auto& a : spellings_) {
    if (const FieldInfo* f = FindField(a.of)) property(a.name, *f, a.warn);
  }
  s.Set("properties", std::move(properties));
  s.Set("additionalProperties", Value::Bool(false));
  return s;
}

namespace internal {

void ListType::Decode(const Value& v, void* out, Issues& issues) const {
  if (v.is_null()) return Check(out, issues);
  if (of_strings_ && v.is_string()) {
    // Parts between commas, blanks kept.
    const std::string& text = v.string_value();
    std::vector<std::string> parts;
    for (size_t at = 0; !text.empty() && at <= text.size();) {
      size_t comma = std::min(text.find(',', at), text.size());
      parts.push_back(text.substr(at, comma - at));
      at = comma + 1;
    }
    *static_cast<std::vector<std::string>*>(out) = std::move(parts);
    return;
  }
  if (!v.is_list()) return Mismatch(v, "a list", issues);
  ops_.reset(out, v.list().size());
  for (size_t i = 0; i < v.list().size(); ++i) {
    auto in = issues.In(fmt::format("{}", i), &v.list()[i]);
    item_.Decode(v.list()[i], ops_.edit(out, i), issues);
  }
}

void ListType::Check(const void* in, Issues& issues) const {
  for (size_t i = 0; i < ops_.size(in); ++i) {
    auto scope = issues.In(fmt::format("{}", i));
    item_.Check(ops_.at(in, i), issues);
  }
}

Value ListType::Dump(const void* in, bool secrets) const {
  Value out = Value::MakeList();
  for (size_t i = 0; i < ops_.size(in); ++i) out.list().push_back(item_.Dump(ops_.at(in, i), secrets));
  return out;
}

Value ListType::Schema() const {
  Value s = SchemaOf("array");
  s.Set("items", item_.Schema());
  return s;
}

void MapType::Decode(const Value& v, void* out, Issues& issues) const {
  if (v.is_null()) return Check(out, issues);
  if (!v.is_map()) return Mismatch(v, "a map", issues);
  for (auto& [k, item] : v.map()) {
    auto in = issues.In(k, &item);
    item_.Decode(item, ops_.at(out, k), issues);
  }
}

void MapType::Check(const void* in, Issues& issues) const {
  ops_.each(in, [&](const std::string& k, const void* v) {
    auto scope = issues.In(k);
    item_.Check(v, issues);
  });
}

Value MapType::Dump(const void* in, bool secrets) const {
  Value out = Value::MakeMap();
  ops_.each(in, [&](const std::string& k, const void* v) { out.Set(k, item_.Dump(v, secrets)); });
  return out;
}

Value MapType::Schema() const {
  Value s = SchemaOf("object");
  s.Set("additionalProperties", item_.Schema());
  return s;
}

void OptionalType::Decode(const Value& v, void* out, Issues& issues) const {
  if (v.is_null() && !ops_.on_by_null(out)) return Check(out, issues);
  const Value* enabled = HasSwitch() ? v.Find("enabled") : nullptr;
  if (!enabled) return item_.Decode(v, ops_.enable(out), issues);
  if (!enabled->is_bool()) {
    auto in = issues.In("enabled", enabled);
    return Mismatch(*enabled, "true or false", issues);
  }
  Value rest = v;
  auto& map = rest.mutable_map();
  map.erase(std::find_if(map.begin(), map.end(), [](auto& e) { return e.first == "enabled"; }));
  if (enabled->bool_value()) return item_.Decode(rest, ops_.enable(out), issues);
  // Keys of a section that is switched off must exist, but need not make sense together.
  bool checks = issues.set_checks(false);
  item_.Decode(rest, ops_.enable(out), issues);
  issues.set_checks(checks);
  ops_.disable(out);
}

bool OptionalType::HasSwitch() const {
  return section_ && item_.AsStruct() && !item_.AsStruct()->FindField("enabled");
}

Value OptionalType::Schema() const {
  Value s = item_.Schema();
  Value* properties = HasSwitch() ? s.Find("properties") : nullptr;
  if (properties) {
    Value enabled = SchemaOf("boolean");
    enabled.Set("description", Value::String("switches the section on or off"));
    properties->Set("enabled", std::move(enabled));
  }
  return s;
}

void OptionalType::Check(const void* in, Issues& issues) const {
  if (const void* item = ops_.get(in)) item_.Check(item, issues);
}

Value OptionalType::Dump(const void* in, bool secrets) const {
  if (const void* item = ops_.get(in)) return item_.Dump(item, secrets);
  if (!HasSwitch() || !ops_.off_by_switch(in)) return Value();
  // What is printed is read again, and null would leave or turn this section on.
  Value off = Value::MakeMap();
  off.Set("enabled", Value::Bool(false));
  return off;
}

void EnumType::Decode(const Value& v, void* out, Issues& issues) const {
  const std::string* text = v.AsText();
  if (!text) return Mismatch(v, "one of " + List(", "), issues);
  auto lower = [](std::string s) {
    for (char& c : s) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return s;
  };
  for (auto& [name, value] : names_) {
    if (ignore_case_ ? lower(name) == lower(*text) : name == *text) return set_(out, value);
  }
  std::vector<std::string> known;
  for (auto& n : names_) known.push_back(n.first);
  issues.Add(v, "",
             fmt::format("\"{}\" is not one of {}{}", text->substr(0, 80), List(", "), DidYouMean(*text, known)));
}

Value EnumType::Dump(const void* in, bool) const {
  int64_t value = get_(in);
  for (auto& n : names_) {
    if (n.second == value) return Value::String(n.first);
  }
  return Value();
}

std::string EnumType::List(std::string_view separator) const {
  std::string out;
  for (auto& n : names_) {
    if (!out.empty()) out += separator;
    out += n.first.empty() ? "\"\"" : n.first;
  }
  return out;
}

std::string EnumType::Name() const {
  return "one of " + List(", ");
}

Value EnumType::Schema() const {
  Value s = SchemaOf("string");
  if (ignore_case_) {
    s.Set("description", Value::String("one of " + List(", ") + " in any case"));
    return s;
  }
  Value names = Value::MakeList();
  for (auto& n : names_) names.list().push_back(Value::String(n.first));
  s.Set("enum", std::move(names));
  return s;
}

}  // namespace internal

}  // namespace naru::conf
