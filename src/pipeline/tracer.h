// Spans of naru about itself: what its receivers were asked and its exporters did. Off unless somebody wants them
// (service::telemetry::traces, zpages), and then one relaxed load a request.
//
// Threads: everything is thread-safe but an ActiveSpan, which belongs to whoever holds it, and the setters, which are
// for the control loop.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"

namespace naru::pipeline {

/// What of a span travels between processes (W3C Trace Context).
struct SpanContext {
  std::array<uint8_t, 16> trace_id{};
  std::array<uint8_t, 8> span_id{};
  bool sampled = false;
  std::string trace_state;
  bool valid() const;
  /// 32 and 16 lower-case hexadecimal digits.
  std::string TraceIdText() const;
  std::string SpanIdText() const;
};

enum class SpanKind : uint8_t { kInternal = 1, kServer = 2, kClient = 3 };  // as OTLP numbers them

struct OwnSpan {
  using Value = std::variant<std::string, int64_t>;
  struct Event {
    uint64_t time;  // ns since the epoch
    std::string name;
  };
  SpanContext context;
  std::array<uint8_t, 8> parent{};
  std::string name;
  SpanKind kind = SpanKind::kInternal;
  uint64_t start = 0, end = 0;  // ns since the epoch; end is 0 while it runs
  std::vector<std::pair<std::string, Value>> attributes;
  std::vector<Event> events;  // at most 128
  uint64_t dropped_events = 0;
  bool failed = false;
  std::string message;  // why it failed
};

/// Is told of recorded spans. Thread-safe, called from any thread.
class SpanSink {
 public:
  virtual ~SpanSink() = default;
  /// `span` changes until OnEnd: copy what is wanted.
  virtual void OnStart(const OwnSpan& span) { (void)span; }
  virtual void OnEnd(std::shared_ptr<const OwnSpan> span) = 0;
};

class Tracer;

/// A span under way, or nothing: every call then does nothing. Ends when it is destroyed. Move-only.
class ActiveSpan {
 public:
  ActiveSpan() = default;
  ActiveSpan(ActiveSpan&& o) noexcept = default;
  ActiveSpan& operator=(ActiveSpan&& o) noexcept;
  ~ActiveSpan() { End(); }
  explicit operator bool() const { return span_ != nullptr; }
  /// Only when there is a span.
  const SpanContext& context() const { return span_->context; }
  void Set(std::string_view key, std::string_view value);
  void Set(std::string_view key, int64_t value);
  void Event(std::string_view name);
  void Fail(std::string_view message);
  void End();

 private:
  friend class Tracer;
  std::shared_ptr<OwnSpan> span_;
  Tracer* tracer_ = nullptr;
};

class Tracer {
 public:
  /// The value of a header by its lower-case name, empty when it is not there.
  using HeaderOf = std::function<std::string_view(std::string_view)>;
  /// Whether a span without a recorded parent, or any span, is to be recorded; `parent` may be null.
  using Sampler = std::function<bool(const std::array<uint8_t, 16>& trace_id, const SpanContext* parent)>;

  Tracer(Clock& clock = Clock::System(), Random& random = Random::System()) : clock_(clock), random_(random) {}

  bool on() const { return on_.load(std::memory_order_relaxed); }
  /// A child of `parent` (null, or not valid: a root).
  ActiveSpan Start(std::string_view name, SpanKind kind, const SpanContext* parent);

  /// Sends every recorded span to `sink` until the returned handle is destroyed; switches spans on as long.
  [[nodiscard]] std::shared_ptr<void> AddSink(std::shared_ptr<SpanSink> sink);

  /// Without a sampler: as the parent was, and every root.
  void SetSampler(Sampler sampler);
  void SetPropagators(bool trace_context, bool b3);
  /// The context that a request came with; not valid when it has none that the propagators know.
  SpanContext Extract(const HeaderOf& header) const;
  /// Headers for a request that `context` makes.
  void Inject(const SpanContext& context, std::vector<std::pair<std::string, std::string>>& headers) const;
  bool propagates() const { return trace_context_ || b3_; }

 private:
  friend class ActiveSpan;
  struct Shared {
    std::mutex mutex;
    std::vector<std::shared_ptr<SpanSink>> sinks;
  };
  std::vector<std::shared_ptr<SpanSink>> Sinks() const;
  Clock& clock_;
  Random& random_;
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  mutable std::mutex mutex_;  // guards sampler_
  std::shared_ptr<const Sampler> sampler_;
  std::atomic<bool> on_{false}, trace_context_{false}, b3_{false};
};

}  // namespace naru::pipeline
