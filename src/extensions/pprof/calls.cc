#include "extensions/pprof/calls.h"

namespace naru::extensions::pprof {

std::shared_ptr<LaterCall> LaterCall::After(net::ServerCall& call, Duration wait,
                                            std::function<void(net::ServerCall&)> answer) {
  auto later = std::make_shared<LaterCall>();
  later->answer_ = std::move(answer);
  // The timer goes with its owner, and the call is valid until OnAbort.
  later->timer_ = call.loop().AddTimer(wait, [self = later.get(), &call] {
    auto answer = std::exchange(self->answer_, nullptr);  // answering may destroy *self
    answer(call);
  });
  return later;
}

void LaterCall::OnAbort() {
  timer_.Cancel();
  answer_ = nullptr;
}

std::span<uint8_t> BodyCall::Reserve(size_t expected) {
  if (body_.size() + expected > kMost || body_.size() >= kMost) {
    call_.Respond(413, {{"content-type", "text/plain; charset=utf-8"}}, Slice::Static("too many addresses at once\n"));
    return {};
  }
  return piece_;
}

void BodyCall::OnEnd() {
  auto answer = std::exchange(answer_, nullptr);
  answer(call_, body_);
}

}  // namespace naru::extensions::pprof
