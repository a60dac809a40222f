#include "processors/attributes/factory.h"

#include "pipeline/attribute_actions.h"
#include "pipeline/edit_stage.h"
#include "pipeline/record_match.h"
#include "wire/hash.h"

namespace naru::processors::attributes {
namespace {

struct Config {
  std::vector<pipeline::ActionConfig> actions;
  std::optional<pipeline::MatchConfig> include, exclude;
  static void Describe(conf::Struct<Config>& s) {
    s.Field("actions", &Config::actions, "what is done, in order");
    s.Field("include", &Config::include, "act only on records that match");
    s.Field("exclude", &Config::exclude, "do not act on records that match");
  }
  void Validate(conf::Issues& issues) const {
    if (actions.empty()) issues.Add("actions", "missing required field \"actions\"");
    pipeline::ValidateActions(actions, "actions", issues);
  }
};

}  // namespace

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kProcessor;
  f->type = "attributes";
  f->module = "github.com/open-telemetry/opentelemetry-collector-contrib/processor/attributesprocessor v0.155.0";
  f->summary = "sets, changes and removes attributes of records";
  f->stability = {.traces = "beta", .metrics = "beta", .logs = "beta", .profiles = ""};
  f->processor = [](const Config& c, pipeline::ProcessorContext ctx) -> Result<std::unique_ptr<pipeline::Processor>> {
    for (auto& [name, match] : {std::pair("include", &c.include), std::pair("exclude", &c.exclude)}) {
      if (!*match) continue;
      if (std::string fault = (*match)->Fault(ctx.signal); !fault.empty())
        return Fail(Code::kInvalidArgument, "{}: {}", name, fault);
    }
    for (auto& a : c.actions) {
      if (!a.from_context.empty()) ctx.host->WantClientInfo();
    }
    otlp::EditSpec spec;
    spec.record = pipeline::CompileActions(c.actions);
    // Of metrics the reference looks at names alone, and without any it acts on all.
    auto used = [&](std::optional<pipeline::MatchConfig> match) {
      if (!match || ctx.signal != otlp::Signal::kMetrics) return match;
      match->resources.clear();
      return match->metric_names.empty() ? std::nullopt : match;
    };
    std::vector<pipeline::MatchConfig> exclude;
    if (auto match = used(c.exclude)) exclude.push_back(std::move(*match));
    spec.select = pipeline::MakeSelection(ctx.signal, used(c.include), exclude);
    spec.hash = [](std::string_view bytes) { return wire::Sha256Hex(bytes); };
    auto program = otlp::EditProgram::Compile(ctx.signal, std::move(spec));
    if (!program) return tl::unexpected(program.error());
    return std::unique_ptr<pipeline::Processor>(
        std::make_unique<pipeline::EditStage>(std::move(ctx), std::move(*program)));
  };
  return f;
}

}  // namespace naru::processors::attributes
