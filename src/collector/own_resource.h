// The resource of naru's own telemetry.
#pragma once

#include <optional>
#include <string>

#include "conf/value.h"
#include "pipeline/metrics.h"

namespace naru::collector {

struct Identity {
  std::string command, version;
  std::string instance_id;  // a random UUID, the same as long as the process runs
};

/// Makes a new instance id.
Identity MakeIdentity(std::string command, std::string version);

/// service.name, service.version and service.instance.id, unless `section` (service::telemetry::resource) says
/// otherwise: the legacy inline map, where null removes, or the declarative form with `attributes`, `attributes_list`
/// and `detection/development`. Sorted by key.
pipeline::Attributes OwnResource(const std::optional<conf::Value>& section, const Identity& identity);

}  // namespace naru::collector
