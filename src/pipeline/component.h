// What a component is: the interfaces that receivers, processors, exporters, connectors and extensions implement, and
// the host that runs them.
//
// Threads: Start, Shutdown and destruction happen on loop 0 (the control loop). Consume happens on any loop,
// concurrently; state that must not be shared is kept per loop, in an array by Loop::index() (see PerLoop).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/result.h"
#include "base/workers.h"
#include "net/loop.h"
#include "pipeline/batch.h"
#include "pipeline/gate.h"
#include "pipeline/ledger.h"
#include "pipeline/status.h"
#include "pipeline/tracer.h"

namespace naru::pipeline {

class Extension;
class Metrics;
struct ServiceView;

/// Where stored queues live.
struct Disk {
  Files* files = &Files::System();
  Workers* workers = &Workers::Disk();  // who may wait for it
  uint64_t segment_bytes = 0;           // of a queue's files, instead of what their storage says; 0: that
};

/// The world of a running collector, as components see it. Outlives them. Thread-safe unless said.
class Host {
 public:
  virtual ~Host() = default;
  virtual const std::vector<net::Loop*>& loops() const = 0;
  net::Loop& control_loop() const { return *loops()[0]; }
  /// Runs `fn` once on every loop, then `done` on the control loop.
  void ForEachLoop(std::function<void(net::Loop&)> fn, std::function<void()> done);
  virtual Gate& gate() = 0;
  virtual Ledger& ledger() = 0;
  /// Own metrics that are not item counts (histograms, gauges).
  virtual Metrics& metrics() = 0;
  /// The extension with this id ("basicauth/2"), started before every other component; null when it is not in
  /// service::extensions.
  virtual Extension* FindExtension(std::string_view id) = 0;
  /// Asks receivers to keep who sent each request (ClientInfo), whatever include_metadata says: for from_context. Any
  /// thread.
  void WantClientInfo() { client_info_.store(true, std::memory_order_relaxed); }
  bool client_info_wanted() const { return client_info_.load(std::memory_order_relaxed); }
  virtual Disk disk() { return {}; }
  /// "naru/0.1.0 (linux/amd64)": what exporters send as user agent.
  virtual const std::string& user_agent() const = 0;
  /// What runs now; never null in a collector.
  virtual std::shared_ptr<const ServiceView> View() const { return nullptr; }
  /// Own spans.
  Tracer& tracer() { return tracer_; }
  /// How components fare.
  StatusBoard& status() { return status_; }

 private:
  Tracer tracer_;
  StatusBoard status_;
  std::atomic<bool> client_info_{false};
};

/// One T a loop. get() is for the loop's own thread. T is made at first use by the factory function.
template <class T>
class PerLoop {
 public:
  explicit PerLoop(size_t loops) : slots_(loops) {}
  size_t size() const { return slots_.size(); }
  std::unique_ptr<T>& slot(int index) { return slots_[static_cast<size_t>(index)]; }
  std::unique_ptr<T>& mine() { return slot(net::Loop::Current()->index()); }

 private:
  std::vector<std::unique_ptr<T>> slots_;
};

class Component {
 public:
  virtual ~Component() = default;
  /// Makes the component work. An error keeps the whole collector from starting, and Shutdown follows all the same:
  /// what was begun is ended there.
  virtual Status Start(Host& host) {
    (void)host;
    return {};
  }
  /// Takes nothing new and hands on what it holds; `done` runs on the control loop when nothing is left, or at the
  /// deadline, when what is left has been dropped and counted (or stays in a durable queue). Called once; the component
  /// is destroyed after `done`.
  virtual void Shutdown(MonoTime deadline, std::function<void()> done) {
    (void)deadline;
    done();
  }
};

/// What every component is told at creation.
struct Context {
  std::string id;        // "otlp/2" as the user wrote it
  std::string pipeline;  // "traces/1" for processors and connectors' exits; else empty
  Logger log;            // carries otelcol.component.id, .kind and .signal
  Host* host = nullptr;
  bool own = false;  // carries telemetry of naru about itself, which makes no further telemetry
};

/// Serves all signals that pipelines want from it with one instance.
class Receiver : public Component {};
struct ReceiverContext : Context {
  /// Where batches of each signal go; null when no pipeline takes that signal from this receiver. Valid while the
  /// receiver lives; what stands behind it changes at a reload.
  std::array<Consumer*, 4> next{};
  Consumer* next_for(Signal s) const { return next[static_cast<size_t>(s)]; }
};

/// One instance a pipeline.
class Processor : public Component, public Consumer {};
struct ProcessorContext : Context {
  Signal signal{};
  Consumer* next = nullptr;
};

/// One instance a signal. Consume resolves the batch's tokens.
class Exporter : public Component, public Consumer {
 public:
  /// At a reload, before Shutdown: `successor`, of the same id and signal and already started, takes this one's place.
  /// What waits here may be handed to it instead of being sent until the deadline; it outlives this one's shutdown.
  virtual void SetSuccessor(Exporter& successor) { (void)successor; }
};
struct ExporterContext : Context {
  Signal signal{};
};

/// One instance a pair of signals: an exporter of the pipelines that feed it, a receiver of those that it feeds.
class Connector : public Component, public Consumer {};
struct ConnectorContext : Context {
  Signal from{}, to{};
  Consumer* next = nullptr;                                         // all fed pipelines
  std::vector<std::pair<std::string, Consumer*>> next_by_pipeline;  // each of them by id, for routing
};

// What extensions can do for other components.

/// Judges requests of clients. Thread-safe.
class ServerAuth {
 public:
  virtual ~ServerAuth() = default;
  using Header = std::function<std::string_view(std::string_view lower_case_name)>;
  /// Returns what it learnt of the client, or kUnauthenticated. Must not block.
  virtual Result<std::map<std::string, std::string, std::less<>>> Authenticate(const Header& header) = 0;
};

/// Adds credentials to requests of exporters. Thread-safe.
class ClientAuth {
 public:
  virtual ~ClientAuth() = default;
  /// Headers to set (names in lower case) on a request made for `client` (null when unknown).
  virtual std::vector<std::pair<std::string, std::string>> Headers(const ClientInfo* client) = 0;
};

/// Durable places for queues and checkpoints (file_storage).
class Storage {
 public:
  virtual ~Storage() = default;
  /// A folder of its own for the named component, made if missing: "exporter_otlp_traces". Different ids have
  /// different folders.
  virtual Result<std::string> Folder(std::string_view kind, std::string_view id, std::string_view name) = 0;
  /// True when every append must be on disk before it is acknowledged.
  virtual bool fsync() const = 0;
  /// Size at which a queue begins its next file.
  virtual uint64_t segment_bytes() const = 0;
};

class Extension : public Component {
 public:
  virtual ServerAuth* server_auth() { return nullptr; }
  virtual ClientAuth* client_auth() { return nullptr; }
  virtual Storage* storage() { return nullptr; }
  /// True for a middleware that refuses requests of servers when memory is short. The gate does the refusing.
  virtual bool limits_servers() const { return false; }
  /// Pipelines began to flow / are about to stop. For health checks.
  virtual void OnReady() {}
  virtual void OnNotReady() {}
};
struct ExtensionContext : Context {};

}  // namespace naru::pipeline
