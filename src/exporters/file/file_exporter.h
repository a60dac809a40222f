// The file exporter. All signals with one configuration share one writer a path, so that their lines do not mix.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>

#include "exporters/file/output_file.h"
#include "pipeline/component.h"
#include "pipeline/metrics.h"

namespace naru::exporters::file {

/// The open files of one exporter id; shared by its instances (one a signal). Thread-safe.
class FileWriter {
 public:
  FileWriter(const Config& config, Clock& clock) : config_(config), clock_(clock) {}
  /// Opens the one file, so that a start with a wrong path fails.
  Status Open();
  /// Writes one framed request, to the file of `group` with group_by.
  Status Write(std::string_view bytes, const std::string& group);
  Status Flush();
  const Config& config() const { return config_; }

 private:
  Result<OutputFile*> Find(const std::string& group);
  const Config config_;
  Clock& clock_;
  std::mutex mutex_;
  struct Entry {
    std::string group;
    std::unique_ptr<OutputFile> file;
  };
  std::list<Entry> open_;  // most recently written first
};

class FileExporter final : public pipeline::Exporter {
 public:
  FileExporter(const Config& config, pipeline::ExporterContext context);
  ~FileExporter() override;
  Status Start(pipeline::Host& host) override;
  void Shutdown(MonoTime deadline, std::function<void()> done) override;
  void Consume(pipeline::Batch&& batch) override;

 private:
  Status WriteGroup(const std::vector<Slice>& parts, const std::string& group);
  void Tick(pipeline::Host& host);
  pipeline::ExporterContext context_;
  std::string encoding_;
  bool native_compression_ = false;
  std::shared_ptr<FileWriter> writer_;
  pipeline::Sum* in_flight_;
  pipeline::Counter sent_, malformed_, dropped_, refused_;
  net::Timer flush_;
};

}  // namespace naru::exporters::file
