// The OTLP model on the shape of the reference measurements: 512 spans, some 182 KB, 8 attributes a span, an event on
// every eighth, 10 resource attributes, 2 scopes. Results: bench/README.md, "otlp model".
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <vector>

#include "otlp/build.h"
#include "otlp/edit.h"
#include "otlp/scan.h"
#include "otlp/split.h"
#include "otlp/validate.h"

namespace naru::otlp {
namespace {

Slice Traces(int spans) {
  RequestBuilder b(Signal::kTraces, 1 << 18);
  uint64_t state = 1;
  auto bytes = [&state](size_t n) {
    std::string s(n, '\0');
    for (char& c : s) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      c = static_cast<char>(state >> 56);
    }
    return s;
  };
  b.Resource({{"service.name", "checkout-service"},
              {"service.namespace", "shop"},
              {"service.version", "1.24.3"},
              {"service.instance.id", "627cc493-f310-47de-96bd-71410b7dec09"},
              {"host.name", "node-17.eu-west-1.compute.internal"},
              {"k8s.namespace.name", "production"},
              {"k8s.pod.name", "checkout-7d9c8b6f5d-x2x9z"},
              {"k8s.deployment.name", "checkout"},
              {"telemetry.sdk.language", "cpp"},
              {"deployment.environment", "production"}});
  for (int i = 0; i < spans; ++i) {
    if (i % (spans / 2) == 0) b.Scope(i == 0 ? "http.server" : "db.client", "0.42.1");
    std::string trace = bytes(16), span = bytes(8), parent = bytes(8);
    std::string path = "/api/v1/orders/" + std::to_string(i * 7919), peer = "10.2." + std::to_string(i % 200) + ".7";
    uint64_t start = 1'700'000'000'000'000'000u + static_cast<uint64_t>(i) * 1'000'003;
    std::vector<EventData> events;
    std::vector<Attr> event_attributes = {{"exception.type", "TimeoutError"},
                                          {"exception.message", "deadline exceeded"}};
    if (i % 8 == 0) events.push_back({.time = start + 500, .name = "exception", .attributes = event_attributes});
    b.Add(SpanData{.trace_id = trace,
                   .span_id = span,
                   .parent_span_id = parent,
                   .name = "GET /api/v1/orders/{id}",
                   .flags = 257,
                   .kind = 2,
                   .start = start,
                   .end = start + 1'234'567,
                   .attributes = {{"http.request.method", "GET"},
                                  {"http.route", "/api/v1/orders/{id}"},
                                  {"url.path", path},
                                  {"http.response.status_code", i % 50 == 0 ? 500 : 200},
                                  {"network.peer.address", peer},
                                  {"user.id", i},
                                  {"server.port", 8443},
                                  {"thread.name", "worker-12"}},
                   .events = events,
                   .status_code = i % 50 == 0 ? 2 : 0});
  }
  return b.Finish();
}

const Slice& Request() {
  static const Slice* request = [] {
    auto* slice = new Slice(Traces(512));
    std::fprintf(stderr, "request: 512 spans, %zu bytes\n", slice->size());
    return slice;
  }();
  return *request;
}

void Report(benchmark::State& state, int64_t spans = 512) {
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(Request().size()) * spans / 512);
  // Seconds for one span; the console shows it as nanoseconds.
  state.counters["span"] = benchmark::Counter(static_cast<double>(spans) * static_cast<double>(state.iterations()),
                                              benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void BM_Scan(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Count(Signal::kTraces, Request().view()));
  Report(state);
}
BENCHMARK(BM_Scan);

void BM_ScanInChunksOf16K(benchmark::State& state) {
  for (auto _ : state) {
    Scanner scanner(Signal::kTraces);
    std::string_view rest = Request().view();
    for (; rest.size() > 16384; rest.remove_prefix(16384)) scanner.Feed(rest.substr(0, 16384));
    scanner.Feed(rest);
    benchmark::DoNotOptimize(scanner.Finish());
  }
  Report(state);
}
BENCHMARK(BM_ScanInChunksOf16K);

void BM_Validate(benchmark::State& state) {
  ValidateOptions options{.utf8 = state.range(0) != 0, .ids = true};
  for (auto _ : state) benchmark::DoNotOptimize(Validate(Signal::kTraces, Request().view(), options));
  Report(state);
}
BENCHMARK(BM_Validate)->ArgName("utf8")->Arg(0)->Arg(1);

void BM_CompareOneKeyOfEverySpan(benchmark::State& state) {
  for (auto _ : state) {
    size_t found = 0;
    for (const ResourceItems& r : Resources(Request().view())) {
      for (const ScopeItems& s : r.scopes) {
        for (const Span& span : s.records<Span>()) {
          bool hit = false;
          FindAttribute(span.attributes, "not.there", &hit);
          found += hit;
        }
      }
    }
    benchmark::DoNotOptimize(found);
  }
  Report(state);
}
BENCHMARK(BM_CompareOneKeyOfEverySpan);

void Edit(benchmark::State& state, EditSpec spec) {
  auto program = EditProgram::Compile(Signal::kTraces, std::move(spec));
  if (!program) return state.SkipWithError(program.error().message.c_str());
  for (auto _ : state) benchmark::DoNotOptimize(program->Apply(Request()));
  Report(state);
}

Action Set(Action::Kind kind, const char* key, const char* value) {
  return {.kind = kind, .key = key, .value = EncodeValue(value)};
}

void BM_EditOneResourceAttribute(benchmark::State& state) {
  Edit(state, {.resource = {Set(Action::Kind::kUpsert, "deployment.environment", "staging")}});
}
BENCHMARK(BM_EditOneResourceAttribute);

void BM_EditInsertIntoEverySpan(benchmark::State& state) {
  Edit(state, {.record = {Set(Action::Kind::kInsert, "env", "prod")}});
}
BENCHMARK(BM_EditInsertIntoEverySpan);

void BM_EditThreeOfEverySpan(benchmark::State& state) {
  Edit(state, {.record = {Set(Action::Kind::kInsert, "env", "prod"),
                          Set(Action::Kind::kUpsert, "http.route", "/x"),
                          {.kind = Action::Kind::kDelete, .key = "thread.name"}}});
}
BENCHMARK(BM_EditThreeOfEverySpan);

void BM_EditGenerally(benchmark::State& state) {
  Edit(state, {.record = {{.kind = Action::Kind::kInsert, .key = "copy", .from_attribute = "url.path"},
                          {.kind = Action::Kind::kConvert, .key = "user.id", .convert_to = Action::Type::kString},
                          {.kind = Action::Kind::kDelete, .key = "thread.name"}}});
}
BENCHMARK(BM_EditGenerally);

void BM_DropEverySecondSpan(benchmark::State& state) {
  Edit(state, {.drop = [n = 0](const RecordRef&) mutable { return n++ % 2 == 0; }});
}
BENCHMARK(BM_DropEverySecondSpan);

void BM_SplitIntoFour(benchmark::State& state) {
  std::vector<Slice> inputs = {Request()};
  for (auto _ : state) benchmark::DoNotOptimize(Split(Signal::kTraces, inputs, {.max_items = 128}));
  Report(state);
}
BENCHMARK(BM_SplitIntoFour);

// What a batcher does: sixteen requests and a bit, cut at 8192 spans.
void BM_SplitSeventeenRequestsAt8192(benchmark::State& state) {
  std::vector<Slice> inputs(17, Request());
  for (auto _ : state) benchmark::DoNotOptimize(Split(Signal::kTraces, inputs, {.max_items = 8192}));
  Report(state, 17 * 512);
}
BENCHMARK(BM_SplitSeventeenRequestsAt8192);

void BM_Build(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Traces(512));
  Report(state);
}
BENCHMARK(BM_Build);

}  // namespace
}  // namespace naru::otlp
