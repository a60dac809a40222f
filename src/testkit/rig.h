// One component in a simulated world of two loops, between a sender that hears what became of its items and a probe
// that takes what comes out; what passes is booked as collector/graph.cc books it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/factory.h"
#include "testkit/probe.h"
#include "testkit/sim_world.h"
#include "testkit/test_host.h"

namespace naru::testkit {

/// What a component's lines in the ledger say; items.
struct Books {
  int64_t offered = 0, accepted = 0;  // receivers
  int64_t entered = 0, exited = 0, returned = 0, filtered = 0, dropped = 0, refused = 0, held = 0, sent = 0;
  /// "entered 4, sent 3, dropped 1": what is not zero.
  std::string ToString() const;
};

/// Not thread-safe; the simulated world is one thread.
class Rig {
 public:
  explicit Rig(uint64_t seed);
  /// Destroys the component if it is still there.
  ~Rig();
  Rig(const Rig&) = delete;

  SimWorld& world() { return world_; }
  TestHost& host() { return host_; }
  Probe& probe() { return probe_; }

  /// Receivers made from here on have no pipelines behind them.
  void WantNothing() { wanted_ = false; }
  /// Makes the component, for signals `from` to `to` (the same but for connectors; receivers get all), with the
  /// factory's type as its id.
  Status Make(const pipeline::Factory& factory, const pipeline::AnyConfig& config, otlp::Signal from, otlp::Signal to);
  Status Start();
  pipeline::Component* component() { return component_.get(); }
  /// Null for other kinds.
  pipeline::Extension* extension() { return extension_; }

  /// Hands a batch in on a loop, as an edge of a pipeline does. Processors, exporters and connectors only.
  void Send(size_t loop, pipeline::Batch&& batch);
  /// The same with one part of `items` items.
  std::shared_ptr<Heard> Send(size_t loop, Slice bytes, uint64_t items);

  /// As a reload does it: makes and starts a second component beside the first, with the same id, and points what Send
  /// hands in to it. Once a rig; kinds with a Send only. Stop and Destroy are then about the second.
  Status Succeed(const pipeline::Factory& factory, const pipeline::AnyConfig& config, otlp::Signal from,
                 otlp::Signal to);
  /// Stops and destroys the first, as Stop does.
  bool StopFirst(Duration allowed);

  /// Shuts down with a deadline `allowed` from now, and runs until that is done, for at most a second longer. False
  /// when it was not done by then; `stop_faults` says what else was wrong.
  bool Stop(Duration allowed);
  const std::string& stop_faults() const { return stop_faults_; }
  void Destroy();

  Books books();

 private:
  class Edge;
  bool StopOne(pipeline::Component& component, Duration allowed);
  void OnControl(const std::function<void()>& fn) { world_.On(0, fn); }

  SimWorld world_;
  TestHost host_;
  Probe probe_;
  std::string id_;
  otlp::Signal signal_{};
  bool wanted_ = true;
  std::unique_ptr<Edge> in_, out_, first_out_;
  std::unique_ptr<pipeline::Component> component_, first_;
  pipeline::Consumer* consumer_ = nullptr;
  pipeline::Extension* extension_ = nullptr;
  std::string stop_faults_;
};

}  // namespace naru::testkit
