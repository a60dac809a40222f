// The command line: `naru collector ...` and what the binary does under the reference's names.
#pragma once

#include <string>
#include <vector>

namespace naru::apps {

/// Runs the collector's command line (without the program's name and without `collector`). Returns the exit status: 0,
/// or 1 with the reason on standard error, as the reference.
int CollectorMain(const std::string& program, const std::vector<std::string>& args);

/// `naru send` and `naru sink`; without the command's own name.
int SendMain(const std::vector<std::string>& args);
int SinkMain(const std::vector<std::string>& args);

/// `naru` without arguments: the embedded configuration with the live print. `args` may set ports.
int DefaultMain(const std::vector<std::string>& args);

}  // namespace naru::apps
