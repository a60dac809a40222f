#include "processors/probabilistic_sampler/factory.h"

#include "pipeline/edit_stage.h"
#include "processors/probabilistic_sampler/sampler.h"

namespace naru::processors::probabilistic_sampler {

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kProcessor;
  f->type = "probabilistic_sampler";
  f->module =
      "github.com/open-telemetry/opentelemetry-collector-contrib/processor/probabilisticsamplerprocessor v0.155.0";
  f->summary = "keeps a share of the spans or log records";
  f->stability = {.traces = "beta", .metrics = "", .logs = "alpha", .profiles = ""};
  f->processor = [](const Config& c, pipeline::ProcessorContext ctx) -> Result<std::unique_ptr<pipeline::Processor>> {
    auto sampler = std::make_shared<Sampler>(c, ctx.signal, ctx.host->metrics(), ctx.log);
    otlp::EditSpec spec;
    spec.pass = [sampler, signal = ctx.signal] { return NewPass(sampler, signal); };
    auto program = otlp::EditProgram::Compile(ctx.signal, std::move(spec));
    if (!program) return tl::unexpected(program.error());
    return std::unique_ptr<pipeline::Processor>(
        std::make_unique<pipeline::EditStage>(std::move(ctx), std::move(*program)));
  };
  return f;
}

}  // namespace naru::processors::probabilistic_sampler
