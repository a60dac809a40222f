#include "net/loop.h"

namespace naru::net {
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
