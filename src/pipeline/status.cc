#include "pipeline/status.h"

namespace naru::pipeline {

std::string_view StatusName(ComponentStatus status) {
  static constexpr std::string_view kNames[] = {"StatusStarting",       "StatusOK",         "StatusRecoverableError",
                                                "StatusPermanentError", "StatusFatalError", "StatusStopping",
                                                "StatusStopped"};
  return kNames[static_cast<size_t>(status)];
}

void StatusBoard::SetBase(ComponentStatus status) {
  std::lock_guard lock(mutex_);
  now_.base = {status, "", clock_.UnixNano()};
}

void StatusBoard::Report(const StatusKey& key, ComponentStatus status, std::string_view error) {
  {
    std::lock_guard lock(mutex_);
    auto it = now_.events.find(key);
    if (status == ComponentStatus::kOk) {
      if (it != now_.events.end()) now_.events.erase(it);
    } else if (it != now_.events.end() || now_.events.size() < kMaxEvents) {
      now_.events[key] = {status, std::string(error.substr(0, 1024)), clock_.UnixNano()};
    }
  }
  if (status == ComponentStatus::kFatalError && fatal_) fatal_(key, std::string(error));
}

StatusBoard::Snapshot StatusBoard::Read() const {
  std::lock_guard lock(mutex_);
  return now_;
}

}  // namespace naru::pipeline
