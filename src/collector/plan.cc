#include "collector/plan.h"

#include <algorithm>
#include <functional>
#include <set>

#include <fmt/core.h>

#include "conf/component_id.h"

namespace naru::collector {

using pipeline::Factory;
using pipeline::Kind;

namespace {

const Factory* FindFactory(const Factories& factories, Kind kind, std::string_view type, bool& old) {
  for (auto& f : factories) {
    if (f->kind != kind) continue;
    if (f->type == type) {
      old = false;
      return f.get();
    }
    if (std::find(f->old_names.begin(), f->old_names.end(), type) != f->old_names.end()) {
      old = true;
      return f.get();
    }
  }
  return nullptr;
}

std::vector<std::string> TypesOf(const Factories& factories, Kind kind) {
  std::vector<std::string> out;
  for (auto& f : factories) {
    if (f->kind != kind) continue;
    out.emplace_back(f->type);
    for (auto n : f->old_names) out.emplace_back(n);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string Join(const std::vector<std::string>& v) {
  std::string out;
  for (auto& s : v) out += (out.empty() ? "" : ", ") + s;
  return out;
}

class Planner {
 public:
  Planner(const Factories& factories, conf::Issues& issues, Plan& plan, const PlanOptions& options)
      : factories_(factories), issues_(issues), plan_(plan), options_(options) {}

  void Run(const conf::Value& doc) {
    if (doc.is_null()) {
      issues_.Add(doc, "", "the configuration is empty: at least `receivers`, `exporters` and `service` are needed");
      return;
    }
    if (!doc.is_map()) {
      issues_.Add(doc, "", "the configuration must be a map of sections");
      return;
    }
    static const std::vector<std::string> kSections = {"receivers",  "processors", "exporters",
                                                       "connectors", "extensions", "service"};
    for (auto& [key, value] : doc.map()) {
      if (std::find(kSections.begin(), kSections.end(), key) == kSections.end()) {
        issues_.Add(
            value, key,
            fmt::format("unknown section{}; the sections are {}", conf::DidYouMean(key, kSections), Join(kSections)));
      }
    }
    Section(doc, Kind::kReceiver, plan_.receivers);
    Section(doc, Kind::kProcessor, plan_.processors);
    Section(doc, Kind::kExporter, plan_.exporters);
    Section(doc, Kind::kConnector, plan_.connectors);
    Section(doc, Kind::kExtension, plan_.extensions);
    Service(doc);
  }

 private:
  void Section(const conf::Value& doc, Kind kind, ComponentPlans& out) {
    std::string section(pipeline::KindSection(kind));
    const conf::Value* map = doc.Find(section);
    if (!map || map->is_null()) return;
    if (!map->is_map()) {
      issues_.Add(*map, section, "must be a map of component ids");
      return;
    }
    for (auto& [id, value] : map->map()) {
      std::string path = section + "::" + id;
      auto parsed = conf::ComponentId::Parse(id);
      if (!parsed) {
        issues_.Add(value, path, parsed.error().message);
        continue;
      }
      bool old = false;
      const Factory* f = FindFactory(factories_, kind, parsed->type, old);
      if (!f) {
        auto valid = TypesOf(factories_, kind);
        issues_.Add(value, path,
                    fmt::format("unknown type: \"{}\"{} (valid values: [{}])", parsed->type,
                                conf::DidYouMean(parsed->type, valid), Join(valid)));
        continue;
      }
      if (old) {
        plan_.notices.push_back(
            fmt::format("{}: \"{}\" alias is deprecated; use \"{}\" instead", path, parsed->type, f->type));
      }
      auto config = f->NewConfig();
      {
        auto in = issues_.In(path);
        config->Decode(value, issues_);
      }
      ComponentPlan& c = out[id];
      c.id = id;
      c.factory = f;
      c.text = conf::ToJson(value);
      c.config = std::move(config);
    }
  }

  std::vector<std::string> Ids(const conf::Value* list, const std::string& path) {
    std::vector<std::string> out;
    if (!list || list->is_null()) return out;
    if (!list->is_list()) {
      issues_.Add(*list, path, "must be a list of component ids");
      return out;
    }
    for (auto& item : list->list()) {
      auto text = item.AsText();
      if (!text) {
        issues_.Add(item, path, "must be a list of component ids");
        continue;
      }
      out.emplace_back(*text);
    }
    return out;
  }

  void Reference(const conf::Value& at, const std::string& path, std::string_view kind, const std::string& id,
                 std::initializer_list<const ComponentPlans*> in) {
    std::vector<std::string> known;
    for (auto* plans : in) {
      if (plans->count(id)) return;
      for (auto& [k, v] : *plans) known.push_back(k);
    }
    issues_.Add(at, path,
                fmt::format("references {} \"{}\" which is not configured{}", kind, id, conf::DidYouMean(id, known)));
  }

  void Service(const conf::Value& doc) {
    const conf::Value* service = doc.Find("service");
    if (!service || !service->is_map()) {
      issues_.Add(service ? *service : doc, "service", "service must have at least one pipeline");
      return;
    }
    static const std::vector<std::string> kKeys = {"extensions", "pipelines", "telemetry"};
    for (auto& [key, value] : service->map()) {
      if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
        issues_.Add(value, "service::" + key, "unknown key" + conf::DidYouMean(key, kKeys));
      }
    }
    if (const conf::Value* t = service->Find("telemetry"); t && !t->is_null()) {
      auto in = issues_.In("service::telemetry");
      plan_.telemetry_text = conf::ToJson(*t);
      conf::Decode(*t, plan_.telemetry, issues_);
      if (const conf::Value* m = t->Find("metrics"); m && m->Find("address") && !m->Find("readers"))
        plan_.telemetry.metrics.readers.clear();  // the old form of a reader takes the place of the default one
      for (auto* level : {&plan_.telemetry.metrics.level, &plan_.telemetry.traces.level}) {
        for (char& c : *level) c = static_cast<char>(c | 0x20);
      }
    }
    const conf::Value* extensions = service->Find("extensions");
    plan_.service_extensions = Ids(extensions, "service::extensions");
    for (auto& id : plan_.service_extensions)
      Reference(*extensions, "service::extensions", "extension", id, {&plan_.extensions});
    Pipelines(*service);
  }

  void Pipelines(const conf::Value& service) {
    const conf::Value* pipelines = service.Find("pipelines");
    if (options_.no_pipelines && (!pipelines || pipelines->map().empty())) return;
    if (!pipelines || !pipelines->is_map() || pipelines->map().empty()) {
      issues_.Add(pipelines ? *pipelines : service, "service::pipelines", "service must have at least one pipeline");
      return;
    }
    for (auto& [id, value] : pipelines->map()) {
      std::string path = "service::pipelines::" + id;
      auto parsed = conf::ComponentId::Parse(id);
      auto signal = parsed ? otlp::SignalByName(parsed->type) : std::nullopt;
      if (!signal) {
        issues_.Add(
            value, path,
            fmt::format(
                "unknown signal \"{}\": a pipeline is named traces, metrics, logs or profiles, with /name behind it",
                id));
        continue;
      }
      if (*signal == pipeline::Signal::kProfiles && !options_.profiles) {
        issues_.Add(value, path,
                    "pipeline telemetry signal \"profiles\" is not supported: it is behind the feature gate "
                    "service.profilesSupport (--feature-gates=service.profilesSupport)");
        continue;
      }
      PipelinePlan p;
      p.id = id;
      p.signal = *signal;
      static const std::vector<std::string> kKeys = {"receivers", "processors", "exporters"};
      if (value.is_map()) {
        for (auto& [key, v] : value.map()) {
          if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
            issues_.Add(v, path + "::" + key, "unknown key" + conf::DidYouMean(key, kKeys));
          }
        }
      }
      auto at = [&value = value](std::string_view key) { return value.is_map() ? value.Find(key) : nullptr; };
      p.receivers = Ids(at("receivers"), path + "::receivers");
      p.processors = Ids(at("processors"), path + "::processors");
      p.exporters = Ids(at("exporters"), path + "::exporters");
      if (p.receivers.empty()) issues_.Add(value, path, "must have at least one receiver");
      if (p.exporters.empty()) issues_.Add(value, path, "must have at least one exporter");
      for (auto& r : p.receivers) {
        Reference(*at("receivers"), path, "receiver", r, {&plan_.receivers, &plan_.connectors});
        Takes(*at("receivers"), path, plan_.receivers, r, *signal);
      }
      std::set<std::string> seen;
      for (auto& r : p.processors) {
        Reference(*at("processors"), path, "processor", r, {&plan_.processors});
        Takes(*at("processors"), path, plan_.processors, r, *signal);
        if (!seen.insert(r).second)
          issues_.Add(*at("processors"), path, fmt::format("references processor \"{}\" multiple times", r));
      }
      for (auto& r : p.exporters) {
        Reference(*at("exporters"), path, "exporter", r, {&plan_.exporters, &plan_.connectors});
        Takes(*at("exporters"), path, plan_.exporters, r, *signal);
      }
      Unique(p.receivers);
      Unique(p.exporters);
      plan_.pipelines.push_back(std::move(p));
    }
    std::sort(plan_.pipelines.begin(), plan_.pipelines.end(), [](auto& a, auto& b) { return a.id < b.id; });
    Connectors(*pipelines);
  }

  static void Unique(std::vector<std::string>& ids) {
    std::vector<std::string> out;
    for (auto& id : ids) {
      if (std::find(out.begin(), out.end(), id) == out.end()) out.push_back(id);
    }
    ids = std::move(out);
  }

  void Takes(const conf::Value& at, const std::string& path, const ComponentPlans& in, const std::string& id,
             pipeline::Signal signal) {
    auto it = in.find(id);
    if (it == in.end() || !it->second.factory->stability.Of(signal).empty()) return;
    issues_.Add(at, path,
                fmt::format("{} \"{}\" does not take {}: telemetry type is not supported",
                            pipeline::KindName(it->second.factory->kind), id, otlp::Names(signal).name));
  }

  static bool Has(const std::vector<std::string>& v, const std::string& id) {
    return std::find(v.begin(), v.end(), id) != v.end();
  }

  void Connectors(const conf::Value& at) {
    for (auto& [id, c] : plan_.connectors) {
      std::vector<const PipelinePlan*> from, to;
      for (auto& p : plan_.pipelines) {
        if (Has(p.exporters, id)) from.push_back(&p);
        if (Has(p.receivers, id)) to.push_back(&p);
      }
      if (from.empty() && to.empty()) continue;  // configured and not used
      auto supported = [&c = c](const PipelinePlan* f, const PipelinePlan* t) {
        const auto& pairs = c.factory->stability.pairs;
        return std::find(pairs.begin(), pairs.end(), std::make_pair(f->signal, t->signal)) != pairs.end();
      };
      for (auto* f : from) {
        if (std::none_of(to.begin(), to.end(), [&](auto* t) { return supported(f, t); })) {
          issues_.Add(
              at, "service::pipelines::" + f->id,
              fmt::format(
                  "connector \"{}\" used as exporter in [{}] pipeline but not used in any supported receiver pipeline",
                  id, f->id));
        }
      }
      for (auto* t : to) {
        if (std::none_of(from.begin(), from.end(), [&](auto* f) { return supported(f, t); })) {
          issues_.Add(
              at, "service::pipelines::" + t->id,
              fmt::format(
                  "connector \"{}\" used as receiver in [{}] pipeline but not used in any supported exporter pipeline",
                  id, t->id));
        }
      }
    }
    // A cycle of pipelines through connectors would turn data round for ever.
    std::map<std::string, int> state;
    std::string through;
    std::function<bool(const PipelinePlan&)> cyclic = [&](const PipelinePlan& p) {
      int& s = state[p.id];
      if (s) return s == 1;
      s = 1;
      for (auto& e : p.exporters) {
        if (!plan_.connectors.count(e)) continue;
        for (auto& q : plan_.pipelines) {
          if (!Has(q.receivers, e) || !cyclic(q)) continue;
          through =
              fmt::format("connector \"{}\" ({} to {})", e, p.id, q.id) + (through.empty() ? "" : " -> ") + through;
          return true;
        }
      }
      state[p.id] = 2;
      return false;
    };
    for (auto& p : plan_.pipelines) {
      if (cyclic(p)) {
        issues_.Add(at, "service::pipelines::" + p.id, "cycle detected: " + through);
        return;
      }
    }
  }

  const Factories& factories_;
  conf::Issues& issues_;
  Plan& plan_;
  const PlanOptions& options_;
};

}  // namespace

Plan MakePlan(const conf::Value& document, const Factories& factories, conf::Issues& issues,
              const PlanOptions& options) {
  Plan plan;
  Planner(factories, issues, plan, options).Run(document);
  for (auto& w : issues.warnings()) plan.notices.push_back(w.ToString());
  return plan;
}

conf::Value DumpPlan(const Plan& plan, bool secrets) {
  using conf::Value;
  Value root = Value::MakeMap();
  auto section = [&](const char* name, const ComponentPlans& plans) {
    Value m = Value::MakeMap();
    for (auto& [id, c] : plans) m.Set(id, c.config->Dump(secrets));
    root.Set(name, std::move(m));
  };
  section("receivers", plan.receivers);
  section("processors", plan.processors);
  section("exporters", plan.exporters);
  section("connectors", plan.connectors);
  section("extensions", plan.extensions);
  auto list = [](const std::vector<std::string>& ids) {
    Value l = Value::MakeList();
    for (auto& id : ids) l.list().push_back(Value::String(id));
    return l;
  };
  Value pipelines = Value::MakeMap();
  for (auto& p : plan.pipelines) {
    Value m = Value::MakeMap();
    m.Set("receivers", list(p.receivers));
    m.Set("processors", list(p.processors));
    m.Set("exporters", list(p.exporters));
    pipelines.Set(p.id, std::move(m));
  }
  Value service = Value::MakeMap();
  service.Set("extensions", list(plan.service_extensions));
  service.Set("pipelines", std::move(pipelines));
  service.Set("telemetry", conf::Dump(plan.telemetry, secrets));
  root.Set("service", std::move(service));
  return root;
}

}  // namespace naru::collector
