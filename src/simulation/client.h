// A simulated client: sends numbered records over gRPC or HTTP, tries again what was refused for a while or got no
// answer, and notes what it heard.
#pragma once

#include <memory>
#include <string>

#include "net/http_client.h"
#include "otlp/signal.h"
#include "simulation/records.h"

namespace naru::simulation {

struct ClientOptions {
  otlp::Signal signal{};
  bool grpc = false;
  bool gzip = false;
  uint64_t padding = 0;  // bytes that some requests have on top
  Duration pause{0};     // between two requests, at most
  size_t most_in_flight = 4;
};

/// Lives on one loop of a process; made and destroyed there.
class Client {
 public:
  Client(Run& run, net::Loop& loop, ClientOptions options);
  ~Client();

  /// Begins nothing new; what was begun is tried until it is answered for good.
  void Finish() { finishing_ = true; }
  bool idle() const { return in_flight_ == 0; }

 private:
  struct Request {
    uint64_t first = 0, count = 0;
    Slice body;
    int tries = 0;
    uint64_t incarnation = 0;  // of the collector, when it was sent last
  };
  using RequestPtr = std::shared_ptr<Request>;
  void Next();
  void Post(const RequestPtr& r);
  void Answered(const RequestPtr& r, Result<net::ClientResponse> got);
  void Took(const RequestPtr& r, uint64_t rejected);

  Run& run_;
  net::Loop& loop_;
  const ClientOptions options_;
  std::unique_ptr<net::HttpClient> client_;
  net::Timer timer_;
  size_t in_flight_ = 0;
  bool finishing_ = false, closing_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>();  // for what waits to send again
};

}  // namespace naru::simulation
