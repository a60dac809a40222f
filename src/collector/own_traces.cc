#include "collector/own_traces.h"

#include <cmath>

namespace naru::collector {

using pipeline::OwnSpan;
using pipeline::SpanContext;
using Sampler = pipeline::Tracer::Sampler;
using TraceId = std::array<uint8_t, 16>;

namespace {

template <size_t N>
std::string_view BytesOf(const std::array<uint8_t, N>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), N};
}

void WriteSpan(const OwnSpan& s, otlp::RequestBuilder& out) {
  std::vector<otlp::Attr> attributes;
  for (auto& [k, v] : s.attributes) {
    attributes.push_back({k, std::visit([](auto& value) { return otlp::Value(value); }, v)});
  }
  std::vector<otlp::EventData> events;
  for (auto& e : s.events) {
    otlp::EventData d;
    d.time = e.time;
    d.name = e.name;
    events.push_back(d);
  }
  otlp::SpanData d;
  d.trace_id = BytesOf(s.context.trace_id);
  d.span_id = BytesOf(s.context.span_id);
  if (s.parent != std::array<uint8_t, 8>{}) d.parent_span_id = BytesOf(s.parent);
  d.trace_state = s.context.trace_state;
  d.name = s.name;
  d.flags = s.context.sampled ? 1 : 0;
  d.kind = static_cast<int32_t>(s.kind);
  d.start = s.start;
  d.end = s.end;
  d.attributes = attributes;
  d.events = events;
  d.dropped_events = static_cast<uint32_t>(s.dropped_events);
  d.status_code = s.failed ? 2 : 0;
  d.status_message = s.message;
  out.Add(d);
}

// As the SDKs decide: the last eight bytes of the trace id against a bound.
bool InRatio(const TraceId& id, double ratio) {
  if (ratio >= 1) return true;
  uint64_t x = 0;
  for (size_t i = 8; i < 16; ++i) x = x << 8 | id[i];
  return x >> 1 < static_cast<uint64_t>(std::ldexp(ratio, 63));
}

}  // namespace

void SpanExport::OnEnd(std::shared_ptr<const OwnSpan> span) {
  for (auto& e : exporters_) e->Add([span](otlp::RequestBuilder& out) { WriteSpan(*span, out); });
}

Result<Sampler> MakeSampler(const conf::Value& v) {
  constexpr std::string_view kWhere = "service::telemetry::traces::sampler";
  if (!v.is_map() || v.map().size() != 1)
    return Fail(Code::kInvalidArgument,
                "{}: must name exactly one sampler: always_on, always_off, "
                "trace_id_ratio_based, parent_based",
                kWhere);
  auto& [name, options] = v.map().front();
  if (name == "always_on") return Sampler([](const TraceId&, const SpanContext*) { return true; });
  if (name == "always_off") return Sampler([](const TraceId&, const SpanContext*) { return false; });
  if (name == "trace_id_ratio_based") {
    const conf::Value* ratio = options.Find("ratio");
    double r = !ratio               ? 1
               : ratio->is_int()    ? static_cast<double>(ratio->int_value())
               : ratio->is_double() ? ratio->double_value()
                                    : -1;
    if (!(r >= 0 && r <= 1)) return Fail(Code::kInvalidArgument, "{}: ratio must be between 0 and 1", kWhere);
    return Sampler([r](const TraceId& id, const SpanContext*) { return InRatio(id, r); });
  }
  if (name == "parent_based") {
    struct Choice {
      std::string_view key;
      Sampler sampler;
    };
    // Spans have no remote parents but those that a request brought, and no local ones but their receiver's.
    Choice choices[] = {{"root", {}},
                        {"remote_parent_sampled", {}},
                        {"remote_parent_not_sampled", {}},
                        {"local_parent_sampled", {}},
                        {"local_parent_not_sampled", {}}};
    for (auto& [key, inner] : options.map()) {
      bool known = false;
      for (auto& c : choices) {
        if (c.key != key) continue;
        auto made = MakeSampler(inner);
        if (!made) return made;
        c.sampler = std::move(*made);
        known = true;
      }
      if (!known) return Fail(Code::kInvalidArgument, "{}: parent_based has no key \"{}\"", kWhere, key);
    }
    return Sampler([root = choices[0].sampler, sampled = choices[1].sampler, dropped = choices[2].sampler](
                       const TraceId& id, const SpanContext* parent) {
      if (!parent) return root ? root(id, parent) : true;
      if (parent->sampled) return sampled ? sampled(id, parent) : true;
      return dropped ? dropped(id, parent) : false;
    });
  }
  return Fail(Code::kInvalidArgument, "{}: \"{}\" is none of always_on, always_off, trace_id_ratio_based, parent_based",
              kWhere, name);
}

}  // namespace naru::collector
