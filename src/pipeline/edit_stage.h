// A processor that runs an edit program over every part of a batch.
#pragma once

#include <memory>

#include "otlp/edit.h"
#include "pipeline/component.h"

namespace naru::pipeline {

/// Rewrites, counts what was removed as filtered, and what was too malformed to be edited as dropped; passes the rest
/// on. Stateless; any thread.
class EditStage final : public Processor {
 public:
  EditStage(ProcessorContext context, otlp::EditProgram program);
  void Consume(Batch&& batch) override;

 private:
  ProcessorContext context_;
  otlp::EditProgram program_;
  Counter filtered_, malformed_;
};

}  // namespace naru::pipeline
