#include "apps/payload.h"

#include <fmt/core.h>

#include <string>

#include "otlp/build.h"

namespace naru::apps {

using otlp::Attr;
using otlp::Signal;

namespace {

// splitmix64: enough for telemetry that only has to look varied.
class Dice {
 public:
  explicit Dice(uint64_t seed) : s_(seed) {}
  uint64_t Next() {
    uint64_t z = (s_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t n) { return Next() % n; }
  std::string Bytes(size_t n) {
    std::string out;
    while (out.size() < n) {
      uint64_t x = Next();
      out.append(reinterpret_cast<char*>(&x), std::min<size_t>(8, n - out.size()));
    }
    return out;
  }

 private:
  uint64_t s_;
};

constexpr const char* kServices[] = {"frontend", "checkout", "payment", "warehouse"};
constexpr const char* kRoutes[] = {"/cart", "/checkout", "/product/{id}", "/pay", "/stock/{sku}"};
constexpr const char* kMethods[] = {"GET", "POST", "PUT"};

void Resource(otlp::RequestBuilder& b, size_t service, uint64_t seed) {
  std::string instance = fmt::format("{}-7c9f{:04x}-{}", kServices[service], seed & 0xffff, service),
              host = fmt::format("node-{}", seed % 16);
  b.Resource({{"service.name", kServices[service]},
              {"service.namespace", "shop"},
              {"service.version", "2.4.1"},
              {"service.instance.id", instance},
              {"host.name", host},
              {"deployment.environment.name", "demo"},
              {"telemetry.sdk.language", "cpp"},
              {"telemetry.sdk.name", "opentelemetry"}});
  b.Scope("naru.send", "1");
}

void Spans(otlp::RequestBuilder& b, uint64_t items, uint64_t seed, uint64_t now) {
  // Span k belongs to trace k / 8 and to service k % 4 of it; a service's spans lie together, as a batch of one process
  // would.
  constexpr uint64_t kTrace = 8;
  for (size_t service = 0; service < 4 && service < items; ++service) {
    Resource(b, service, seed);
    for (uint64_t k = service; k < items; k += 4) {
      Dice trace(seed * 1000003 + k / kTrace);
      std::string trace_id = trace.Bytes(16);
      auto span_id = [&](uint64_t i) { return Dice(seed * 7919 + k / kTrace * 64 + i).Bytes(8); };
      uint64_t i = k % kTrace;
      std::string id = span_id(i), parent = i == 0 ? "" : span_id((i - 1) / 2);
      Dice d(seed ^ (k * 2654435761));
      uint64_t length = 400'000 + d.Below(3'000'000) + (kTrace - i) * 4'000'000,
               start = now - 60'000'000 + i * 3'000'000;
      bool error = d.Below(40) == 0;
      int64_t status = error ? 500 : 200;
      std::string user = fmt::format("user-{:05}", d.Below(100000)),
                  url = fmt::format("https://shop.example{}?page={}", kRoutes[d.Below(5)], d.Below(50));
      const char* method = kMethods[d.Below(3)];
      std::string name = fmt::format("{} {}", method, kRoutes[k % 5]);
      Attr attributes[] = {{"http.request.method", method},
                           {"http.response.status_code", status},
                           {"url.path", kRoutes[k % 5]},
                           {"url.full", url},
                           {"user.id", user},
                           {"server.port", static_cast<int64_t>(8080)},
                           {"network.protocol.version", "1.1"},
                           {"shop.cart.items", static_cast<int64_t>(d.Below(20))}};
      otlp::SpanData s;
      s.trace_id = trace_id;
      s.span_id = id;
      s.parent_span_id = parent;
      s.name = name;
      s.kind = i == 0 ? 2 : 3;
      s.start = start;
      s.end = start + length;
      s.flags = 0x101;
      s.attributes = std::span<const Attr>(attributes);
      s.status_code = error ? 2 : 0;
      if (error) {
        Attr why[] = {{"exception.type", "PaymentDeclined"}, {"exception.message", "the card was declined"}};
        otlp::EventData event{start + length / 2, "exception", std::span<const Attr>(why), 0};
        s.events = std::span<const otlp::EventData>(&event, 1);
        s.status_message = "declined";
        b.Add(s);
      } else {
        b.Add(s);
      }
    }
  }
}

void Logs(otlp::RequestBuilder& b, uint64_t items, uint64_t seed, uint64_t now) {
  static constexpr struct {
    int number;
    const char* text;
  } kLevels[] = {{9, "INFO"}, {9, "INFO"}, {9, "INFO"}, {13, "WARN"}, {5, "DEBUG"}, {17, "ERROR"}};
  for (size_t service = 0; service < 4 && service < items; ++service) {
    Resource(b, service, seed);
    for (uint64_t k = service; k < items; k += 4) {
      Dice d(seed ^ (k * 2654435761));
      auto& level = kLevels[d.Below(6)];
      std::string trace_id = d.Bytes(16), span_id = d.Bytes(8), order = fmt::format("{:08x}", d.Next() & 0xffffffff);
      std::string body = fmt::format("order {} of user-{:05} went through {} in {} ms with {} items in the cart", order,
                                     d.Below(100000), kServices[service], d.Below(900), d.Below(20));
      Attr attributes[] = {{"shop.order.id", order},
                           {"code.function.name", "shop::Checkout"},
                           {"thread.id", static_cast<int64_t>(d.Below(64))}};
      otlp::LogData l;
      l.time = l.observed_time = now - (items - k) * 1000;
      l.severity_number = level.number;
      l.severity_text = level.text;
      l.body = body;
      l.attributes = std::span<const Attr>(attributes);
      l.trace_id = trace_id;
      l.span_id = span_id;
      l.flags = 1;
      b.Add(l);
    }
  }
}

void Points(otlp::RequestBuilder& b, uint64_t items, uint64_t seed, uint64_t now) {
  uint64_t left = items, start = now - 60'000'000'000;
  static const std::vector<double> kBounds = {5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000};
  for (size_t service = 0; service < 4 && left > 0; ++service) {
    Resource(b, service, seed);
    uint64_t mine = service == 3 ? left : std::min(left, (items + 3) / 4);
    left -= mine;
    for (uint64_t done = 0; done < mine;) {
      uint64_t kind = (done / 8) % 3, n = std::min<uint64_t>(8, mine - done);
      otlp::MetricData m;
      m.name = kind == 0   ? "http.server.request.count"
               : kind == 1 ? "process.memory.usage"
                           : "http.server.request.duration";
      m.unit = kind == 0 ? "{request}" : kind == 1 ? "By" : "ms";
      m.kind = kind == 0   ? otlp::Metric::Kind::kSum
               : kind == 1 ? otlp::Metric::Kind::kGauge
                           : otlp::Metric::Kind::kHistogram;
      m.temporality = kind == 1 ? 0 : 2;
      m.monotonic = kind == 0;
      b.Metric(m);
      for (uint64_t i = 0; i < n; ++i) {
        Dice d(seed ^ ((done + i) * 2654435761) ^ service);
        std::string route = fmt::format("{}#{}", kRoutes[i % 5], (done + i) / 24);
        Attr attributes[] = {{"http.route", route},
                             {"http.request.method", kMethods[i % 3]},
                             {"http.response.status_code", static_cast<int64_t>(200)}};
        if (kind == 2) {
          std::vector<uint64_t> counts(15);
          uint64_t total = 0;
          for (auto& c : counts) total += c = d.Below(50);
          otlp::HistogramPointData p;
          p.attributes = std::span<const Attr>(attributes);
          p.start = start;
          p.time = now;
          p.count = total;
          p.has_sum = true;
          p.sum = static_cast<double>(total) * 42.5;
          p.bucket_counts = counts;
          p.bounds = kBounds;
          b.Add(p);
        } else {
          otlp::NumberPointData p;
          p.attributes = std::span<const Attr>(attributes);
          p.start = kind == 0 ? start : 0;
          p.time = now;
          p.number = static_cast<int64_t>(d.Below(1'000'000));
          b.Add(p);
        }
      }
      done += n;
    }
  }
}

}  // namespace

Payload MakePayload(Signal signal, uint64_t items, uint64_t seed, uint64_t now) {
  otlp::RequestBuilder b(signal, items * 400 + 4096);
  switch (signal) {
    case Signal::kLogs:
      Logs(b, items, seed, now);
      break;
    case Signal::kMetrics:
      Points(b, items, seed, now);
      break;
    default:
      Spans(b, items, seed, now);
  }
  uint64_t n = b.items();
  return {b.Finish(), n};
}

}  // namespace naru::apps
