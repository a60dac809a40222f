// A simulated backend: takes OTLP over gRPC and HTTP, remembers which records arrived, and misbehaves as it is told.
#pragma once

#include <memory>
#include <vector>

#include "base/budget.h"
#include "net/http_server.h"
#include "otlp/signal.h"
#include "simulation/records.h"

namespace naru::simulation {

/// How it answers; chances are of a request.
struct Mood {
  double busy = 0;     // refused for a while: 503, 429, UNAVAILABLE, RESOURCE_EXHAUSTED, with or without a delay
  double never = 0;    // refused for good
  double partial = 0;  // some records are rejected
  double lost = 0;     // taken, and the answer never comes
  Duration delay{0};   // of answers, at most
};

class Backend final : public net::Service {
 public:
  Backend(Run& run, otlp::Signal signal, size_t branch, uint16_t port);
  ~Backend() override;

  Mood mood;
  /// Ends its process; connections break. What has arrived stays so.
  void Stop();
  void Start();
  bool running() const { return process_ != nullptr; }
  /// It reads nothing for a while.
  void SetDeaf(bool on);
  /// Lets go of processes that have ended.
  void Reap();
  /// Items in answers that said OK, whether they were heard or not.
  uint64_t taken() const { return taken_; }

  std::shared_ptr<net::RequestHandler> OnRequest(const net::RequestHead& head, net::ServerCall& call) override;

 private:
  class Body;
  struct Process;
  Run& run_;
  const otlp::Signal signal_;
  const size_t branch_;
  const uint16_t port_;
  Budget budget_;
  std::unique_ptr<Process> process_;
  std::vector<std::unique_ptr<Process>> ended_;
  uint64_t taken_ = 0;
};

}  // namespace naru::simulation
