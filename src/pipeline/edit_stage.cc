#include "pipeline/edit_stage.h"

#include "otlp/validate.h"
#include "pipeline/attribute_actions.h"

namespace naru::pipeline {

EditStage::EditStage(ProcessorContext context, otlp::EditProgram program)
    : context_(std::move(context)), program_(std::move(program)) {
  Owner owner{"processor", context_.id, std::string(otlp::Names(context_.signal).name), context_.pipeline, ""};
  filtered_ = context_.host->ledger().Open(owner, Entry::kFiltered);
  malformed_ = context_.host->ledger().Open(owner, Entry::kDropped, "malformed");
}

void EditStage::Consume(Batch&& batch) {
  if (program_.empty()) return context_.next->Consume(std::move(batch));
  auto client = batch.client();
  otlp::ContextLookup lookup = [&client](std::string_view key, std::string* value) {
    return LookupContext(client.get(), key, value);
  };
  Budget& budget = context_.host->gate().budget();
  Batch out(batch.signal());
  out.set_client(client);
  for (auto& p : batch.TakeParts()) {
    auto edited = program_.Apply(p.bytes, lookup, budget);
    if (!edited) {
      // Passing it on unedited would let through what the edits are to change.
      otlp::Sanitized clean = otlp::Sanitize(context_.signal, p.bytes, {}, budget);
      uint64_t cut = p.items > clean.items ? p.items - clean.items : 0;
      Error why{Code::kInvalidArgument, false, Duration{0},
                fmt::format("malformed record: {}", otlp::FlawText(clean.first))};
      if (cut) {
        malformed_.Add(static_cast<int64_t>(cut));
        if (p.token) p.token.Dropped(cut, why);
        p.items -= cut;
      }
      if (clean.items == 0) continue;
      edited = program_.Apply(clean.bytes, lookup, budget);
      if (!edited) {
        malformed_.Add(static_cast<int64_t>(p.items));
        if (p.token) p.token.Dropped(edited.error());
        continue;
      }
    }
    uint64_t gone = std::min(edited->dropped, p.items);
    if (gone) {
      filtered_.Add(static_cast<int64_t>(gone));
      if (p.token) p.token.Filtered(gone);
      p.items -= gone;
    }
    if (p.items == 0) continue;
    if (p.token) {
      out.Append(std::move(edited->bytes), std::move(p.token));
    } else {
      out.Append(std::move(edited->bytes), p.items);
    }
  }
  if (!out.empty()) context_.next->Consume(std::move(out));
}

}  // namespace naru::pipeline
