// Configuration of the file exporter.
#pragma once

#include "conf/schema.h"

namespace naru::exporters::file {

struct Rotation {
  int64_t max_megabytes = 100;
  int64_t max_days = 0;
  int64_t max_backups = 100;
  bool localtime = false;
  static void Describe(conf::Struct<Rotation>& s);
};

struct GroupBy {
  bool enabled = false;
  std::string resource_attribute = "fileexporter.path_segment";
  int64_t max_open_files = 100;
  static void Describe(conf::Struct<GroupBy>& s);
};

struct CompressionParams {
  int64_t level = 0;
  static void Describe(conf::Struct<CompressionParams>& s);
};

struct Config {
  std::string path;
  conf::Optional<Rotation> rotation = conf::Optional<Rotation>::Default({});
  std::string format = "json";
  std::string compression;
  CompressionParams compression_params;
  std::string encoding;
  bool append = false;
  Duration flush_interval = std::chrono::seconds(1);
  bool create_directory = false;
  std::string directory_permissions = "0755";
  GroupBy group_by;
  static void Describe(conf::Struct<Config>& s);
  void Validate(conf::Issues& issues) const;
};

}  // namespace naru::exporters::file
