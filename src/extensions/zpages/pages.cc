#include "extensions/zpages/pages.h"

#include <algorithm>
#include <ctime>

#include <fmt/core.h>

#include "base/system_memory.h"
#include "conf/scalar.h"
#include "conf/value.h"
#include "pipeline/service_view.h"

namespace naru::extensions::zpages {

using pipeline::OwnSpan;
using pipeline::PipelineView;

namespace {

std::string When(uint64_t unix_nano) {
  auto s = static_cast<time_t>(unix_nano / 1'000'000'000);
  tm t{};
  gmtime_r(&s, &t);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour,
                     t.tm_min, t.tm_sec, unix_nano / 1000 % 1'000'000);
}

std::string Page(std::string_view title, const std::string& body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title><style>"
      "body{{font:14px sans-serif;margin:1.5em}}table{{border-collapse:collapse;margin:.5em 0 1.5em}}"
      "th,td{{border:1px solid #ccc;padding:.25em .6em;text-align:left;vertical-align:top}}th{{background:#eee}}"
      "nav a{{margin-right:1em}}</style></head><body><nav><a href=\"/debug/servicez\">service</a>"
      "<a href=\"/debug/pipelinez\">pipelines</a><a href=\"/debug/extensionz\">extensions</a>"
      "<a href=\"/debug/featurez\">feature gates</a><a href=\"/debug/tracez\">traces</a></nav><h1>{0}</h1>\n{1}"
      "</body></html>\n",
      title, body);
}

class Table {
 public:
  explicit Table(std::initializer_list<std::string_view> head) {
    out_ = "<table><tr>";
    for (auto h : head) out_ += fmt::format("<th>{}</th>", Escape(h));
    out_ += "</tr>\n";
  }
  /// Cells are HTML.
  void Row(std::initializer_list<std::string> cells) {
    out_ += "<tr>";
    for (auto& c : cells) out_ += "<td>" + c + "</td>";
    out_ += "</tr>\n";
  }
  std::string Finish() { return std::move(out_) + "</table>\n"; }

 private:
  std::string out_;
};

// For a query: everything but letters, digits and - . _ as %XX.
std::string Query(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    if (plain)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<uint8_t>(c));
  }
  return out;
}

std::string Links(const PipelineView& p, const std::vector<std::string>& ids, std::string_view kind) {
  std::string out;
  for (auto& id : ids) {
    out += fmt::format(
        "{}<a href=\"/debug/pipelinez?pipelinenamez={}&amp;componentnamez={}&amp;componentkindz={}\">{}</a>",
        out.empty() ? "" : "<br>", Query(p.id), Query(id), kind, Escape(id));
  }
  return out;
}

// What the ledger says of the components of a pipeline, as it is now.
std::string Counts(pipeline::Host& host, const PipelineView& p, const PipelineQuery& q) {
  Table table({"Component", "Kind", "What", "Reason", "Items"});
  auto has = [](const std::vector<std::string>& ids, const std::string& id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  for (auto& l : host.ledger().Snapshot()) {
    auto& o = l.owner;
    if (o.signal != p.signal) continue;
    bool here = (o.kind == "receiver" && has(p.receivers, o.id)) || (o.kind == "processor" && o.pipeline == p.id) ||
                ((o.kind == "exporter" || o.kind == "connector") && has(p.exporters, o.id));
    if (!here || (!q.component.empty() && o.id != q.component) || (!q.kind.empty() && o.kind != q.kind)) continue;
    if (l.entry == pipeline::Entry::kRequests || l.entry == pipeline::Entry::kBytes) continue;
    table.Row({Escape(o.id + (o.transport.empty() ? "" : " (" + o.transport + ")")), Escape(o.kind),
               std::string(pipeline::EntryName(l.entry)),
               Escape(o.error.empty() ? l.reason : l.reason + " (" + o.error + ")"), std::to_string(l.value)});
  }
  return table.Finish();
}

std::string SpanList(const TraceStore::Spans& spans, uint64_t now) {
  Table table({"Trace", "Span", "Parent", "Start", "Took", "Status", "Attributes", "Events"});
  for (auto& s : spans) {
    std::string attributes, events, parent;
    for (auto& [k, v] : s->attributes) {
      std::string text =
          std::holds_alternative<std::string>(v) ? std::get<std::string>(v) : std::to_string(std::get<int64_t>(v));
      attributes += Escape(k + "=" + text) + "<br>";
    }
    for (auto& e : s->events) events += Escape(When(e.time) + " " + e.name) + "<br>";
    bool root = std::all_of(s->parent.begin(), s->parent.end(), [](uint8_t b) { return b == 0; });
    pipeline::SpanContext up;
    up.span_id = s->parent;
    uint64_t end = s->end ? s->end : now;
    table.Row({s->context.TraceIdText(), s->context.SpanIdText(), root ? "" : up.SpanIdText(), When(s->start),
               conf::FormatDuration(Duration(static_cast<int64_t>(end > s->start ? end - s->start : 0))),
               s->failed ? "Error: " + Escape(s->message)
               : s->end  ? "Ok"
                         : "running",
               attributes, events});
  }
  return table.Finish();
}

}  // namespace

std::string Escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string ServicePage(pipeline::Host& host) {
  auto view = host.View();
  uint64_t now = host.control_loop().clock().UnixNano();
  Table build({"Build Info", ""});
  build.Row({"Command", Escape(view->command)});
  build.Row({"Description", "naru, an OpenTelemetry Collector"});
  build.Row({"Version", Escape(view->version)});
  Table runtime({"Runtime Info", ""});
  runtime.Row({"Start Timestamp", When(view->start_unix_nano)});
  runtime.Row({"Uptime", conf::FormatDuration(Duration(static_cast<int64_t>(now - view->start_unix_nano)))});
  runtime.Row({"CPU time", conf::FormatDuration(Duration(static_cast<int64_t>(ProcessCpuNanos())))});
  runtime.Row({"Resident memory", fmt::format("{:.1f} MiB", static_cast<double>(ResidentMemory()) / 1048576)});
  runtime.Row({"Memory held by telemetry",
               fmt::format("{:.1f} MiB", static_cast<double>(host.gate().budget().used()) / 1048576)});
  runtime.Row({"Loops", std::to_string(host.loops().size())});
  Table links({"Pages", ""});
  links.Row({"<a href=\"/debug/pipelinez\">Pipelines</a>", std::to_string(view->pipelines.size())});
  links.Row({"<a href=\"/debug/extensionz\">Extensions</a>", std::to_string(view->extensions.size())});
  links.Row({"<a href=\"/debug/featurez\">Features</a>", std::to_string(view->gates.size())});
  return Page("Service " + Escape(view->command), build.Finish() + runtime.Finish() + links.Finish());
}

std::string PipelinePage(pipeline::Host& host, const PipelineQuery& q) {
  auto view = host.View();
  Table table({"FullName", "InputType", "Receivers", "Processors", "Exporters"});
  std::string counts;
  for (auto& p : view->pipelines) {
    table.Row({fmt::format("<a href=\"/debug/pipelinez?pipelinenamez={}\">{}</a>", Query(p.id), Escape(p.id)),
               Escape(p.signal), Links(p, p.receivers, "receiver"), Links(p, p.processors, "processor"),
               Links(p, p.exporters, "exporter")});
    if (p.id == q.pipeline) counts = fmt::format("<h2>{}</h2>\n{}", Escape(p.id), Counts(host, p, q));
  }
  return Page("Pipelines", table.Finish() + counts);
}

std::string ExtensionPage(pipeline::Host& host, const std::string& id) {
  auto view = host.View();
  Table table({"FullName"});
  for (auto& e : view->extensions) {
    table.Row({fmt::format("{0}<a href=\"/debug/extensionz?zextensionname={1}\">{2}</a>{3}", e == id ? "<b>" : "",
                           Query(e), Escape(e), e == id ? "</b>" : "")});
  }
  return Page("Extensions", table.Finish());
}

std::string FeaturePage(pipeline::Host& host) {
  auto view = host.View();
  Table table({"ID", "Enabled", "Description", "Stage", "From", "To"});
  for (auto& g : view->gates) {
    table.Row({Escape(g.id), g.enabled ? "true" : "false", Escape(g.description), Escape(g.stage),
               Escape(g.from_version), Escape(g.to_version)});
  }
  return Page("Feature Gates", table.Finish());
}

std::string TracePage(const TraceStore& traces, const std::string& name, const std::string& type,
                      const std::string& bucket, uint64_t now) {
  Table table({"Span Name", "Running", ">=0s", ">=10us", ">=100us", ">=1ms", ">=10ms", ">=100ms", ">=1s", ">=10s",
               ">=100s", "Errors"});
  for (auto& r : traces.Rows()) {
    auto cell = [&](uint64_t n, int t, size_t b) {
      return n == 0 ? std::string("0")
                    : fmt::format("<a href=\"/debug/tracez?zspanname={}&amp;ztype={}&amp;zlatencybucket={}\">{}</a>",
                                  Query(r.name), t, b, n);
    };
    auto& l = r.latency;
    static_assert(TraceStore::kBounds.size() == 9);
    table.Row({Escape(r.name), cell(r.running, 0, 0), cell(l[0], 1, 0), cell(l[1], 1, 1), cell(l[2], 1, 2),
               cell(l[3], 1, 3), cell(l[4], 1, 4), cell(l[5], 1, 5), cell(l[6], 1, 6), cell(l[7], 1, 7),
               cell(l[8], 1, 8), cell(r.failed, 2, 0)});
  }
  std::string spans;
  if (!name.empty()) {
    size_t b = bucket.size() == 1 && bucket[0] >= '0' && bucket[0] <= '8' ? static_cast<size_t>(bucket[0] - '0') : 0;
    auto list = type == "0" ? traces.Running(name) : type == "2" ? traces.Failed(name) : traces.Latency(name, b);
    spans = fmt::format("<h2>{}</h2>\n{}", Escape(name), SpanList(list, now));
  }
  return Page("Trace Spans", table.Finish() + spans);
}

std::string Variables(pipeline::Host& host) {
  conf::Value root = conf::Value::MakeMap(), args = conf::Value::MakeList(), memory = conf::Value::MakeMap();
  for (auto& a : host.View()->arguments) args.list().push_back(conf::Value::String(a));
  memory.Set("Alloc", conf::Value::Int(host.gate().budget().used()));
  memory.Set("Sys", conf::Value::Int(static_cast<int64_t>(ResidentMemory())));
  root.Set("cmdline", std::move(args));
  root.Set("memstats", std::move(memory));
  return conf::ToJson(root);
}

}  // namespace naru::extensions::zpages
