// An HTTP backend in the simulated world, for tests of exporters: keeps what it is sent, and answers as a test says.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/http_server.h"
#include "testkit/sim_world.h"

namespace naru::testkit {

/// A process of its own in the world, which outlives it. Not thread-safe.
class HttpBackend final : public net::Service {
 public:
  struct Request {
    std::map<std::string, std::string> headers;  // of several of a name the last one
    std::string path;
    std::string body;  // without its content encoding
    int status = 0;    // that it was answered with
    MonoTime at{};
  };
  struct Answer {
    int status = 204;
    std::string body, retry_after;
  };

  /// Listens on 127.0.0.1:port.
  HttpBackend(SimWorld& world, uint16_t port);
  ~HttpBackend() override;

  /// Asked once a request, when it is there in full.
  std::function<Answer(const Request&)> answer = [](const Request&) { return Answer(); };
  std::vector<Request> requests;
  /// What went wrong with the backend itself, or with a body that does not inflate; empty when nothing.
  std::string faults;

  std::shared_ptr<net::RequestHandler> OnRequest(const net::RequestHead& head, net::ServerCall& call) override;

 private:
  class Body;
  SimWorld& world_;
  Budget budget_;
  std::unique_ptr<SimProcess> process_;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<net::Listener> listener_;
};

}  // namespace naru::testkit
