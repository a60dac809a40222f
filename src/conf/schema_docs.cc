// What a field table says to people and to editors: Markdown tables and JSON schemas.
#include <algorithm>
#include <functional>

#include <fmt/core.h>

#include "conf/schema.h"

namespace naru::conf {
namespace {

// A cell of a table: bars would end it.
std::string Cell(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string DefaultText(const Value* d) {
  std::string text = d && !d->is_null() ? ToJson(*d) : "";
  if (text == "\"\"" || text == "[]" || text == "{}") text.clear();
  if (text.size() > 1 && text.front() == '"') text = text.substr(1, text.size() - 2);
  return text.empty() ? text : "`" + Cell(text) + "`";
}

using Read = std::function<Value(Value document)>;

// `defaults` of this struct; `read` decodes a document for it and dumps what came of it, which tells the defaults of
// what is off.
void TableRows(std::string& out, const StructType& type, const Value& defaults, const Read& read,
               const std::string& prefix) {
  for (auto& f : type.fields()) {
    std::string name = prefix + f.name;
    const Value* d = defaults.Find(f.name);
    std::string doc = Cell(f.deprecated ? "deprecated: " + f.doc : f.doc);
    if (f.ignored) {
      out += fmt::format("| `{}` | any | | {} |\n", name, doc);
      continue;
    }
    Read below = [&](Value document) {
      Value mine = Value::MakeMap();
      mine.Set(f.name, std::move(document));
      Value got = read(std::move(mine));
      const Value* v = got.Find(f.name);
      return v ? *v : Value();
    };
    if (const StructType* nested = f.type->AsStruct()) {
      bool off = !d || d->is_null() || (f.type->HasSwitch() && d->Find("enabled"));
      out += fmt::format("| `{}` | map | {} | {} |\n", name, off ? "off" : "", doc);
      if (f.type->HasSwitch())
        out += fmt::format("| `{}::enabled` | bool | `true` | switches the section on or off |\n", name);
      TableRows(out, *nested, off ? below(Value::MakeMap()) : *d, below, name + "::");
      continue;
    }
    out += fmt::format("| `{}` | {} | {} | {} |\n", name, Cell(f.type->Name()), DefaultText(d), doc);
    const Type* item = f.type->Item();
    if (!item || !item->AsStruct()) continue;
    bool list = f.type->IsList();
    Read of_item = [&](Value document) {
      Value all = list ? Value::MakeList() : Value::MakeMap();
      if (list) {
        all.list().push_back(std::move(document));
      } else {
        all.Set("NAME", std::move(document));
      }
      Value got = below(std::move(all));
      if (got.is_list() && !got.list().empty()) return got.list().front();
      const Value* v = got.Find("NAME");
      return v ? *v : Value();
    };
    TableRows(out, *item->AsStruct(), of_item(Value::MakeMap()), of_item, name + (list ? "[]::" : "::NAME::"));
  }
}

void AddDefaults(Value& s, const Value& defaults) {
  Value* properties = s.Find("properties");
  if (!properties) {
    if (!defaults.is_null()) s.Set("default", defaults);
    return;
  }
  for (auto& p : properties->mutable_map()) {
    if (const Value* d = defaults.Find(p.first)) AddDefaults(p.second, *d);
  }
}

}  // namespace

void AcceptAsWritten(Value& s) {
  constexpr const char* kReference = "\\$\\{";
  if (Value* type = s.Find("type")) {
    if (type->is_string()) {
      Value types = Value::MakeList();
      types.list().push_back(*type);
      *type = std::move(types);
    }
    auto has = [&](std::string_view name) {
      auto& all = type->list();
      return std::any_of(all.begin(), all.end(), [&](auto& v) { return v.string_value() == name; });
    };
    bool text = has("string");
    if (!text) type->list().push_back(Value::String("string"));
    if (!has("null")) type->list().push_back(Value::String("null"));
    if (!text) s.Set("pattern", Value::String(kReference));  // of texts only
  }
  if (Value* names = s.Find("enum")) {
    Value known = Value::MakeMap(), reference = Value::MakeMap(), either = Value::MakeList();
    names->list().push_back(Value());
    known.Set("enum", std::move(*names));
    reference.Set("pattern", Value::String(kReference));
    either.list().push_back(std::move(known));
    either.list().push_back(std::move(reference));
    std::erase_if(s.mutable_map(), [](auto& e) { return e.first == "enum"; });
    s.Set("anyOf", std::move(either));
  } else if (Value* either = s.Find("anyOf")) {
    for (auto& one : either->list()) AcceptAsWritten(one);
  }
  if (Value* items = s.Find("items")) AcceptAsWritten(*items);
  if (Value* more = s.Find("additionalProperties"); more && more->is_map()) AcceptAsWritten(*more);
  for (auto* key : {"properties", "patternProperties"}) {
    Value* properties = s.Find(key);
    if (!properties) continue;
    for (auto& p : properties->mutable_map()) AcceptAsWritten(p.second);
  }
}

std::string MarkdownTable(const Type& type, const std::function<Value(const Value&)>& read) {
  std::string out = "| key | type | default | meaning |\n|---|---|---|---|\n";
  if (const StructType* s = type.AsStruct()) TableRows(out, *s, read(Value::MakeMap()), read, "");
  return out;
}

Value JsonSchema(const Type& type, const Value& defaults, std::string_view title) {
  Value s = type.Schema();
  AddDefaults(s, defaults);
  AcceptAsWritten(s);
  s.Set("$schema", Value::String("https://json-schema.org/draft/2020-12/schema"));
  s.Set("title", Value::String(title));
  return s;
}

}  // namespace naru::conf
