// A configuration that has been read and checked: what the graph is built from. Making a Plan touches nothing outside;
// a Plan exists only when the whole configuration is right.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collector/telemetry_config.h"
#include "conf/schema.h"
#include "conf/value.h"
#include "pipeline/factory.h"

namespace naru::collector {

using Factories = std::vector<std::unique_ptr<pipeline::Factory>>;

struct ComponentPlan {
  std::string id;  // as the user wrote it: "otlp/2"
  const pipeline::Factory* factory = nullptr;
  std::shared_ptr<const pipeline::AnyConfig> config;
  /// Canonical text of what the user wrote for it: equal texts mean an unchanged component at a reload.
  std::string text;
};

struct PipelinePlan {
  std::string id;  // "traces/1"
  pipeline::Signal signal{};
  std::vector<std::string> receivers, processors, exporters;
};

using ComponentPlans = std::map<std::string, ComponentPlan, std::less<>>;

struct Plan {
  ComponentPlans receivers, processors, exporters, connectors, extensions;
  std::vector<std::string> service_extensions;  // in the order of service::extensions
  std::vector<PipelinePlan> pipelines;          // in order of id
  TelemetryConfig telemetry;
  std::string telemetry_text;  // canonical text of its section, as ComponentPlan::text
  /// One line for each old component name or deprecated key that was used, with the modern form.
  std::vector<std::string> notices;
};

/// What feature gates allow.
struct PlanOptions {
  bool profiles = false;      // service.profilesSupport
  bool no_pipelines = false;  // service.AllowNoPipelines
};

/// Checks a resolved document against the factories. On failure `issues` has every error, and the Plan is not to be
/// used.
Plan MakePlan(const conf::Value& document, const Factories& factories, conf::Issues& issues,
              const PlanOptions& options = {});

/// The effective configuration with all defaults; secrets hidden unless asked for.
conf::Value DumpPlan(const Plan& plan, bool secrets);

}  // namespace naru::collector
