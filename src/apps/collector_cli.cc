#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <fmt/core.h>

#include "apps/cli.h"
#include "apps/distributions/full.h"
#include "apps/feature_gates.h"
#include "base/version.h"
#include "collector/service.h"
#include "conf/resolve.h"
#include "net/dialer.h"
#include "net/epoll_loop.h"
#include "net/http_client.h"
#include "net/tls.h"

namespace naru::apps {
namespace {

constexpr const char* kHelp = R"(Usage:
  {0} [flags]
  {0} [command]

Commands:
  components    Outputs available components in this collector distribution
  featuregate   Display feature gates information
  print-config  Prints the final configuration (after merging, expansion and defaults)
  schema        Prints the JSON schema of the whole configuration, for editors
  validate      Validates the config without running the collector

Flags:
  --config URI            Locations to the config file(s), note that only a single location can be set per flag entry
  --set KEY=VALUE         Set arbitrary component config property, e.g. --set=exporters.debug.verbosity=detailed
  --feature-gates LIST    Comma-delimited list of feature gate identifiers; prefix with '-' to disable, '+' or no prefix to enable
  -h, --help              help
  -v, --version           version
)";

struct Args {
  std::string command;
  std::vector<std::string> uris, sets, gates, rest;
  std::string mode = "redacted", format = "yaml";
  bool validate = true, help = false, version = false;
  conf::FeatureGates feature_gates = KnownGates();  // as the flags leave them
};

// Flags may be written --x v, --x=v or -x v; they may stand before and after the command.
Result<Args> ParseArgs(const std::vector<std::string>& argv) {
  Args a;
  for (size_t i = 0; i < argv.size(); ++i) {
    std::string arg = argv[i];
    if (arg.empty() || arg[0] != '-' || arg == "-") {
      if (a.command.empty())
        a.command = arg;
      else
        a.rest.push_back(arg);
      continue;
    }
    std::string name = arg.substr(arg.find_first_not_of('-') == std::string::npos ? arg.size()
                                                                                  : arg.find_first_not_of('-')),
                value;
    size_t eq = name.find('=');
    bool has_value = eq != std::string::npos;
    if (has_value) {
      value = name.substr(eq + 1);
      name.resize(eq);
    }
    if (name == "h" || name == "help") {
      a.help = true;
      continue;
    }
    if (name == "v" || name == "version") {
      a.version = true;
      continue;
    }
    if (name == "validate") {
      a.validate = !has_value || value == "true";
      continue;
    }
    std::vector<std::string>* list = name == "config"          ? &a.uris
                                     : name == "set"           ? &a.sets
                                     : name == "feature-gates" ? &a.gates
                                                               : nullptr;
    std::string* one = name == "mode" ? &a.mode : name == "format" ? &a.format : nullptr;
    if (!list && !one) return Fail(Code::kInvalidArgument, "unknown flag: --{}", name);
    if (!has_value) {
      if (i + 1 >= argv.size()) return Fail(Code::kInvalidArgument, "flag needs an argument: --{}", name);
      value = argv[++i];
    }
    if (one)
      *one = value;
    else
      list->push_back(value);
  }
  if (a.command == "help") a.help = true;
  if (a.help) return a;
  if (!a.rest.empty() && a.command != "featuregate")
    return Fail(Code::kInvalidArgument, "\"{}\" takes no arguments, got \"{}\"", a.command, a.rest[0]);
  if (a.rest.size() > 1)
    return Fail(Code::kInvalidArgument, "\"featuregate\" takes one gate at most, got {}", a.rest.size());
  for (auto& g : a.gates) {
    auto status = a.feature_gates.Apply(g, [](const std::string& notice) { Logger().Warn(notice); });
    if (!status)
      return Fail(Code::kInvalidArgument, "invalid argument \"{}\" for \"--feature-gates\" flag: {}", g,
                  status.error().message);
  }
  return a;
}

Result<std::string> ReadFile(const std::string& path) {
  FILE* f = std::fopen(path.c_str(), "re");
  if (!f)
    return Fail(Code::kNotFound, "open {}: {}", path,
                errno == ENOENT   ? "no such file or directory"
                : errno == EACCES ? "permission denied"
                                  : "cannot be read");
  std::string out;
  char buffer[65536];
  size_t n;
  while ((n = std::fread(buffer, 1, sizeof buffer, f)) > 0 && out.size() < (32u << 20)) out.append(buffer, n);
  bool bad = std::ferror(f);
  std::fclose(f);
  if (bad) return Fail(Code::kInternal, "read {}: it is no readable file", path);
  return out;
}

// Reads a configuration over HTTP before anything else runs, or at a reload; at most 4 MiB within 30 seconds.
Result<std::string> Fetch(const std::string& url) {
  auto parsed = net::Url::Parse(url);
  if (!parsed) return tl::unexpected(parsed.error());
  net::EpollWorld world(1);
  net::Loop& loop = *world.loops()[0];
  net::StreamWrapper wrap;
  if (parsed->scheme == "https") {
    net::TlsSettings tls;
    tls.server_name = parsed->host;
    tls.alpn = {"http/1.1"};
    auto context = net::TlsContext::Make(std::move(tls), false);
    if (!context) return tl::unexpected(context.error());
    wrap = [c = *context](net::Loop& l, std::unique_ptr<net::Stream> stream, Duration timeout, auto done) {
      return c->Handshake(l, std::move(stream), timeout, std::move(done));
    };
  }
  net::HttpClientOptions options;
  options.scheme = parsed->scheme;
  options.authority = parsed->Authority();
  options.user_agent = "naru/" NARU_VERSION;
  std::unique_ptr<net::HttpClient> client;
  Result<std::string> out = Fail(Code::kInternal, "no answer");
  loop.Post([&] {
    client = std::make_unique<net::HttpClient>(
        loop, options, net::MakeConnector(net::DialTarget{parsed->host, parsed->port, false, true}, std::move(wrap)));
    net::ClientRequest request;
    request.method = "GET";
    request.path = parsed->path;
    request.timeout = std::chrono::seconds(30);
    client->Send(std::move(request), [&](Result<net::ClientResponse> got) {
      if (!got) {
        out = tl::unexpected(got.error());
      } else if (got->status != 200) {
        out = Fail(Code::kNotFound, "status code {}", got->status);
      } else {
        out = std::move(got->body);
      }
      loop.Post([&] {
        client.reset();
        world.Stop();
      });
    });
  });
  // At a reload this runs on a loop's thread: the small world gets one of its own.
  std::thread thread([&] { world.Run(); });
  thread.join();
  return out;
}

conf::Sources WorldSources() {
  conf::Sources s;
  s.fetch = Fetch;
  s.read_file = ReadFile;
  s.env = [](const std::string& name) -> std::optional<std::string> {
    const char* v = std::getenv(name.c_str());
    return v ? std::optional<std::string>(v) : std::nullopt;
  };
  s.warn = [](const std::string& message) { Logger().Warn(message); };
  s.info = [](const std::string& message) { Logger().Info(message); };
  return s;
}

class Loader {
 public:
  Loader(Args args, const collector::Factories& factories) : args_(std::move(args)), factories_(factories) {}

  Result<conf::Value> Document() const {
    std::vector<std::string> uris = args_.uris;
    for (auto& s : args_.sets) {
      auto uri = conf::SetToUri(s);
      if (!uri) return tl::unexpected(uri.error());
      uris.push_back(*uri);
    }
    conf::MergeOptions merge;
    merge.append_lists = args_.feature_gates.Enabled(conf::kMergeAppendGate);
    return conf::Resolve(uris, WorldSources(), merge);
  }

  /// With `faulty` even a configuration that has faults, as far as it can be read.
  Result<std::shared_ptr<const collector::Plan>> Load(bool faulty = false) const {
    auto doc = Document();
    if (!doc) return tl::unexpected(doc.error());
    conf::Issues issues;
    auto plan = std::make_shared<collector::Plan>(collector::MakePlan(
        *doc, factories_, issues,
        {args_.feature_gates.Enabled(kProfilesGate), args_.feature_gates.Enabled(kNoPipelinesGate)}));
    if (!issues.empty() && !faulty) {
      std::string all = issues.ToString();
      all.pop_back();
      return Fail(Code::kInvalidArgument, "invalid configuration:\n{}", all);
    }
    return std::shared_ptr<const collector::Plan>(std::move(plan));
  }

 private:
  Args args_;
  const collector::Factories& factories_;
};

int Error(const std::string& message) {
  std::fprintf(stderr, "Error: %s\n", message.c_str());
  return 1;
}

void PrintComponents(const std::string& program, const collector::Factories& factories) {
  using pipeline::Kind;
  std::printf("buildinfo:\n    command: %s\n    description: naru, an OpenTelemetry Collector\n    version: %s\n",
              program.c_str(), NARU_VERSION);
  for (Kind kind : {Kind::kReceiver, Kind::kProcessor, Kind::kExporter, Kind::kConnector, Kind::kExtension}) {
    std::printf("%s:\n", std::string(pipeline::KindSection(kind)).c_str());
    std::vector<const pipeline::Factory*> list;
    for (auto& f : factories) {
      if (f->kind == kind) list.push_back(f.get());
    }
    std::sort(list.begin(), list.end(), [](auto* a, auto* b) { return a->type < b->type; });
    for (auto* f : list) {
      std::printf("    - name: %s\n      module: %s\n      stability:\n", std::string(f->type).c_str(),
                  std::string(f->module).c_str());
      auto line = [](std::string key, std::string_view level) {
        std::string shown(level);
        if (shown.empty()) shown = "undefined";
        if (shown[0] >= 'a' && shown[0] <= 'z') shown[0] = static_cast<char>(shown[0] & ~0x20);
        std::printf("        %s: %s\n", key.c_str(), shown.c_str());
      };
      if (kind == Kind::kExtension) {
        line("extension", f->stability.extension);
      } else if (kind == Kind::kConnector) {
        for (auto from : {otlp::Signal::kLogs, otlp::Signal::kMetrics, otlp::Signal::kTraces}) {
          for (auto to : {otlp::Signal::kLogs, otlp::Signal::kMetrics, otlp::Signal::kTraces}) {
            bool has = std::find(f->stability.pairs.begin(), f->stability.pairs.end(), std::make_pair(from, to)) !=
                       f->stability.pairs.end();
            line(fmt::format("{}-to-{}", otlp::Names(from).name, otlp::Names(to).name), has ? "beta" : "");
          }
        }
      } else {
        line("logs", f->stability.logs);
        line("metrics", f->stability.metrics);
        line("traces", f->stability.traces);
      }
    }
  }
  std::printf("providers:\n");
  for (const char* p : {"env", "file", "http", "https", "yaml"}) {
    std::printf("    - scheme: %s\n      module: go.opentelemetry.io/collector/confmap/provider/%sprovider v1.61.0\n",
                p, p);
  }
}

conf::Value WholeSchema(const collector::Factories& factories) {
  using conf::Value;
  Value root = Value::MakeMap();
  root.Set("$schema", Value::String("https://json-schema.org/draft/2020-12/schema"));
  root.Set("title", Value::String("naru collector configuration"));
  root.Set("type", Value::String("object"));
  Value properties = Value::MakeMap();
  using pipeline::Kind;
  for (Kind kind : {Kind::kReceiver, Kind::kProcessor, Kind::kExporter, Kind::kConnector, Kind::kExtension}) {
    Value patterns = Value::MakeMap();
    for (auto& f : factories) {
      if (f->kind != kind) continue;
      std::string names(f->type);
      for (auto n : f->old_names) names += "|" + std::string(n);
      Value any = Value::MakeList();
      any.list().push_back(f->config_type().Schema());
      Value null = Value::MakeMap();
      null.Set("type", Value::String("null"));
      any.list().push_back(std::move(null));
      Value s = Value::MakeMap();
      s.Set("description", Value::String(f->summary));
      s.Set("anyOf", std::move(any));
      patterns.Set(fmt::format("^({})(/.+)?$", names), std::move(s));
    }
    Value section = Value::MakeMap();
    Value types = Value::MakeList();
    types.list().push_back(Value::String("object"));
    types.list().push_back(Value::String("null"));
    section.Set("type", std::move(types));
    section.Set("patternProperties", std::move(patterns));
    section.Set("additionalProperties", Value::Bool(false));
    properties.Set(pipeline::KindSection(kind), std::move(section));
  }
  Value ids = Value::MakeMap();
  ids.Set("type", Value::String("array"));
  Value item = Value::MakeMap();
  item.Set("type", Value::String("string"));
  ids.Set("items", std::move(item));
  Value pipeline = Value::MakeMap();
  pipeline.Set("type", Value::String("object"));
  Value parts = Value::MakeMap();
  for (const char* k : {"receivers", "processors", "exporters"}) parts.Set(k, ids);
  pipeline.Set("properties", std::move(parts));
  pipeline.Set("additionalProperties", Value::Bool(false));
  Value pipelines = Value::MakeMap();
  pipelines.Set("type", Value::String("object"));
  Value pattern = Value::MakeMap();
  pattern.Set("^(traces|metrics|logs|profiles)(/.+)?$", std::move(pipeline));
  pipelines.Set("patternProperties", std::move(pattern));
  pipelines.Set("additionalProperties", Value::Bool(false));
  Value service_properties = Value::MakeMap();
  service_properties.Set("extensions", ids);
  service_properties.Set("pipelines", std::move(pipelines));
  service_properties.Set("telemetry", conf::TypeOf<collector::TelemetryConfig>().Schema());
  Value service = Value::MakeMap();
  service.Set("type", Value::String("object"));
  service.Set("properties", std::move(service_properties));
  service.Set("additionalProperties", Value::Bool(false));
  properties.Set("service", std::move(service));
  root.Set("properties", std::move(properties));
  root.Set("additionalProperties", Value::Bool(false));
  conf::AcceptAsWritten(root);
  return root;
}

}  // namespace

int CollectorMain(const std::string& program, const std::vector<std::string>& argv) {
  auto args = ParseArgs(argv);
  if (!args) return Error(args.error().message);
  if (args->help) {
    std::printf("%s", fmt::format(fmt::runtime(kHelp), program).c_str());
    return 0;
  }
  if (args->version) {
    std::printf("%s version %s\n", program.c_str(), NARU_VERSION);
    return 0;
  }
  collector::Factories factories = FullDistribution();
  if (args->command == "components") {
    PrintComponents(program, factories);
    return 0;
  }
  if (args->command == "schema") {
    std::printf("%s\n", conf::ToJson(WholeSchema(factories)).c_str());
    return 0;
  }
  if (args->command == "featuregate") {
    auto text = args->rest.empty() ? Result<std::string>(args->feature_gates.Table())
                                   : args->feature_gates.Describe(args->rest[0]);
    if (!text) return Error(text.error().message);
    std::fwrite(text->data(), 1, text->size(), stdout);
    return 0;
  }
  Loader loader(*args, factories);
  if (args->command == "validate") {
    auto plan = loader.Load();
    if (!plan) return Error(plan.error().message);
    // What only the making of a component finds (a match that a signal does not have, say) is found by making it.
    collector::ServiceOptions options;
    options.factories = &factories;
    options.loops = 1;
    collector::Service service(std::move(options), *plan);
    Status s = service.Check();
    return s ? 0 : Error(s.error().message);
  }
  if (args->command == "print-config") {
    if (args->mode != "redacted" && args->mode != "unredacted")
      return Error(fmt::format("invalid mode: {} (redacted, unredacted)", args->mode));
    if (args->format != "yaml" && args->format != "json")
      return Error(fmt::format("invalid format: {} (yaml, json)", args->format));
    auto plan = loader.Load(!args->validate);
    if (!plan) return Error(plan.error().message);
    conf::Value out = collector::DumpPlan(**plan, args->mode == "unredacted");
    std::string text = args->format == "yaml" ? conf::ToYaml(out) : conf::ToPrettyJson(out) + "\n";
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  if (!args->command.empty()) return Error(fmt::format("unknown command \"{}\" for \"{}\"", args->command, program));
  auto plan = loader.Load();
  if (!plan) return Error(plan.error().message);
  collector::ServiceOptions options;
  options.factories = &factories;
  options.command = program == "naru collector" ? "naru" : program;
  options.version = NARU_VERSION;
  options.gates = &args->feature_gates;
  options.arguments = argv;
  options.arguments.insert(options.arguments.begin(), program);
  options.reload = [&loader] { return loader.Load(); };
  collector::Service service(std::move(options), *plan);
  Status s = service.Run();
  return s ? 0 : Error(s.error().message);
}

}  // namespace naru::apps
