#include "extensions/pprof/pprof.h"

#include <atomic>
#include <cerrno>
#include <cstring>

#include "extensions/pprof/sources.h"
#include "pipeline/config/listener.h"

namespace naru::extensions::pprof {
namespace {

std::atomic<bool> g_running{false};

net::HttpServerOptions ServerOptions() {
  net::HttpServerOptions o;
  o.http2 = false;
  o.read_header_timeout = o.read_timeout = std::chrono::minutes(1);
  o.idle_timeout = std::chrono::minutes(2);
  o.write_timeout = std::chrono::minutes(1);
  o.half_closed_is_gone = true;  // ends a profile that nobody waits for
  o.max_connections = 64;
  return o;
}

}  // namespace

void Config::Describe(conf::Struct<Config>& s) {
  s.Field("endpoint", &Config::endpoint, "address to listen on");
  s.Field("dialer", &Config::dialer, "how to dial");
  s.Field("block_profile_fraction", &Config::block_profile_fraction, "accepted; tunes Go's runtime");
  s.Field("mutex_profile_fraction", &Config::mutex_profile_fraction, "accepted; tunes Go's runtime");
  s.Field("save_to_file", &Config::save_to_file,
          "file for a CPU profile of the whole run, written at the end of it; the page `profile` is refused meanwhile");
}

void Config::Validate(conf::Issues& issues) const {
  if (endpoint.empty()) {
    issues.Add("endpoint", "\"endpoint\" is required when using the \"pprof\" extension");
  } else if (auto a = pipeline::ListenAddress(endpoint, "tcp"); !a) {
    issues.Add("endpoint", a.error().message);
  }
}

Status Pprof::Start(pipeline::Host& host) {
  host_ = &host;
  if (g_running.exchange(true)) {
    return Fail(Code::kFailedPrecondition, "only a single pprof extension instance can be running per process");
  }
  claimed_ = true;
  server_ = std::make_unique<net::HttpServer>(host.loops(), ServerOptions(), pages_, host.gate().budget());
  auto listener = pipeline::Listen(
      host, context_.log, {config_.endpoint, "tcp", {}}, {"http/1.1"},
      [this](net::Loop& loop, std::unique_ptr<net::Stream> s) { server_->Accept(loop, std::move(s)); });
  if (!listener) return tl::unexpected(listener.error());
  listener_ = std::move(*listener);
  if (!HeapProfile::Process().Enable()) context_.log.Warn("no memory to sample the heap: its profile stays empty");
  if (auto s = BeginFile(); !s) {
    listener_.reset();  // before it accepts anything
    return s;
  }
  context_.log.Info("Starting net/http/pprof server", {{"endpoint", listener_->local().ToString()}});
  return {};
}

Status Pprof::BeginFile() {
  if (config_.save_to_file.empty()) return {};
  // Made now, so that a start with a wrong path fails.
  file_.reset(std::fopen(config_.save_to_file.c_str(), "wbe"));
  if (!file_) return Fail(Code::kFailedPrecondition, "open {}: {}", config_.save_to_file, std::strerror(errno));
  auto profiler = CpuProfiler::Start();
  if (!profiler) return Unexpected(profiler.error());
  whole_run_ = std::move(*profiler);
  began_ = host_->control_loop().Now();
  began_unix_nano_ = host_->control_loop().clock().UnixNano();
  return {};
}

void Pprof::WriteFile() {
  if (!whole_run_) return;
  Duration took = host_->control_loop().Now() - began_;
  auto bytes = Encode(CpuProfileOf(whole_run_->Stop(), began_unix_nano_, took), AddressSpace(Files::System()));
  whole_run_.reset();
  bool ok = bytes && std::fwrite(bytes->data(), 1, bytes->size(), file_.get()) == bytes->size() &&
            std::fclose(file_.release()) == 0;
  if (!ok) context_.log.Error("cannot write the CPU profile", {{"path", config_.save_to_file}});
}

void Pprof::Release() {
  if (!claimed_) return;
  claimed_ = false;
  whole_run_.reset();
  HeapProfile::Process().Disable();
  g_running = false;
}

void Pprof::Shutdown(MonoTime deadline, std::function<void()> done) {
  listener_.reset();
  WriteFile();
  Release();
  if (!server_) return done();
  // Nobody waits here for a profile of half a minute.
  MonoTime soon = host_->control_loop().Now() + std::chrono::milliseconds(500);
  server_->Shutdown(std::min(deadline, soon), std::move(done));
}

}  // namespace naru::extensions::pprof
