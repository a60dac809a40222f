#include "processors/resource/factory.h"

#include "pipeline/attribute_actions.h"
#include "pipeline/edit_stage.h"
#include "wire/hash.h"

namespace naru::processors::resource {
namespace {

struct Config {
  std::vector<pipeline::ActionConfig> attributes;
  static void Describe(conf::Struct<Config>& s) {
    s.Field("attributes", &Config::attributes, "what is done to the resource's attributes, in order");
  }
  void Validate(conf::Issues& issues) const {
    if (attributes.empty()) issues.Add("attributes", "missing required field \"attributes\"");
    pipeline::ValidateActions(attributes, "attributes", issues);
  }
};

}  // namespace

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kProcessor;
  f->type = "resource";
  f->module = "github.com/open-telemetry/opentelemetry-collector-contrib/processor/resourceprocessor v0.155.0";
  f->summary = "sets, changes and removes attributes of resources";
  f->stability = {.traces = "beta", .metrics = "beta", .logs = "beta", .profiles = "development"};
  f->processor = [](const Config& c, pipeline::ProcessorContext ctx) -> Result<std::unique_ptr<pipeline::Processor>> {
    for (auto& a : c.attributes) {
      if (!a.from_context.empty()) ctx.host->WantClientInfo();
    }
    otlp::EditSpec spec;
    spec.resource = pipeline::CompileActions(c.attributes);
    spec.hash = [](std::string_view bytes) { return wire::Sha256Hex(bytes); };
    auto program = otlp::EditProgram::Compile(ctx.signal, std::move(spec));
    if (!program) return tl::unexpected(program.error());
    return std::unique_ptr<pipeline::Processor>(
        std::make_unique<pipeline::EditStage>(std::move(ctx), std::move(*program)));
  };
  return f;
}

}  // namespace naru::processors::resource
