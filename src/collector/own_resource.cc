#include "collector/own_resource.h"

#include <map>

#include <fmt/core.h>

#include "base/clock.h"
#include "base/host_facts.h"
#include "collector/metric_views.h"

namespace naru::collector {

namespace {

using Attributes = std::map<std::string, std::string>;

std::string Joined(const std::vector<std::string>& list) {
  conf::Value v = conf::Value::MakeList();
  for (auto& s : list) v.list().push_back(conf::Value::String(s));
  return conf::ToJson(v);
}

Attributes Detect(std::string_view detector, const HostFacts& facts) {
  Attributes out;
  auto set = [&](const char* key, const std::string& value) {
    if (!value.empty()) out[key] = value;
  };
  if (detector == "host") {
    set("host.name", facts.host_name);
    set("host.id", facts.machine_id);
    set("host.arch", facts.arch);
    set("os.type", facts.os_type);
  } else if (detector == "process") {
    set("process.pid", std::to_string(facts.pid));
    set("process.executable.path", facts.executable_path);
    set("process.executable.name", facts.executable_path.substr(facts.executable_path.rfind('/') + 1));
    set("process.command_args", Joined(facts.arguments));
    set("process.owner", facts.owner);
  } else if (detector == "container") {
    set("container.id", facts.container_id);
  }
  return out;  // what `service` detects is there anyway
}

std::vector<std::string> Texts(const conf::Value* list) {
  std::vector<std::string> out;
  if (!list || !list->is_list()) return out;
  for (auto& v : list->list()) {
    if (auto text = v.ScalarText()) out.push_back(*text);
  }
  return out;
}

void Detection(const conf::Value& section, Attributes& into) {
  const conf::Value* detectors = section.Find("detectors");
  if (!detectors || !detectors->is_list()) return;
  IncludeExclude wanted;
  if (const conf::Value* a = section.Find("attributes")) {
    wanted.included = Texts(a->Find("included"));
    wanted.excluded = Texts(a->Find("excluded"));
  }
  HostFacts facts = ReadHostFacts();
  for (auto& d : detectors->list()) {
    if (!d.is_map()) continue;
    for (auto& [name, options] : d.map()) {
      for (auto& [k, v] : Detect(name, facts)) {
        if (wanted.Has(k)) into[k] = v;
      }
    }
  }
}

// `a=b,c=d`
void FromList(std::string_view list, Attributes& into) {
  while (!list.empty()) {
    std::string_view one = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), one.size() + 1));
    size_t eq = one.find('=');
    if (eq != std::string_view::npos) into[std::string(one.substr(0, eq))] = one.substr(eq + 1);
  }
}

}  // namespace

Identity MakeIdentity(std::string command, std::string version) {
  uint64_t a = Random::System().Next(), b = Random::System().Next();
  return {std::move(command), std::move(version),
          fmt::format("{:08x}-{:04x}-4{:03x}-{:x}{:03x}-{:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xfff,
                      8 + ((b >> 62) & 3), (b >> 48) & 0xfff, b & 0xffffffffffff)};
}

pipeline::Attributes OwnResource(const std::optional<conf::Value>& section, const Identity& identity) {
  Attributes m;
  if (section && section->is_map()) {
    if (const conf::Value* d = section->Find("detection/development"); d && d->is_map()) Detection(*d, m);
  }
  m["service.name"] = identity.command;
  m["service.version"] = identity.version;
  m["service.instance.id"] = identity.instance_id;
  if (section && section->is_map()) {
    if (const conf::Value* list = section->Find("attributes_list"); list && list->AsText())
      FromList(*list->AsText(), m);
    for (auto& [k, v] : section->map()) {
      if (k == "attributes_list" || k == "schema_url" || k == "detectors" || k == "detection/development") continue;
      if (k == "attributes" && v.is_list()) {
        for (auto& item : v.list()) {
          const conf::Value *name = item.Find("name"), *value = item.Find("value");
          if (name && name->AsText() && value) m[*name->AsText()] = value->ScalarText().value_or("");
        }
      } else if (v.is_null()) {
        m.erase(k);
      } else if (auto text = v.ScalarText()) {
        m[k] = *text;
      }
    }
  }
  return pipeline::Attributes(m.begin(), m.end());
}

}  // namespace naru::collector
