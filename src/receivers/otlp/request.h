// One OTLP request: its body on the way in, and its answer when every item's fate is known.
#pragma once

#include "otlp/scan.h"
#include "pipeline/ack.h"
#include "receivers/otlp/endpoint.h"
#include "wire/compress.h"

namespace naru::receivers::otlp {

/// Both the handler of the body (on its loop) and the Ack of the items (resolved on any thread).
class Request final : public net::RequestHandler, public pipeline::Ack, public std::enable_shared_from_this<Request> {
 public:
  Request(std::shared_ptr<Endpoint> endpoint, net::ServerCall& call, naru::otlp::Signal signal, bool grpc, bool json,
          bool http2, wire::Codec codec, std::shared_ptr<pipeline::ClientInfo> client, std::string origin);
  ~Request() override = default;

  bool OnMessage(bool compressed, uint32_t length) override;
  std::span<uint8_t> Reserve(size_t expected) override;
  void Commit(size_t n) override;
  void OnEnd() override;
  void OnAbort() override {
    call_ = nullptr;
    Abandon();
  }
  void OnHalfClosed() override { Abandon(); }

 protected:
  void OnResolved(const pipeline::Outcome& outcome) override;
  void OnUnreferenced() override { auto gone = std::move(self_); }

 private:
  void Fail(const Error& error);
  void Succeed(uint64_t rejected, const std::string& message);
  void Answer(const pipeline::Outcome& outcome);
  void StartSpan(pipeline::ClientInfo& client);
  /// Before an answer: its part of the metrics of single requests, if they are on.
  void Measure(int status, Code code, size_t response_bytes);
  void EndSpan(const pipeline::Outcome& outcome);

  std::shared_ptr<Endpoint> endpoint_;
  net::ServerCall* call_;
  net::Loop& loop_;
  naru::otlp::Signal signal_;
  bool grpc_, json_, http2_, compressed_;
  wire::Codec codec_;
  std::shared_ptr<const pipeline::ClientInfo> client_;
  std::string origin_;
  BufferRef body_;
  size_t size_ = 0;
  naru::otlp::Scanner scanner_;
  uint64_t items_ = 0;
  uint64_t odd_records_ = 0;  // of JSON that could not be understood
  std::string odd_message_;
  MonoTime begun_{};  // with metrics at level detailed
  pipeline::ActiveSpan span_;
  std::shared_ptr<Request> self_;  // while tokens are out
};

}  // namespace naru::receivers::otlp
