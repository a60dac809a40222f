// The pages of zpages as HTML. Pure functions of snapshots; any thread.
#pragma once

#include <string>
#include <string_view>

#include "extensions/zpages/trace_store.h"
#include "pipeline/component.h"

namespace naru::extensions::zpages {

std::string ServicePage(pipeline::Host& host);

/// Which pipeline and which of its components is asked for; empty: all.
struct PipelineQuery {
  std::string pipeline, component, kind;
};
std::string PipelinePage(pipeline::Host& host, const PipelineQuery& query);
std::string ExtensionPage(pipeline::Host& host, const std::string& id);
std::string FeaturePage(pipeline::Host& host);
/// `type`: 0 running, 1 by latency (`bucket`), 2 failed.
std::string TracePage(const TraceStore& traces, const std::string& name, const std::string& type,
                      const std::string& bucket, uint64_t now);
/// Go's expvar names, as JSON.
std::string Variables(pipeline::Host& host);

/// With &, <, >, " and ' as entities.
std::string Escape(std::string_view text);

}  // namespace naru::extensions::zpages
