#include "pipeline/component.h"

#include <atomic>

namespace naru::pipeline {

void Host::ForEachLoop(std::function<void(net::Loop&)> fn, std::function<void()> done) {
  struct Join {
    std::function<void(net::Loop&)> fn;
    std::function<void()> done;
    std::atomic<size_t> open;
  };
  auto join = std::make_shared<Join>();
  join->fn = std::move(fn);
  join->done = std::move(done);
  join->open = loops().size();
  net::Loop* control = &control_loop();
  for (net::Loop* loop : loops()) {
    loop->Post([join, loop, control] {
      join->fn(*loop);
      if (join->open.fetch_sub(1) == 1) control->Post([join] { join->done(); });
    });
  }
}

}  // namespace naru::pipeline
