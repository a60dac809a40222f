// The running components of a Plan and the edges between them; how a new Plan takes the place of an old one.
//
// Threads: everything on the control loop, except that data flows through the edges on every loop.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collector/plan.h"
#include "pipeline/component.h"

namespace naru::collector {

class Graph {
 public:
  Graph(pipeline::Host& host, Logger log);
  ~Graph();

  /// Makes the components that `plan` asks for. What `previous` (may be null) runs unchanged is taken over alive:
  /// extensions, exporters and receivers by their configuration and that of the extensions they name, pipelines with
  /// their processors when nothing below them changed either. Touches nothing outside; an error names the component.
  Status Build(std::shared_ptr<const Plan> plan, const Graph* previous);

  /// Puts this graph in the place of `previous`: what has gone or changed there is shut down (receivers first, then
  /// downstream, each with until `deadline` to hand on what it holds), what is new here is started, receivers that live
  /// on are pointed to their new pipelines. `done` gets the first error of a start; the graph is then to be shut down
  /// or replaced in turn. `previous` holds nothing afterwards and may be destroyed in `done`. What `abandoned` (may be
  /// null) runs is shut down with it: the graph before a `previous` that did not start.
  /// `started` runs when all that is new here is started, before what goes below has handed on what it holds.
  void Replace(Graph* previous, Graph* abandoned, MonoTime deadline, std::function<void()> started,
               std::function<void(Status)> done);

  /// Stops receiving, while a Replace is under way too; `done` when what was received is answered.
  void CloseReceivers(MonoTime deadline, std::function<void()> done);

  /// Receivers first, then downstream; `done` when all is handed on or the deadline has passed.
  void Shutdown(MonoTime deadline, std::function<void()> done);

  const std::shared_ptr<const Plan>& plan() const { return plan_; }
  pipeline::Extension* FindExtension(std::string_view id) const;
  void NotifyReady(bool ready);

 private:
  class Switch;
  struct Running;
  struct Pipeline;
  using RunningPtr = std::shared_ptr<Running>;

  Status BuildExtensions(const Graph* previous);
  Status BuildExporters(const Graph* previous);
  Status BuildPipelines(const Graph* previous);
  Status BuildPipeline(const PipelinePlan& p, const Graph* previous);
  Result<RunningPtr> MakeConnector(const std::string& id, pipeline::Signal from, pipeline::Signal to,
                                   const Graph* previous);
  Status BuildReceivers(const Graph* previous);
  void FillContext(pipeline::Context& c, pipeline::Kind kind, const std::string& id, std::string_view signal,
                   const std::string& pipeline) const;
  std::string Fingerprint(const ComponentPlan& c) const;
  void PointReceivers();
  Status StartNew();
  /// In the order of shutting down: receivers; then from the most upstream pipeline down; exporters; extensions last.
  std::vector<RunningPtr> StopOrder() const;
  static void StopOneByOne(std::shared_ptr<std::vector<RunningPtr>> order, size_t at, MonoTime deadline,
                           std::function<void()> done);

  pipeline::Host& host_;
  Logger log_;
  std::shared_ptr<const Plan> plan_;
  std::vector<RunningPtr> extensions_;                          // in start order
  std::map<std::string, RunningPtr> exporters_;                 // "otlp|traces"
  std::map<std::string, RunningPtr> connectors_;                // "forward|traces|traces"
  std::map<std::string, std::shared_ptr<Pipeline>> pipelines_;  // by id
  std::vector<std::string> pipeline_order_;                     // downstream first
  std::map<std::string, RunningPtr> receivers_;
  std::vector<std::unique_ptr<pipeline::Consumer>> fan_outs_;
  bool closed_ = false;  // starts no receivers any more
};

}  // namespace naru::collector
