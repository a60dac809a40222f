#include "exporters/file/config.h"

#include <cstdlib>

namespace naru::exporters::file {

void Rotation::Describe(conf::Struct<Rotation>& s) {
  s.Field("max_megabytes", &Rotation::max_megabytes, "size from which a file is put aside");
  s.Field("max_days", &Rotation::max_days, "days to keep files that were put aside; 0 for ever");
  s.Field("max_backups", &Rotation::max_backups, "how many of them to keep; 0 all");
  s.Field("localtime", &Rotation::localtime, "local time instead of UTC in their names");
}

void GroupBy::Describe(conf::Struct<GroupBy>& s) {
  s.Field("enabled", &GroupBy::enabled,
          "one file for each value of a resource attribute, which takes the place of `*` in the path");
  s.Field("resource_attribute", &GroupBy::resource_attribute, "that attribute");
  s.Field("max_open_files", &GroupBy::max_open_files,
          "files open at once; the one not written to for longest is closed");
}

void CompressionParams::Describe(conf::Struct<CompressionParams>& s) {
  s.Field("level", &CompressionParams::level, "level of zstd, 1 to 22; 0: 3");
}

void Config::Describe(conf::Struct<Config>& s) {
  s.Field("path", &Config::path, "the file");
  s.Field("rotation", &Config::rotation, "putting full files aside; off by default");
  s.Field("format", &Config::format,
          "`json` (one OTLP/JSON request a line) or `proto` (each behind its length, four bytes, big-endian)");
  s.Field("compression", &Config::compression, "`zstd`, or nothing");
  s.Field("compression_params", &Config::compression_params, "how much to compress");
  s.Field("encoding", &Config::encoding, "id of an encoding extension to use instead of format");
  s.Field("append", &Config::append, "write behind what the file has instead of emptying it");
  s.Field("flush_interval", &Config::flush_interval, "time after which what was written is on its way to the disk");
  s.Field("create_directory", &Config::create_directory, "make the folder of the path");
  s.Field("directory_permissions", &Config::directory_permissions, "permissions of folders that are made, octal");
  s.Field("group_by", &Config::group_by, "several files");
}

void Config::Validate(conf::Issues& issues) const {
  if (path.empty()) issues.Add("path", "path must be non-empty");
  if (append && rotation) issues.Add("append", "append and rotation enabled at the same time is not supported");
  if (format != "json" && format != "proto") issues.Add("format", "format type is not supported (json, proto)");
  if (!compression.empty() && compression != "zstd") issues.Add("compression", "compression is not supported (zstd)");
  if (compression_params.level < 0 || compression_params.level > 22)
    issues.Add("compression_params::level", "must be between 0 and 22");
  if (flush_interval < Duration(0)) issues.Add("flush_interval", "flush_interval must be larger than zero");
  if (!directory_permissions.empty()) {
    char* end = nullptr;
    std::strtol(directory_permissions.c_str(), &end, 8);
    if (*end) issues.Add("directory_permissions", "must be octal digits such as 0755");
  }
  if (group_by.enabled) {
    size_t star = path.find('*');
    if (star == std::string::npos || path.find('*', star + 1) != std::string::npos)
      issues.Add("path", "path must contain exactly one * when group_by is enabled");
    else if (star == 0)
      issues.Add("path", "path must not start with * when group_by is enabled");
    if (group_by.resource_attribute.empty())
      issues.Add("group_by::resource_attribute", "resource_attribute must not be empty");
  }
}

}  // namespace naru::exporters::file
