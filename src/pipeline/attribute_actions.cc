#include "pipeline/attribute_actions.h"

#include "otlp/build.h"
#include "otlp/pattern.h"

namespace naru::pipeline {
namespace {

std::string Lower(std::string s) {
  for (char& c : s) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return s;
}

}  // namespace

void ActionConfig::Describe(conf::Struct<ActionConfig>& s) {
  using C = ActionConfig;
  s.Field("key", &C::key, "attribute to act on");
  s.Field("value", &C::value, "value to set");
  s.Field("from_attribute", &C::from_attribute, "take the value of this attribute");
  s.Field("from_context", &C::from_context,
          "take the value from the request: `metadata.<key>`, `auth.<key>`, `client.address`");
  s.Field("default_value", &C::default_value, "value when the source has none");
  s.Field("converted_type", &C::converted_type, "`int`, `double` or `string` (convert)");
  s.Field("pattern", &C::pattern, "regular expression (delete, hash: keys; extract: the value)");
  s.Field("action", &C::action, "`insert`, `update`, `upsert`, `delete`, `hash`, `extract` or `convert`");
}

void ValidateActions(const std::vector<ActionConfig>& actions, std::string_view path, conf::Issues& issues) {
  for (size_t i = 0; i < actions.size(); ++i) {
    const ActionConfig& a = actions[i];
    auto add = [&](std::string what) { issues.Add(path, std::move(what)); };
    std::string action = Lower(a.action);
    bool keys = action == "delete" || action == "hash";
    if (keys ? a.key.empty() && a.pattern.empty() : a.key.empty()) {
      add(keys ? fmt::format("error creating AttrProc due to missing required field (at least one of \"key\" and "
                             "\"pattern\" have to be used) at the {}-th action",
                             i)
               : fmt::format("error creating AttrProc due to missing required field \"key\" at the {}-th action", i));
      continue;
    }
    std::string head = fmt::format("error with key \"{}\" ({}-th action): error creating AttrProc", a.key, i);
    bool value = a.value && !a.value->is_null(), fallback = a.default_value && !a.default_value->is_null();
    int sources = (value ? 1 : 0) + (a.from_attribute.empty() ? 0 : 1) + (a.from_context.empty() ? 0 : 1);
    auto no_pattern = [&] {
      if (!a.pattern.empty())
        add(fmt::format("{}. Action \"{}\" does not use the \"pattern\" field. This must not be specified", head,
                        action));
    };
    auto no_type = [&] {
      if (!a.converted_type.empty())
        add(fmt::format("{}. Action \"{}\" does not use the \"converted_type\" field. This must not be specified", head,
                        action));
    };
    auto compiles = [&] {
      if (a.pattern.empty()) return true;
      if (otlp::Pattern::Compile(a.pattern)) return true;
      add(fmt::format("{}. Field \"pattern\" has invalid pattern: \"{}\"", head, a.pattern));
      return false;
    };
    if (action == "insert" || action == "update" || action == "upsert") {
      if (sources == 0 && !fallback) {
        add(fmt::format(
            "{}. Either field \"value\", \"from_attribute\", \"from_context\", or \"default_value\" must be specified",
            head));
      }
      if (sources > 1) add(fmt::format("{} due to multiple value sources being set", head));
      no_pattern();
      no_type();
    } else if (keys) {
      if (value || !a.from_attribute.empty()) {
        add(fmt::format(
            "{}. Action \"{}\" does not use \"value\" or \"from_attribute\" field. These must not be specified", head,
            action));
      }
      compiles();
      no_type();
    } else if (action == "extract") {
      if (sources > 0)
        add(fmt::format("{}. Action \"{}\" does not use a value source field. These must not be specified", head,
                        action));
      no_type();
      if (a.pattern.empty()) {
        add(fmt::format("{} due to missing required field \"pattern\" for action \"{}\"", head, action));
      } else if (compiles()) {
        auto p = otlp::Pattern::Compile(a.pattern);
        if (p->group_names().empty()) add(fmt::format("{}. Field \"pattern\" contains no named matcher groups", head));
        for (auto& n : p->group_names()) {
          if (!n.empty()) continue;
          add(fmt::format("{}. Field \"pattern\" contains at least one unnamed matcher group", head));
          break;
        }
      }
    } else if (action == "convert") {
      if (sources > 0 || !a.pattern.empty()) {
        add(fmt::format(
            "{}. Action \"{}\" does not use value sources or \"pattern\" field. These must not be specified", head,
            action));
      }
      if (a.converted_type.empty()) {
        add(fmt::format("{} due to missing required field \"converted_type\" for action \"{}\"", head, action));
      } else if (a.converted_type != "int" && a.converted_type != "double" && a.converted_type != "string") {
        add(fmt::format("{} due to invalid value \"{}\" in field \"converted_type\" for action \"{}\"", head,
                        a.converted_type, action));
      }
    } else {
      add(fmt::format("{} due to unsupported action \"{}\"", head, a.action));
    }
  }
}

namespace {

void EncodeInto(std::string& out, const conf::Value& v) {
  switch (v.kind()) {
    case conf::Value::Kind::kNull:
      return;
    case conf::Value::Kind::kBool:
      out = otlp::EncodeValue(otlp::Value(v.bool_value()));
      return;
    case conf::Value::Kind::kInt:
      out = otlp::EncodeValue(otlp::Value(v.int_value()));
      return;
    case conf::Value::Kind::kDouble:
      out = otlp::EncodeValue(otlp::Value(v.double_value()));
      return;
    case conf::Value::Kind::kString:
      out = otlp::EncodeValue(otlp::Value(v.string_value()));
      return;
    case conf::Value::Kind::kList: {
      std::vector<std::string> encoded;
      for (auto& item : v.list()) encoded.push_back(EncodeConfigValue(item));
      std::vector<otlp::Value> values;
      for (auto& e : encoded) values.push_back(otlp::Value::Encoded(e));
      out = otlp::EncodeArray(values);
      return;
    }
    case conf::Value::Kind::kMap: {
      std::vector<std::string> encoded;
      for (auto& e : v.map()) encoded.push_back(EncodeConfigValue(e.second));
      std::vector<otlp::Attr> entries;
      for (size_t i = 0; i < encoded.size(); ++i)
        entries.push_back({v.map()[i].first, otlp::Value::Encoded(encoded[i])});
      out = otlp::EncodeKvlist(entries);
      return;
    }
  }
}

}  // namespace

std::string EncodeConfigValue(const conf::Value& value) {
  std::string out;
  EncodeInto(out, value);
  return out;
}

std::vector<otlp::Action> CompileActions(const std::vector<ActionConfig>& actions) {
  std::vector<otlp::Action> out;
  using Kind = otlp::Action::Kind;
  static const std::pair<const char*, Kind> kKinds[] = {
      {"insert", Kind::kInsert}, {"update", Kind::kUpdate},   {"upsert", Kind::kUpsert},  {"delete", Kind::kDelete},
      {"hash", Kind::kHash},     {"extract", Kind::kExtract}, {"convert", Kind::kConvert}};
  for (auto& c : actions) {
    otlp::Action a;
    for (auto& [name, kind] : kKinds) {
      if (Lower(c.action) == name) a.kind = kind;
    }
    a.key = c.key;
    if (c.value && !c.value->is_null()) a.value = EncodeConfigValue(*c.value);
    a.from_attribute = c.from_attribute;
    a.from_context = c.from_context;
    if (c.default_value && !c.default_value->is_null()) a.default_value = EncodeConfigValue(*c.default_value);
    a.pattern = c.pattern;
    if (c.converted_type == "int") a.convert_to = otlp::Action::Type::kInt;
    if (c.converted_type == "double") a.convert_to = otlp::Action::Type::kDouble;
    if (c.converted_type == "string") a.convert_to = otlp::Action::Type::kString;
    out.push_back(std::move(a));
  }
  return out;
}

bool LookupContext(const ClientInfo* client, std::string_view key, std::string* value) {
  if (!client) return false;
  if (key == "client.address") {
    // The host without its port, as the reference gives it.
    std::string_view a = client->address;
    size_t colon = a.rfind(':');
    if (!a.empty() && a[0] == '[') {
      *value = a.substr(1, a.find(']') - 1);
    } else {
      *value = a.substr(0, colon);
    }
    return true;
  }
  if (key.substr(0, 5) == "auth.") {
    auto it = client->auth.find(key.substr(5));
    if (it == client->auth.end()) return false;
    *value = it->second;
    return true;
  }
  if (key.substr(0, 9) == "metadata.") key.remove_prefix(9);
  std::string lower = Lower(std::string(key));
  auto it = client->metadata.find(lower);
  if (it == client->metadata.end() || it->second.empty()) return false;
  value->clear();
  for (auto& v : it->second) *value += (value->empty() ? "" : ";") + v;
  return true;
}

}  // namespace naru::pipeline
