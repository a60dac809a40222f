#include "exporters/console/factory.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <mutex>

#include "exporters/console/live_print.h"

namespace naru::exporters::console {
namespace {

struct Config {
  std::string color = "auto";
  Duration quiet = std::chrono::milliseconds(500);
  int64_t max_lines_per_second = 2000;
  static void Describe(conf::Struct<Config>& s) {
    s.Field("color", &Config::color, "`auto` (on terminals), `always` or `never`");
    s.Field("quiet", &Config::quiet, "a trace is printed when none of its spans has come for this time");
    s.Field("max_lines_per_second", &Config::max_lines_per_second, "what is more is counted, not printed");
  }
  void Validate(conf::Issues& issues) const {
    if (color != "auto" && color != "always" && color != "never") issues.Add("color", "must be auto, always or never");
    if (max_lines_per_second <= 0) issues.Add("max_lines_per_second", "must be positive");
  }
};

// Shared by the loops under one lock; printing blocks, which is what a screen may do. The lock also guards the traces
// that wait.
class ConsoleExporter final : public pipeline::Exporter {
 public:
  ConsoleExporter(const Config& c, pipeline::ExporterContext context)
      : config_(c), context_(std::move(context)), traces_(Options(c)) {
    sent_ = context_.host->ledger().Open(
        {"exporter", context_.id, std::string(otlp::Names(context_.signal).name), "", ""}, pipeline::Entry::kSent);
  }

  Status Start(pipeline::Host& host) override {
    if (context_.signal == otlp::Signal::kTraces) Tick(host);
    return {};
  }

  void Shutdown(MonoTime, std::function<void()> done) override {
    tick_.Cancel();
    {
      std::lock_guard lock(mutex_);
      Print(traces_.Take(MonoTime(), Duration::min()));  // all
    }
    done();
  }

  void Consume(pipeline::Batch&& batch) override {
    {
      std::lock_guard lock(mutex_);
      MonoTime now = net::Loop::Current()->Now();
      for (auto& p : batch.parts()) {
        switch (context_.signal) {
          case otlp::Signal::kTraces:
            traces_.Add(p.bytes.view(), now);
            break;
          case otlp::Signal::kLogs:
            Print(PrintLogs(p.bytes.view(), Options(config_)));
            break;
          case otlp::Signal::kMetrics:
            Print(PrintMetrics(p.bytes.view(), Options(config_)));
            break;
          case otlp::Signal::kProfiles:
            Print(fmt::format("profiles: {} samples\n", p.items));
            break;
        }
      }
    }
    sent_.Add(static_cast<int64_t>(batch.items()));
    batch.Delivered();
  }

 private:
  static PrintOptions Options(const Config& c) {
    PrintOptions o;
    o.color = c.color == "always" || (c.color == "auto" && isatty(1));
    winsize w{};
    if (ioctl(1, TIOCGWINSZ, &w) == 0 && w.ws_col > 0) o.width = w.ws_col;
    return o;
  }

  void Tick(pipeline::Host& host) {
    tick_ = host.control_loop().AddTimer(std::chrono::milliseconds(200), [this, &host] {
      {
        std::lock_guard lock(mutex_);
        Print(traces_.Take(host.control_loop().Now(), config_.quiet));
      }
      Tick(host);
    });
  }

  void Print(std::string_view text) {
    if (text.empty()) return;
    MonoTime now = net::Loop::Current()->Now();
    if (now - second_ >= std::chrono::seconds(1)) {
      if (left_out_) Write(fmt::format("... {} lines not printed (max_lines_per_second)\n", left_out_));
      second_ = now;
      lines_ = left_out_ = 0;
    }
    size_t at = 0;
    while (at < text.size() && lines_ < config_.max_lines_per_second) {
      size_t eol = text.find('\n', at);
      at = eol == std::string_view::npos ? text.size() : eol + 1;
      ++lines_;
    }
    Write(text.substr(0, at));
    for (size_t i = at; i < text.size(); ++i) left_out_ += text[i] == '\n';
  }
  static void Write(std::string_view text) {
    while (!text.empty()) {
      ssize_t n = write(1, text.data(), text.size());
      if (n <= 0) return;  // a closed terminal loses print-outs, nothing else
      text.remove_prefix(static_cast<size_t>(n));
    }
  }

  Config config_;
  pipeline::ExporterContext context_;
  pipeline::Counter sent_;
  std::mutex mutex_;
  TracePrinter traces_;
  net::Timer tick_;
  MonoTime second_{};
  int64_t lines_ = 0, left_out_ = 0;
};

}  // namespace

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kExporter;
  f->type = "console";
  f->module = "naru";
  f->summary = "prints telemetry for people, live";
  f->stability = {.traces = "beta", .metrics = "beta", .logs = "beta", .profiles = "development"};
  f->exporter = [](const Config& c, pipeline::ExporterContext ctx) -> Result<std::unique_ptr<pipeline::Exporter>> {
    return std::unique_ptr<pipeline::Exporter>(std::make_unique<ConsoleExporter>(c, std::move(ctx)));
  };
  return f;
}

}  // namespace naru::exporters::console
