// Requests that are not answered at once. Everything here is used on the loop of the request's connection.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "net/http_server.h"

namespace naru::extensions::pprof {

/// Answers after some time; a client that goes away meanwhile takes the answer, and all that it holds, with it. A body
/// is not looked at.
class LaterCall final : public net::RequestHandler {
 public:
  /// `answer` must answer the call.
  static std::shared_ptr<LaterCall> After(net::ServerCall& call, Duration wait,
                                          std::function<void(net::ServerCall&)> answer);
  std::span<uint8_t> Reserve(size_t) override { return ignored_; }
  void Commit(size_t) override {}
  void OnEnd() override {}
  void OnAbort() override;

 private:
  std::function<void(net::ServerCall&)> answer_;
  std::array<uint8_t, 512> ignored_;
  net::Timer timer_;
};

/// Answers when the body is there, which has at most kMost bytes.
class BodyCall final : public net::RequestHandler {
 public:
  static constexpr size_t kMost = 256 << 10;
  BodyCall(net::ServerCall& call, std::function<void(net::ServerCall&, std::string_view body)> answer)
      : call_(call), answer_(std::move(answer)) {}
  std::span<uint8_t> Reserve(size_t expected) override;
  void Commit(size_t n) override { body_.append(reinterpret_cast<const char*>(piece_.data()), n); }
  void OnEnd() override;
  void OnAbort() override {}

 private:
  net::ServerCall& call_;
  std::function<void(net::ServerCall&, std::string_view)> answer_;
  std::array<uint8_t, 4096> piece_;
  std::string body_;
};

}  // namespace naru::extensions::pprof
