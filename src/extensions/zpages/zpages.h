// The zpages extension: live pages about this process, for people.
#pragma once

#include <memory>
#include <string>

#include "extensions/zpages/trace_store.h"
#include "pipeline/component.h"
#include "pipeline/config/page_server.h"

namespace naru::extensions::zpages {

struct Expvar {
  bool enabled = false;
  static void Describe(conf::Struct<Expvar>& s) {
    s.Field("enabled", &Expvar::enabled, "serve `/debug/expvarz`: command line and memory as JSON");
  }
};

struct Config {
  pipeline::HttpServerConfig server;
  Expvar expvar;
  Config() { server.endpoint = "localhost:55679"; }
  static void Describe(conf::Struct<Config>& s) {
    s.Squash(&Config::server);
    s.Field("expvar", &Config::expvar, "the page of variables");
  }
};

/// Pages are made on the loop of the connection, from snapshots that any thread may take.
class ZPages final : public pipeline::Extension {
 public:
  ZPages(const Config& config, pipeline::ExtensionContext context);
  Status Start(pipeline::Host& host) override;
  void Shutdown(MonoTime deadline, std::function<void()> done) override;

 private:
  pipeline::PageAnswer Answer(const net::RequestHead& head, Clock& clock) const;

  Config config_;
  pipeline::ExtensionContext context_;
  std::shared_ptr<TraceStore> traces_ = std::make_shared<TraceStore>();
  std::shared_ptr<void> listening_;  // to own spans
  pipeline::PageServer server_;
};

}  // namespace naru::extensions::zpages
