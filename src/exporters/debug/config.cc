#include "exporters/debug/config.h"

namespace naru::exporters::debug {

void Config::Describe(conf::Struct<Config>& s) {
  s.Field("verbosity", &Config::verbosity,
          "`basic` (one line a batch), `normal` (one line a record), `detailed` (everything)");
  s.Field("loglevel", &Config::loglevel, "old form of verbosity: `debug` is detailed, `info` normal, others basic");
  s.Field("sampling_initial", &Config::sampling_initial, "batches printed each second before sampling begins");
  s.Field("sampling_thereafter", &Config::sampling_thereafter, "then one batch of so many is printed");
  s.Field("use_internal_logger", &Config::use_internal_logger,
          "print through naru's own log; else bare text to output_paths");
  s.Field("output_paths", &Config::output_paths,
          "files, `stdout` or `stderr` (without the internal logger); standard output by default");
  s.Field("sending_queue", &Config::queue, "queue before printing; off by default");
}

void Config::Validate(conf::Issues& issues) const {
  static const std::vector<std::string> kValid = {"basic", "normal", "detailed", "Basic", "Normal", "Detailed"};
  bool ok = false;
  for (auto& v : kValid) ok = ok || v == verbosity;
  if (!ok)
    issues.Add("verbosity",
               fmt::format("verbosity level \"{}\" is not supported (basic, normal, detailed)", verbosity));
  if (use_internal_logger && !output_paths.empty() && output_paths != std::vector<std::string>{"stdout"}) {
    issues.Add("output_paths", "output_paths requires use_internal_logger to be false");
  }
}

Config::Verbosity Config::Level() const {
  if (loglevel == "debug") return Verbosity::kDetailed;
  if (loglevel == "info") return Verbosity::kNormal;
  char c = static_cast<char>(verbosity[0] | 0x20);
  return c == 'd' ? Verbosity::kDetailed : c == 'n' ? Verbosity::kNormal : Verbosity::kBasic;
}

}  // namespace naru::exporters::debug
