// The pages under /debug/pprof/, with the names, parameters and answers of Go's net/http/pprof.
#pragma once

#include <memory>

#include "net/http_server.h"

namespace naru::extensions::pprof {

/// Has no state of its own: the profilers are the process's.
class Pages final : public net::Service {
 public:
  /// Longest profile that may be asked for, in seconds.
  static constexpr int64_t kMostSeconds = 3600;
  std::shared_ptr<net::RequestHandler> OnRequest(const net::RequestHead& head, net::ServerCall& call) override;
};

}  // namespace naru::extensions::pprof
