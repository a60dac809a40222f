#include "base/workers.h"

namespace naru {

Workers::~Workers() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (auto& t : threads_) t.join();
}

Workers& Workers::Shared() {
  static auto* workers = new Workers(2);
  return *workers;
}

Workers& Workers::Disk() {
  static auto* workers = new Workers(4);
  return *workers;
}

bool Workers::Submit(std::function<void()> task) {
  std::lock_guard lock(mutex_);
  if (tasks_.size() >= max_queued_) return false;
  tasks_.push_back(std::move(task));
  if (idle_ == 0 && static_cast<int>(threads_.size()) < limit_) {
    threads_.emplace_back([this] { Run(); });
  } else {
    wake_.notify_one();
  }
  return true;
}

void Workers::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    while (tasks_.empty() && !stop_) {
      ++idle_;
      wake_.wait(lock);
      --idle_;
    }
    if (tasks_.empty()) return;
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

}  // namespace naru
