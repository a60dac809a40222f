#include "receivers/otlp/otlp_receiver.h"

#include "receivers/otlp/endpoint.h"

namespace naru::receivers::otlp {

OtlpReceiver::OtlpReceiver(const Config& config, pipeline::ReceiverContext context)
    : config_(config), context_(std::move(context)) {}
OtlpReceiver::~OtlpReceiver() = default;

Status OtlpReceiver::Start(pipeline::Host& host) {
  auto open = [&](std::shared_ptr<Endpoint> e) -> Status {
    if (auto s = e->Open(host); !s) return s;
    endpoints_.push_back(std::move(e));
    return {};
  };
  Status s{};
  if (config_.protocols.grpc) s = open(Endpoint::Grpc(config_.protocols.grpc->server, context_));
  if (s && config_.protocols.http) s = open(Endpoint::Http(*config_.protocols.http, context_));
  return s;
}

void OtlpReceiver::Shutdown(MonoTime deadline, std::function<void()> done) {
  if (endpoints_.empty()) return done();
  auto open = std::make_shared<size_t>(endpoints_.size());
  for (auto& e : endpoints_) {
    e->Shutdown(deadline, [open, done] {
      if (--*open == 0) done();
    });
  }
}

}  // namespace naru::receivers::otlp
