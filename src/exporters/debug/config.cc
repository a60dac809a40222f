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
  std::string lower = verbosity;
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  if (lower != "basic" && lower != "normal" && lower != "detailed")
    issues.Add("verbosity",
               fmt::format("verbosity level \"{}\" is not supported (basic, normal, detailed)", verbosity));
  if (output_paths && use_internal_logger) {
    issues.Add("output_paths", "needs use_internal_logger: false");
  } else if (output_paths && output_paths->empty()) {
    issues.Add("output_paths", "must name a file, stdout or stderr");
  }
}

Config::Verbosity Config::Level() const {
  if (loglevel == "debug") return Verbosity::kDetailed;
  if (loglevel == "info") return Verbosity::kNormal;
  char c = static_cast<char>(verbosity[0] | 0x20);
  return c == 'd' ? Verbosity::kDetailed : c == 'n' ? Verbosity::kNormal : Verbosity::kBasic;
}

}  // namespace naru::exporters::debug
