// The pprof extension: pages that Go's pprof reads, and a CPU profile of the whole run in a file.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "base/cpu_profiler.h"
#include "conf/schema.h"
#include "extensions/pprof/pages.h"
#include "net/http_server.h"
#include "pipeline/component.h"

namespace naru::extensions::pprof {

struct Dialer {
  Duration timeout{0};
  static void Describe(conf::Struct<Dialer>& s) {
    s.Field("timeout", &Dialer::timeout, "accepted; a server dials nobody");
  }
};

struct Config {
  std::string endpoint = "localhost:1777";
  Dialer dialer;
  int64_t block_profile_fraction = 0, mutex_profile_fraction = 0;
  std::string save_to_file;
  static void Describe(conf::Struct<Config>& s);
  void Validate(conf::Issues& issues) const;
};

/// One at a time in a process, for there is one heap and one profiling timer. While it runs the heap is sampled.
class Pprof final : public pipeline::Extension {
 public:
  Pprof(const Config& config, pipeline::ExtensionContext context) : config_(config), context_(std::move(context)) {}
  ~Pprof() override { Release(); }
  Status Start(pipeline::Host& host) override;
  void Shutdown(MonoTime deadline, std::function<void()> done) override;
  /// Where it listens; the empty address when it does not.
  net::Address address() const { return listener_ ? listener_->local() : net::Address(); }

 private:
  struct CloseFile {
    void operator()(FILE* f) const { std::fclose(f); }
  };
  Status BeginFile();
  void WriteFile();
  void Release();

  Config config_;
  pipeline::ExtensionContext context_;
  pipeline::Host* host_ = nullptr;
  bool claimed_ = false;  // this is the one that runs
  Pages pages_;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<net::Listener> listener_;
  std::unique_ptr<FILE, CloseFile> file_;
  std::unique_ptr<CpuProfiler> whole_run_;  // save_to_file
  uint64_t began_unix_nano_ = 0;
  MonoTime began_{};
};

}  // namespace naru::extensions::pprof
