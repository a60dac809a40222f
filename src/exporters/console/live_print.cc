#include "exporters/console/live_print.h"

#include <algorithm>
#include <ctime>
#include <functional>
#include <set>

#include <fmt/core.h>

#include "otlp/text.h"
#include "otlp/views.h"
#include "wire/hash.h"

namespace naru::exporters::console {
namespace {

constexpr std::string_view kReset = "\x1b[0m", kBold = "\x1b[1m", kDim = "\x1b[2m", kRed = "\x1b[31m",
                           kGreen = "\x1b[32m", kYellow = "\x1b[33m", kBlue = "\x1b[34m", kCyan = "\x1b[36m";

std::string Paint(const PrintOptions& o, std::string_view color, std::string_view text) {
  if (!o.color) return std::string(text);
  return std::string(color) + std::string(text) + std::string(kReset);
}

// Telemetry comes from outside: what could move the cursor or change colours is shown, not obeyed.
std::string Safe(std::string_view text, size_t most) {
  std::string out;
  for (unsigned char c : text) {
    if (out.size() >= most) {
      out += "...";
      break;
    }
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += ' ';
    else if (c < 0x20 || c == 0x7f)
      out += '?';
    else
      out += static_cast<char>(c);
  }
  return out;
}

std::string Clock(uint64_t unix_nano) {
  auto s = static_cast<time_t>(unix_nano / 1'000'000'000);
  tm t{};
  localtime_r(&s, &t);
  return fmt::format("{:02}:{:02}:{:02}.{:03}", t.tm_hour, t.tm_min, t.tm_sec, unix_nano / 1'000'000 % 1000);
}

std::string Length(uint64_t nanos) {
  if (nanos < 1000) return fmt::format("{} ns", nanos);
  if (nanos < 1'000'000) return fmt::format("{:.1f} us", static_cast<double>(nanos) / 1e3);
  if (nanos < 1'000'000'000) return fmt::format("{:.1f} ms", static_cast<double>(nanos) / 1e6);
  return fmt::format("{:.2f} s", static_cast<double>(nanos) / 1e9);
}

std::string Service(const otlp::Resource& r) {
  bool found = false;
  otlp::AnyValue v = otlp::FindAttribute(r.attributes, "service.name", &found);
  return found ? Safe(otlp::ValueText(v), 40) : "?";
}

}  // namespace

void TracePrinter::Add(std::string_view request, MonoTime now) {
  for (const otlp::ResourceItems& r : otlp::Resources(request)) {
    std::string service = Service(r.resource);
    for (const otlp::ScopeItems& s : r.scopes) {
      for (const otlp::Span& span : s.records<otlp::Span>()) {
        if (spans_ >= kMaxSpans) return;
        std::string id = wire::HexEncode(span.trace_id);
        if (traces_.size() >= kMaxTraces && !traces_.count(id)) continue;
        Trace& t = traces_[id];
        t.last = now;
        Entry e;
        e.span_id = std::string(span.span_id);
        e.parent_id = std::string(span.parent_span_id);
        e.service = service;
        e.name = Safe(span.name, 60);
        e.start = span.start;
        e.end = std::max(span.start, span.end);
        e.kind = span.kind;
        e.status = span.status.code;
        if (span.status.code == 2) e.error = Safe(span.status.message, 60);
        t.spans.push_back(std::move(e));
        ++spans_;
      }
    }
  }
}

std::string TracePrinter::Take(MonoTime now, Duration quiet) {
  std::string out;
  for (auto it = traces_.begin(); it != traces_.end();) {
    bool full = traces_.size() >= kMaxTraces || spans_ >= kMaxSpans;
    if (!full && now - it->second.last < quiet) {
      ++it;
      continue;
    }
    out += Print(it->first, it->second);
    spans_ -= it->second.spans.size();
    it = traces_.erase(it);
  }
  return out;
}

std::string TracePrinter::Print(const std::string& trace_id, const Trace& trace) const {
  auto spans = trace.spans;
  std::sort(spans.begin(), spans.end(), [](auto& a, auto& b) { return a.start < b.start; });
  std::map<std::string, std::vector<size_t>> children;
  std::set<std::string> ids, services;
  for (auto& s : spans) {
    ids.insert(s.span_id);
    services.insert(s.service);
  }
  std::vector<size_t> roots;
  uint64_t begin = UINT64_MAX, end = 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    auto& s = spans[i];
    begin = std::min(begin, s.start);
    end = std::max(end, s.end);
    if (s.parent_id.empty() || !ids.count(s.parent_id) || s.parent_id == s.span_id)
      roots.push_back(i);
    else
      children[s.parent_id].push_back(i);
  }
  if (roots.empty() && !spans.empty()) roots.push_back(0);  // a ring of parents: shown from its earliest span
  const Entry& root = spans[roots[0]];
  std::string out =
      fmt::format("{} {}  {}  {}  {} service{}, {} span{}\n", Paint(options_, kBold, "trace"),
                  Paint(options_, kCyan, trace_id), Clock(begin), Paint(options_, kBold, Length(root.end - root.start)),
                  services.size(), services.size() == 1 ? "" : "s", spans.size(), spans.size() == 1 ? "" : "s");
  uint64_t whole = std::max<uint64_t>(1, end - begin);
  size_t bar = options_.width > 80 ? 30 : 20, shown = 0;
  std::vector<bool> seen(spans.size());
  std::function<void(size_t, const std::string&, bool, int)> walk = [&](size_t i, const std::string& lead, bool last,
                                                                        int depth) {
    if (seen[i] || depth > 60) return;
    seen[i] = true;
    if (++shown > 200) return;
    auto& s = spans[i];
    std::string label = lead + (depth == 0 ? "" : last ? "└ " : "├ ") + s.service + " " + s.name;
    size_t cells = 0;
    for (unsigned char c : label) cells += (c & 0xc0) != 0x80;
    size_t column = 56;
    if (cells < column) label.append(column - cells, ' ');
    auto from = static_cast<size_t>(static_cast<double>(s.start - begin) / static_cast<double>(whole) *
                                    static_cast<double>(bar));
    auto to =
        static_cast<size_t>(static_cast<double>(s.end - begin) / static_cast<double>(whole) * static_cast<double>(bar));
    from = std::min(from, bar - 1);
    to = std::clamp(to, from + 1, bar);
    std::string blocks;
    for (size_t k = from; k < to; ++k) blocks += "█";
    bool bad = s.status == 2;
    out +=
        fmt::format("  {} {}{}{} {:>9}{}\n", label, std::string(from, ' '),
                    Paint(options_, bad ? kRed : kGreen, blocks), std::string(bar - to, ' '), Length(s.end - s.start),
                    bad ? "  " + Paint(options_, kRed, "error" + (s.error.empty() ? "" : ": " + s.error)) : "");
    auto it = children.find(s.span_id);
    if (it == children.end()) return;
    std::string deeper = depth == 0 ? lead : lead + (last ? "  " : "│ ");
    for (size_t k = 0; k < it->second.size(); ++k) walk(it->second[k], deeper, k + 1 == it->second.size(), depth + 1);
  };
  for (size_t r : roots) walk(r, "", true, 0);
  if (shown > 200) out += fmt::format("  ... {} more spans\n", spans.size() - 200);
  return out;
}

std::string PrintLogs(std::string_view request, const PrintOptions& o) {
  std::string out;
  for (const otlp::ResourceItems& r : otlp::Resources(request)) {
    std::string service = Service(r.resource);
    for (const otlp::ScopeItems& s : r.scopes) {
      for (const otlp::LogRecord& l : s.records<otlp::LogRecord>()) {
        int n = l.severity_number;
        static constexpr std::string_view kNames[] = {"-----", "TRACE", "DEBUG", "INFO ", "WARN ", "ERROR", "FATAL"};
        int group = n <= 0 || n > 24 ? 0 : (n - 1) / 4 + 1;
        std::string_view color = group >= 5   ? kRed
                                 : group == 4 ? kYellow
                                 : group == 3 ? kGreen
                                 : group == 0 ? kReset
                                              : kDim;
        out += fmt::format("{} {} {} {}", Clock(l.time ? l.time : l.observed_time), Paint(o, color, kNames[group]),
                           Paint(o, kBlue, service), Safe(otlp::ValueText(l.body), 400));
        int shown = 0;
        for (const otlp::KeyValue& a : l.attributes) {
          if (++shown > 6) break;
          out += " " + Paint(o, kDim, fmt::format("{}={}", Safe(a.key, 40), Safe(otlp::ValueText(a.value), 60)));
        }
        if (!l.trace_id.empty()) out += " " + Paint(o, kDim, "trace=" + wire::HexEncode(l.trace_id));
        out += '\n';
      }
    }
  }
  return out;
}

namespace {

std::string Labels(const otlp::Attributes& attributes) {
  std::string out;
  int shown = 0;
  for (const otlp::KeyValue& a : attributes) {
    if (++shown > 8) break;
    out += (out.empty() ? "{" : ", ") + Safe(a.key, 40) + "=" + Safe(otlp::ValueText(a.value), 40);
  }
  return out.empty() ? out : out + "}";
}

std::string Number(otlp::NumberKind kind, int64_t integer, double real) {
  if (kind == otlp::NumberKind::kInt) return std::to_string(integer);
  return kind == otlp::NumberKind::kNone ? "no value" : fmt::format("{:g}", real);
}

}  // namespace

std::string PrintMetrics(std::string_view request, const PrintOptions& o) {
  std::string out;
  auto line = [&](const std::string& service, const otlp::Metric& m, const otlp::Attributes& a,
                  const std::string& value) {
    out += fmt::format("{} {}{} = {} {}\n", Paint(o, kBlue, service), Paint(o, kBold, Safe(m.name, 80)), Labels(a),
                       value, Safe(m.unit, 20));
  };
  for (const otlp::ResourceItems& r : otlp::Resources(request)) {
    std::string service = Service(r.resource);
    for (const otlp::ScopeItems& s : r.scopes) {
      for (const otlp::Metric& m : s.records<otlp::Metric>()) {
        switch (m.kind) {
          case otlp::Metric::Kind::kGauge:
          case otlp::Metric::Kind::kSum:
            for (const otlp::NumberPoint& p : m.points<otlp::NumberPoint>())
              line(service, m, p.attributes, Number(p.number, p.integer, p.real));
            break;
          case otlp::Metric::Kind::kHistogram:
            for (const otlp::HistogramPoint& p : m.points<otlp::HistogramPoint>()) {
              line(service, m, p.attributes,
                   fmt::format("count {} mean {:g}", p.count, p.count ? p.sum / static_cast<double>(p.count) : 0));
            }
            break;
          case otlp::Metric::Kind::kExpHistogram:
            for (const otlp::ExpHistogramPoint& p : m.points<otlp::ExpHistogramPoint>()) {
              line(service, m, p.attributes,
                   fmt::format("count {} mean {:g}", p.count, p.count ? p.sum / static_cast<double>(p.count) : 0));
            }
            break;
          case otlp::Metric::Kind::kSummary:
            for (const otlp::SummaryPoint& p : m.points<otlp::SummaryPoint>())
              line(service, m, p.attributes, fmt::format("count {} sum {:g}", p.count, p.sum));
            break;
          default:
            break;
        }
      }
    }
  }
  return out;
}

}  // namespace naru::exporters::console
