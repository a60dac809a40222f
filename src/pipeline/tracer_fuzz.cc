// Trace context of requests: what is understood is written, and understood again.
#include <cstdint>
#include <cstdlib>

#include "pipeline/tracer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace naru::pipeline;
  std::string_view all(reinterpret_cast<const char*>(data), size);
  std::vector<std::pair<std::string, std::string>> headers;
  for (auto* name : {"traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"}) {
    size_t end = std::min(all.find('\n'), all.size());
    headers.emplace_back(name, all.substr(0, end));
    all.remove_prefix(std::min(all.size(), end + 1));
  }
  auto of = [](auto& list) {
    return [&list](std::string_view name) -> std::string_view {
      for (auto& [k, v] : list) {
        if (k == name) return v;
      }
      return {};
    };
  };
  for (int mode = 1; mode < 4; ++mode) {
    Tracer tracer;
    tracer.SetPropagators(mode & 1, mode & 2);
    SpanContext c = tracer.Extract(of(headers));
    if (!c.valid()) continue;
    std::vector<std::pair<std::string, std::string>> out;
    tracer.Inject(c, out);
    SpanContext again = tracer.Extract(of(out));
    if (again.trace_id != c.trace_id || again.span_id != c.span_id || again.sampled != c.sampled) std::abort();
  }
  return 0;
}
