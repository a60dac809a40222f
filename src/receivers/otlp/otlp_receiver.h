// The otlp receiver: OTLP/gRPC and OTLP/HTTP (https://opentelemetry.io/docs/specs/otlp/), one instance for all signals.
#pragma once

#include <memory>
#include <vector>

#include "pipeline/component.h"
#include "receivers/otlp/config.h"

namespace naru::receivers::otlp {

class Endpoint;  // one protocol with its listener and server

class OtlpReceiver final : public pipeline::Receiver {
 public:
  OtlpReceiver(const Config& config, pipeline::ReceiverContext context);
  ~OtlpReceiver() override;
  Status Start(pipeline::Host& host) override;
  void Shutdown(MonoTime deadline, std::function<void()> done) override;

 private:
  Config config_;
  pipeline::ReceiverContext context_;
  std::vector<std::shared_ptr<Endpoint>> endpoints_;
};

}  // namespace naru::receivers::otlp
