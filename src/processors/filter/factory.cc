#include "processors/filter/factory.h"

#include "pipeline/edit_stage.h"
#include "processors/filter/config.h"

namespace naru::processors::filter {

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kProcessor;
  f->type = "filter";
  f->module = "github.com/open-telemetry/opentelemetry-collector-contrib/processor/filterprocessor v0.155.0";
  f->summary = "removes records that match";
  f->stability = {.traces = "alpha", .metrics = "alpha", .logs = "alpha", .profiles = ""};
  f->processor = [](const Config& c, pipeline::ProcessorContext ctx) -> Result<std::unique_ptr<pipeline::Processor>> {
    auto [include, exclude] = c.MatchFor(ctx.signal);
    for (auto* match : {&include, &exclude}) {
      if (!*match) continue;
      if (std::string fault = (*match)->Fault(ctx.signal); !fault.empty())
        return Fail(Code::kInvalidArgument, "{}", fault);
    }
    otlp::EditSpec spec;
    std::vector<pipeline::MatchConfig> excludes;
    if (exclude && ctx.signal == otlp::Signal::kMetrics && !exclude->metric_names.empty() &&
        !exclude->resources.empty()) {
      // Of metrics either of the two excludes, as in the reference.
      excludes = {*exclude, *exclude};
      excludes[0].resources.clear();
      excludes[1].metric_names.clear();
    } else if (exclude) {
      excludes.push_back(*exclude);
    }
    if (auto keep = pipeline::MakeSelection(ctx.signal, include, excludes))
      spec.drop = [keep](const otlp::RecordRef& r) { return !keep(r); };
    auto program = otlp::EditProgram::Compile(ctx.signal, std::move(spec));
    if (!program) return tl::unexpected(program.error());
    return std::unique_ptr<pipeline::Processor>(
        std::make_unique<pipeline::EditStage>(std::move(ctx), std::move(*program)));
  };
  return f;
}

}  // namespace naru::processors::filter
