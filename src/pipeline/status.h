// How components fare: what health checks tell. A component says when its state changes; everything else follows the
// process.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace naru::pipeline {

/// The reference's componentstatus.
enum class ComponentStatus : uint8_t {
  kStarting,
  kOk,
  kRecoverableError,  // it tries again
  kPermanentError,    // it does not work, and will not without a change of the configuration or of the other side
  kFatalError,        // the process ends
  kStopping,
  kStopped,
};
/// "StatusOK".
std::string_view StatusName(ComponentStatus status);

struct StatusKey {
  std::string kind, id, signal;  // "exporter", "otlp/2", "traces" (empty: of no signal)
  auto operator<=>(const StatusKey&) const = default;
};

struct StatusEvent {
  ComponentStatus status = ComponentStatus::kStarting;
  std::string error;
  uint64_t time = 0;  // ns since the epoch
};

/// Thread-safe. At most kMaxEvents components are remembered; what a further one reports is not.
class StatusBoard {
 public:
  static constexpr size_t kMaxEvents = 4096;
  explicit StatusBoard(Clock& clock = Clock::System()) : clock_(clock) {}

  /// The state of every component that has not reported another.
  void SetBase(ComponentStatus status);
  /// kOk takes an earlier report back. A fatal one calls what OnFatal was given.
  void Report(const StatusKey& key, ComponentStatus status, std::string_view error = {});
  /// Before anything runs.
  void OnFatal(std::function<void(const StatusKey&, const std::string& error)> fn) { fatal_ = std::move(fn); }

  struct Snapshot {
    StatusEvent base;
    std::map<StatusKey, StatusEvent> events;
  };
  Snapshot Read() const;

 private:
  Clock& clock_;
  std::function<void(const StatusKey&, const std::string&)> fatal_;
  mutable std::mutex mutex_;  // guards now_
  Snapshot now_;
};

}  // namespace naru::pipeline
