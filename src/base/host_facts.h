// What this process can say of itself and of where it runs, for resource detection.
#pragma once

#include <string>
#include <vector>

namespace naru {

/// Fields that could not be found out are empty.
struct HostFacts {
  std::string host_name, machine_id, os_type, arch;
  std::string container_id;  // 64 hexadecimal digits
  int pid = 0;
  std::string executable_path, owner;
  std::vector<std::string> arguments;
};

/// Reads /proc and /etc; may block for a moment.
HostFacts ReadHostFacts();
/// The id of the container in the text of /proc/self/cgroup or /proc/self/mountinfo; empty when there is none.
std::string ContainerIdIn(std::string_view text);

}  // namespace naru
