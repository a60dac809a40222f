#include "pipeline/tracer.h"

#include <algorithm>
#include <cstring>

namespace naru::pipeline {
namespace {

constexpr size_t kMaxEvents = 128, kMaxTraceState = 512;

template <size_t N>
std::string Hex(const std::array<uint8_t, N>& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (uint8_t b : bytes) {
    out += kDigits[b >> 4];
    out += kDigits[b & 15];
  }
  return out;
}

// Lower-case digits only, as W3C Trace Context demands, unless `any_case`.
template <size_t N>
bool ParseHex(std::string_view text, std::array<uint8_t, N>& out, bool any_case = false) {
  if (text.size() != 2 * N) return false;
  uint8_t all = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    int v = c >= '0' && c <= '9'               ? c - '0'
            : c >= 'a' && c <= 'f'             ? c - 'a' + 10
            : any_case && c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
    if (v < 0) return false;
    auto& b = out[i / 2];
    b = static_cast<uint8_t>(i % 2 ? b | v : v << 4);
    all |= static_cast<uint8_t>(v);
  }
  return all != 0;
}

template <size_t N>
void Fill(Random& random, std::array<uint8_t, N>& out) {
  for (size_t i = 0; i < N; i += 8) {
    uint64_t r = random.Next() | 1;  // never all zero
    std::memcpy(out.data() + i, &r, 8);
  }
}

// https://www.w3.org/TR/trace-context/#traceparent-header
SpanContext FromTraceParent(std::string_view text) {
  SpanContext c;
  if (text.size() < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') return {};
  std::string_view version = text.substr(0, 2);
  std::array<uint8_t, 1> v{}, flags{};
  bool zero = version == "00";
  if (!zero && (!ParseHex(version, v) || v[0] == 0xff)) return {};
  if (zero ? text.size() != 55 : text.size() > 55 && text[55] != '-') return {};
  if (!ParseHex(text.substr(3, 32), c.trace_id) || !ParseHex(text.substr(36, 16), c.span_id)) return {};
  std::string_view f = text.substr(53, 2);
  if (f != "00" && !ParseHex(f, flags)) return {};
  c.sampled = flags[0] & 1;
  return c;
}

// https://github.com/openzipkin/b3-propagation: one header, or several.
SpanContext FromB3(const Tracer::HeaderOf& header) {
  SpanContext c;
  std::string trace, span, sampled;
  if (std::string_view one = header("b3"); !one.empty()) {
    size_t a = one.find('-'), b = a == std::string_view::npos ? a : one.find('-', a + 1);
    if (b == std::string_view::npos) b = one.size();
    if (a == std::string_view::npos) return {};
    trace = one.substr(0, a);
    span = one.substr(a + 1, b - a - 1);
    if (b < one.size()) sampled = one.substr(b + 1, one.find('-', b + 1) - b - 1);
  } else {
    trace = header("x-b3-traceid");
    span = header("x-b3-spanid");
    sampled = header("x-b3-flags") == "1" ? "d" : std::string(header("x-b3-sampled"));
  }
  if (trace.size() == 16) trace.insert(0, 16, '0');
  if (!ParseHex(trace, c.trace_id, true) || !ParseHex(span, c.span_id, true)) return {};
  c.sampled = sampled == "1" || sampled == "d" || sampled == "true";
  return c;
}

}  // namespace

bool SpanContext::valid() const {
  auto set = [](uint8_t b) { return b != 0; };
  return std::any_of(trace_id.begin(), trace_id.end(), set) && std::any_of(span_id.begin(), span_id.end(), set);
}
std::string SpanContext::TraceIdText() const {
  return Hex(trace_id);
}
std::string SpanContext::SpanIdText() const {
  return Hex(span_id);
}

ActiveSpan& ActiveSpan::operator=(ActiveSpan&& o) noexcept {
  if (this != &o) {
    End();
    span_ = std::move(o.span_);
    tracer_ = o.tracer_;
  }
  return *this;
}

void ActiveSpan::Set(std::string_view key, std::string_view value) {
  if (span_) span_->attributes.emplace_back(key, std::string(value));
}
void ActiveSpan::Set(std::string_view key, int64_t value) {
  if (span_) span_->attributes.emplace_back(key, value);
}

void ActiveSpan::Event(std::string_view name) {
  if (!span_) return;
  if (span_->events.size() < kMaxEvents) {
    span_->events.push_back({tracer_->clock_.UnixNano(), std::string(name)});
  } else {
    ++span_->dropped_events;
  }
}

void ActiveSpan::Fail(std::string_view message) {
  if (!span_) return;
  span_->failed = true;
  span_->message = message.substr(0, 1024);
}

void ActiveSpan::End() {
  if (!span_) return;
  auto span = std::move(span_);
  span_ = nullptr;
  if (!span->context.sampled) return;
  span->end = tracer_->clock_.UnixNano();
  for (auto& s : tracer_->Sinks()) s->OnEnd(span);
}

ActiveSpan Tracer::Start(std::string_view name, SpanKind kind, const SpanContext* parent) {
  ActiveSpan out;
  if (!on()) return out;
  if (parent && !parent->valid()) parent = nullptr;
  auto span = std::make_shared<OwnSpan>();
  if (parent) {
    span->context.trace_id = parent->trace_id;
    span->context.trace_state = parent->trace_state;
    span->parent = parent->span_id;
  } else {
    Fill(random_, span->context.trace_id);
  }
  Fill(random_, span->context.span_id);
  std::shared_ptr<const Sampler> sampler;
  {
    std::lock_guard lock(mutex_);
    sampler = sampler_;
  }
  span->context.sampled = sampler && *sampler ? (*sampler)(span->context.trace_id, parent) : !parent || parent->sampled;
  span->name = name;
  span->kind = kind;
  span->start = clock_.UnixNano();
  if (span->context.sampled) {
    for (auto& s : Sinks()) s->OnStart(*span);
  }
  out.span_ = std::move(span);
  out.tracer_ = this;
  return out;
}

std::vector<std::shared_ptr<SpanSink>> Tracer::Sinks() const {
  std::lock_guard lock(shared_->mutex);
  return shared_->sinks;
}

std::shared_ptr<void> Tracer::AddSink(std::shared_ptr<SpanSink> sink) {
  {
    std::lock_guard lock(shared_->mutex);
    shared_->sinks.push_back(sink);
    on_.store(true, std::memory_order_relaxed);
  }
  // The handle may outlive nothing but the sink: the tracer is its host's.
  return std::shared_ptr<void>(sink.get(), [this, sink, shared = shared_](void*) {
    std::lock_guard lock(shared->mutex);
    std::erase(shared->sinks, sink);
    on_.store(!shared->sinks.empty(), std::memory_order_relaxed);
  });
}

void Tracer::SetSampler(Sampler sampler) {
  auto next = std::make_shared<const Sampler>(std::move(sampler));
  std::lock_guard lock(mutex_);
  sampler_ = std::move(next);
}

void Tracer::SetPropagators(bool trace_context, bool b3) {
  trace_context_ = trace_context;
  b3_ = b3;
}

SpanContext Tracer::Extract(const HeaderOf& header) const {
  SpanContext c;
  if (trace_context_) {
    c = FromTraceParent(header("traceparent"));
    if (c.valid()) c.trace_state = header("tracestate").substr(0, kMaxTraceState);
  }
  if (!c.valid() && b3_) c = FromB3(header);
  return c;
}

void Tracer::Inject(const SpanContext& c, std::vector<std::pair<std::string, std::string>>& headers) const {
  if (!c.valid()) return;
  std::string trace = c.TraceIdText(), span = c.SpanIdText();
  if (trace_context_) {
    headers.emplace_back("traceparent", "00-" + trace + "-" + span + (c.sampled ? "-01" : "-00"));
    if (!c.trace_state.empty()) headers.emplace_back("tracestate", c.trace_state);
  }
  if (b3_) {
    headers.emplace_back("x-b3-traceid", trace);
    headers.emplace_back("x-b3-spanid", span);
    headers.emplace_back("x-b3-sampled", c.sampled ? "1" : "0");
  }
}

}  // namespace naru::pipeline
