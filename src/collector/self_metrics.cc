#include "collector/self_metrics.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "base/system_memory.h"
#include "collector/own_exporter.h"
#include "conf/scalar.h"
#include "pipeline/ack.h"
#include "pipeline/config/listener.h"

namespace naru::collector {

using pipeline::Attributes;
using pipeline::Entry;
using pipeline::MetricLevel;
using pipeline::Metrics;

namespace {

std::string_view ItemNoun(const std::string& signal) {
  auto s = otlp::SignalByName(signal);
  return s ? otlp::Names(*s).items : std::string_view("items");
}

class Families {
 public:
  void Add(std::string name, std::string_view description, std::string_view unit, Metrics::Kind kind,
           Attributes attributes, double value) {
    auto it = std::find_if(list_.begin(), list_.end(), [&](auto& f) { return f.instrument.name == name; });
    if (it == list_.end()) {
      list_.push_back({{std::move(name), std::string(description), std::string(unit), kind, MetricLevel::kBasic}, {}});
      it = std::prev(list_.end());
    }
    std::sort(attributes.begin(), attributes.end());
    for (auto& s : it->series) {
      if (s.attributes == attributes) {
        s.value += value;
        return;
      }
    }
    it->series.push_back({std::move(attributes), value, {}});
  }
  std::vector<Metrics::Family> list_;
};

// Exporters of own telemetry: in the ledger, and not among those that the user configured.
bool IsOwn(std::string_view id) {
  return id.starts_with(kOwnPrefix);
}

void FromLedger(Families& out, const pipeline::Ledger::Line& l, const Metrics& metrics, MetricLevel level) {
  using K = Metrics::Kind;
  auto v = static_cast<double>(l.value);
  std::string noun(ItemNoun(l.owner.signal));
  const auto& o = l.owner;
  if (o.kind == "receiver") {
    Attributes a = {{"receiver", o.id}, {"transport", o.transport}};
    if (l.entry == Entry::kAccepted) {
      out.Add("otelcol_receiver_accepted_" + noun,
              fmt::format("Number of {} successfully pushed into the pipeline.", noun), "{" + noun + "}", K::kCounter,
              a, v);
    } else if (l.entry == Entry::kFailed) {
      out.Add("otelcol_receiver_failed_" + noun, fmt::format("Number of {} that the receiver itself lost.", noun),
              "{" + noun + "}", K::kCounter, a, v);
    } else if (l.entry == Entry::kRefused) {
      out.Add("otelcol_receiver_refused_" + noun,
              fmt::format("Number of {} that could not be pushed into the pipeline.", noun), "{" + noun + "}",
              K::kCounter, a, v);
    } else if (l.entry == Entry::kOffered) {
      out.Add("otelcol_receiver_offered_" + noun,
              fmt::format("Number of {} read from clients: accepted, refused or still without an answer.", noun),
              "{" + noun + "}", K::kCounter, a, v);
    } else if (l.entry == Entry::kRequests) {
      a.emplace_back("outcome", l.reason);
      out.Add("otelcol_receiver_requests", "Requests by their outcome.", "{requests}", K::kCounter, a, v);
    }
    return;
  }
  if ((o.kind == "exporter" && !IsOwn(o.id)) || o.kind == "connector") {
    Attributes a = {{o.kind, o.id}};
    bool ended = l.entry == Entry::kSent || l.entry == Entry::kDropped || l.reason == "send_failed";
    if (o.kind == "exporter" && ended) {
      for (auto& more : metrics.ExporterAttributes(o.id, o.signal)) a.push_back(std::move(more));
    }
    std::string base = "otelcol_" + o.kind + "_";
    if (l.entry == Entry::kSent) {
      out.Add(base + "sent_" + noun, fmt::format("Number of {} successfully sent to destination.", noun),
              "{" + noun + "}", K::kCounter, a, v);
    } else if (l.entry == Entry::kRefused && l.reason != "send_failed") {
      out.Add(base + "enqueue_failed_" + noun,
              fmt::format("Number of {} failed to be added to the sending queue.", noun), "{" + noun + "}", K::kCounter,
              a, v);
    } else if (l.entry == Entry::kDropped || l.entry == Entry::kRefused) {
      // Without a queue what could not be sent is given back to who offered it: a failure to send all the same.
      if (level == MetricLevel::kDetailed && !o.error.empty()) {
        a.emplace_back("error.type", o.error);
        a.emplace_back("error.permanent", o.permanent ? "true" : "false");
      }
      out.Add(base + "send_failed_" + noun,
              fmt::format("Number of {} in failed attempts to send to destination.", noun), "{" + noun + "}",
              K::kCounter, a, v);
    }
  }
  if (o.kind == "processor" && (l.entry == Entry::kEntered || l.entry == Entry::kExited)) {
    Attributes a = {{"processor", o.id}, {"otel_signal", o.signal}};
    bool in = l.entry == Entry::kEntered;
    out.Add(in ? "otelcol_processor_incoming_items" : "otelcol_processor_outgoing_items",
            in ? "Number of items passed to the processor." : "Number of items emitted from the processor.", "{items}",
            K::kCounter, a, v);
  }
  if (o.kind == "processor" && l.entry == Entry::kExited && o.id.substr(0, o.id.find('/')) == "memory_limiter") {
    out.Add("otelcol_processor_memory_limiter_accepted_" + noun, "Items that the memory limiter let through.",
            "{" + noun + "}", K::kCounter, {{"processor", o.id}}, v);
  }
  if (o.kind == "processor" && l.reason == "memory" && l.entry == Entry::kRefused) {
    out.Add("otelcol_processor_memory_limiter_refused_" + noun, "Items refused by the memory limiter.",
            "{" + noun + "}", K::kCounter, {{"processor", o.id}}, v);
  }
  if (o.kind == "processor" && l.entry == Entry::kFiltered && o.id.substr(0, o.id.find('/')) == "filter") {
    std::string what = o.signal == "traces" ? "spans" : o.signal == "logs" ? "logs" : "datapoints";
    out.Add("otelcol_processor_filter_" + what + "_filtered", "Items removed by the filter processor.", "1",
            K::kCounter, {{"filter", o.id}}, v);
  }
  // The ledger itself: what the equations are made of.
  Attributes a = {
      {"kind", o.kind}, {"id", o.id}, {"signal", o.signal}, {"entry", std::string(pipeline::EntryName(l.entry))}};
  if (!l.reason.empty()) a.emplace_back("reason", l.reason);
  if (!o.pipeline.empty() && o.kind != "pipeline") a.emplace_back("pipeline", o.pipeline);
  out.Add("otelcol_naru_ledger_items",
          "Where every item is: entered + returned = exited or sent + filtered + dropped + refused + held.", "{items}",
          K::kUpDown, a, v);
}

std::string Label(std::string_view name) {
  std::string out;
  for (char c : name)
    out += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ? c : '_';
  return out;
}

void AppendLabels(std::string& out, const Attributes& attributes, std::string_view extra_name = {},
                  std::string_view extra = {}) {
  if (attributes.empty() && extra_name.empty()) return;
  out += '{';
  bool first = true;
  auto add = [&](std::string_view k, std::string_view v) {
    if (!first) out += ',';
    first = false;
    out += k;
    out += "=\"";
    for (char c : v) {
      if (c == '\\' || c == '"') out += '\\';
      if (c == '\n')
        out += "\\n";
      else
        out += c;
    }
    out += '"';
  };
  for (auto& [k, v] : attributes) add(Label(k), v);
  if (!extra_name.empty()) add(extra_name, extra);
  out += '}';
}

std::string Number(double d) {
  if (std::isinf(d)) return d > 0 ? "+Inf" : "-Inf";
  if (std::isnan(d)) return "NaN";
  return conf::FormatDouble(d);
}

}  // namespace

std::vector<Metrics::Family> CollectSelf(pipeline::Host& host, uint64_t start, MetricLevel level,
                                         const size_t* window) {
  using K = Metrics::Kind;
  Families out;
  for (auto& f : host.metrics().Collect(window)) {
    std::erase_if(f.series, [](auto& s) {
      return std::any_of(s.attributes.begin(), s.attributes.end(),
                         [](auto& a) { return a.first == "exporter" && IsOwn(a.second); });
    });
    if (f.instrument.level <= level && !f.series.empty()) out.list_.push_back(std::move(f));
  }
  for (auto& l : host.ledger().Snapshot()) FromLedger(out, l, host.metrics(), level);
  Clock& clock = host.control_loop().clock();
  out.Add("otelcol_process_uptime", "Uptime of the process", "s", K::kCounter, {},
          static_cast<double>(clock.UnixNano() - start) / 1e9);
  out.Add("otelcol_process_cpu_seconds", "Total CPU user and system time in seconds", "s", K::kCounter, {},
          static_cast<double>(ProcessCpuNanos()) / 1e9);
  out.Add("otelcol_process_memory_rss", "Total physical memory (resident set size)", "By", K::kGauge, {},
          static_cast<double>(ResidentMemory()));
  auto used = static_cast<double>(host.gate().budget().used());
  out.Add("otelcol_process_runtime_heap_alloc_bytes", "Bytes of memory that telemetry and connections hold", "By",
          K::kGauge, {}, used);
  out.Add("otelcol_process_runtime_total_alloc_bytes", "Bytes that telemetry and connections ever took", "By",
          K::kCounter, {}, static_cast<double>(host.gate().budget().total()));
  out.Add("otelcol_process_runtime_total_sys_memory_bytes", "Total bytes of memory obtained from the OS", "By",
          K::kGauge, {}, static_cast<double>(ResidentMemory()));
  out.Add("otelcol_naru_memory_refused_requests", "Requests refused before they were read, for lack of memory",
          "{requests}", K::kCounter, {}, static_cast<double>(host.gate().refused_requests()));
  out.Add("otelcol_naru_lost_items", "Items whose fate was never told: a bug in naru when not zero", "{items}",
          K::kCounter, {}, static_cast<double>(pipeline::Ack::LostItems()));
  std::sort(out.list_.begin(), out.list_.end(), [](auto& a, auto& b) { return a.instrument.name < b.instrument.name; });
  return std::move(out.list_);
}

std::string RenderPage(const std::vector<Metrics::Family>& families, const PageStyle& style,
                       const Attributes& resource) {
  std::string out;
  out.reserve(16384);
  for (auto& f : families) {
    std::string name = Label(f.instrument.name);  // dots of the semantic conventions become underscores
    if (!style.without_units) {
      static const std::pair<std::string_view, std::string_view> kUnits[] = {
          {"s", "_seconds"}, {"By", "_bytes"}, {"ms", "_milliseconds"}, {"1", "_ratio"}};
      for (auto& [u, suffix] : kUnits) {
        if (u == "1" && f.instrument.kind != Metrics::Kind::kGauge && f.instrument.kind != Metrics::Kind::kUpDown)
          continue;
        if (f.instrument.unit == u && !name.ends_with(suffix)) name += suffix;
      }
    }
    bool counter = f.instrument.kind == Metrics::Kind::kCounter;
    if (counter && !style.without_type_suffix) name += "_total";
    bool histogram = f.instrument.kind == Metrics::Kind::kHistogram;
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, f.instrument.description, name,
                       histogram ? "histogram"
                       : counter ? "counter"
                                 : "gauge");
    for (Metrics::Series s : f.series) {
      Attributes a = s.attributes;
      for (auto& [k, v] : resource) {
        if (style.resource_labels && style.resource_labels->Has(k)) a.emplace_back(k, v);
      }
      if (!style.without_scope_info) {
        a.emplace_back("otel_scope_name", "naru");
        a.emplace_back("otel_scope_schema_url", "");
        a.emplace_back("otel_scope_version", "");
      }
      if (!histogram) {
        out += name;
        AppendLabels(out, a);
        out += ' ' + Number(s.value) + '\n';
        continue;
      }
      uint64_t total = 0;
      // The text format has no exponential buckets: as from Go's exporter, only the whole is shown.
      if (s.histogram.exponential) s.histogram.counts = {s.histogram.count};
      for (size_t i = 0; i < s.histogram.counts.size(); ++i) {
        total += s.histogram.counts[i];
        out += name + "_bucket";
        AppendLabels(out, a, "le", i < s.histogram.bounds.size() ? Number(s.histogram.bounds[i]) : "+Inf");
        out += ' ' + std::to_string(total) + '\n';
      }
      out += name + "_sum";
      AppendLabels(out, a);
      out += ' ' + Number(s.histogram.sum) + '\n' + name + "_count";
      AppendLabels(out, a);
      out += ' ' + std::to_string(s.histogram.count) + '\n';
    }
  }
  out += "# HELP target_info Target metadata\n# TYPE target_info gauge\ntarget_info";
  AppendLabels(out, resource);
  out += " 1\n";
  return out;
}

SelfMetrics::SelfMetrics(pipeline::Host& host) : host_(host), start_(host.control_loop().clock().UnixNano()) {}
SelfMetrics::~SelfMetrics() = default;

std::shared_ptr<const SelfMetrics::Settings> SelfMetrics::settings() const {
  std::lock_guard lock(mutex_);
  return settings_;
}

std::vector<Metrics::Family> SelfMetrics::Collect(const size_t* window) const {
  auto s = settings();
  auto families = CollectSelf(host_, start_, s->level, window);
  if (s->lines) {
    auto add = [&](std::string name, std::string text, uint64_t value) {
      families.push_back({{std::move(name), std::move(text), "{lines}", Metrics::Kind::kCounter, MetricLevel::kBasic},
                          {{{}, static_cast<double>(value), {}}}});
    };
    add("otelcol_naru_log_lines_sampled_out", "Own log lines that sampling left out", s->lines->sampled_out());
    add("otelcol_naru_log_lines_unwritten", "Own log lines that an output did not take", s->lines->unwritten());
  }
  return ApplyViews(s->views, std::move(families));
}

Status SelfMetrics::Serve(const MetricsTelemetryConfig& c, Attributes resource,
                          std::shared_ptr<const LogOutput> lines) {
  auto next = std::make_shared<Settings>();
  next->level = c.level == "none"       ? MetricLevel::kNone
                : c.level == "basic"    ? MetricLevel::kBasic
                : c.level == "detailed" ? MetricLevel::kDetailed
                                        : MetricLevel::kNormal;
  next->views = c.views;
  host_.metrics().SetLevel(next->level);
  next->resource = std::move(resource);
  next->lines = std::move(lines);
  struct Want {
    std::string address;
    PageStyle style;
  };
  std::vector<Want> wants;
  auto want = [&](const std::string& host, int64_t port, PageStyle style) {
    wants.push_back(
        {fmt::format("{}:{}", host.find(':') != std::string::npos ? "[" + host + "]" : host, port), std::move(style)});
  };
  for (auto& r : c.readers) {
    if (!r.pull || !r.pull->exporter.prometheus) continue;
    auto& p = *r.pull->exporter.prometheus;
    PageStyle style{p.without_type_suffix, p.without_units, p.without_scope_info, nullptr};
    if (p.with_resource_constant_labels)
      style.resource_labels = std::make_shared<const IncludeExclude>(*p.with_resource_constant_labels);
    want(p.host, p.port, std::move(style));
  }
  if (!c.address.empty()) {
    size_t colon = c.address.rfind(':');
    if (colon == std::string::npos)
      return Fail(Code::kInvalidArgument, "service::telemetry::metrics::address: \"{}\" lacks a port", c.address);
    wants.push_back({c.address, {}});
  }
  if (next->level == MetricLevel::kNone) wants.clear();

  if (!server_ && !wants.empty())
    server_ = std::make_unique<net::HttpServer>(host_.loops(), net::HttpServerOptions(), *this, host_.gate().budget());
  std::vector<Page> opened;
  auto kept = [&](const std::string& address) {
    return std::find_if(pages_.begin(), pages_.end(), [&](auto& p) { return p.address == address; });
  };
  for (auto& w : wants) {
    if (kept(w.address) != pages_.end()) continue;
    auto address = pipeline::ListenAddress(w.address, "tcp");
    if (!address) return tl::unexpected(address.error());
    auto listener = host_.control_loop().Listen(
        *address, {}, [this](net::Loop& loop, std::unique_ptr<net::Stream> s) { server_->Accept(loop, std::move(s)); });
    if (!listener)
      return Fail(listener.error().code, "own metrics: {} (service::telemetry::metrics::readers changes the address)",
                  listener.error().message);
    pipeline::WarnIfExposed(Logger(), (*listener)->local());
    opened.push_back({w.address, std::move(*listener)});
  }
  for (auto& w : wants) {
    if (auto it = kept(w.address); it != pages_.end()) opened.push_back(std::move(*it));
    auto page = std::find_if(opened.begin(), opened.end(), [&](auto& p) { return p.address == w.address; });
    next->styles.emplace_back(page->listener->local().port, w.style);
  }
  pages_ = std::move(opened);
  host_.metrics().SetShapes([next](const Metrics::Instrument& i) { return ViewShape(next->views, i); });
  std::lock_guard lock(mutex_);
  settings_ = std::move(next);
  return {};
}

void SelfMetrics::Shutdown(MonoTime deadline, std::function<void()> done) {
  pages_.clear();
  if (!server_) return done();
  server_->Shutdown(deadline, std::move(done));
}

std::shared_ptr<net::RequestHandler> SelfMetrics::OnRequest(const net::RequestHead& head, net::ServerCall& call) {
  if (head.path != "/metrics" && head.path != "/") {
    call.Respond(404, {{"content-type", "text/plain"}}, Slice::Static("404 page not found\n"));
    return nullptr;
  }
  if (head.method != "GET" && head.method != "HEAD") {
    call.Respond(405, {{"content-type", "text/plain"}, {"allow", "GET"}}, Slice());
    return nullptr;
  }
  auto s = settings();
  PageStyle style = s->styles.empty() ? PageStyle() : s->styles.front().second;
  size_t colon = head.authority.rfind(':');
  int port = colon == std::string_view::npos ? 0 : std::atoi(std::string(head.authority.substr(colon + 1)).c_str());
  for (auto& [at, its] : s->styles) {
    if (at == port) style = its;
  }
  call.Respond(200, {{"content-type", "text/plain; version=0.0.4; charset=utf-8"}},
               Slice::CopyOf(RenderPage(Collect(), style, s->resource)));
  return nullptr;
}

}  // namespace naru::collector
