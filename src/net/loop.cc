#include "net/loop.h"

namespace naru::net {

std::string FailureText(const Stream& stream, const IoResult& result) {
  std::string reason = stream.Reason();
  return reason.empty() ? std::strerror(result.error) : reason;
}
namespace {
thread_local Loop* current = nullptr;
}

Loop* Loop::Current() {
  return current;
}
void Loop::SetCurrent(Loop* loop) {
  current = loop;
}

}  // namespace naru::net
