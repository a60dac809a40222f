#include "extensions/zpages/zpages.h"

#include "extensions/zpages/pages.h"

namespace naru::extensions::zpages {

ZPages::ZPages(const Config& config, pipeline::ExtensionContext context)
    : config_(config),
      context_(std::move(context)),
      server_(config.server, [this](auto& head, Clock& clock) { return Answer(head, clock); }) {}

Status ZPages::Start(pipeline::Host& host) {
  if (auto s = server_.Start(host, context_.log); !s) return s;
  listening_ = host.tracer().AddSink(traces_);
  context_.log.Info("Starting zPages extension", {{"endpoint", server_.address()}});
  return {};
}

void ZPages::Shutdown(MonoTime deadline, std::function<void()> done) {
  listening_.reset();
  server_.Shutdown(deadline, std::move(done));
}

pipeline::PageAnswer ZPages::Answer(const net::RequestHead& head, Clock& clock) const {
  std::string_view path = head.path;
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  pipeline::Host& host = *context_.host;
  auto value = [&](std::string_view key) { return net::QueryValue(head.query, key); };
  auto page = [](std::string body) { return pipeline::PageAnswer{200, "text/html; charset=utf-8", std::move(body)}; };
  if (path == "/debug/servicez" || path == "/debug") return page(ServicePage(host));
  if (path == "/debug/pipelinez")
    return page(PipelinePage(host, {value("pipelinenamez"), value("componentnamez"), value("componentkindz")}));
  if (path == "/debug/extensionz") return page(ExtensionPage(host, value("zextensionname")));
  if (path == "/debug/featurez") return page(FeaturePage(host));
  if (path == "/debug/tracez") {
    return page(TracePage(*traces_, value("zspanname"), value("ztype"), value("zlatencybucket"), clock.UnixNano()));
  }
  if (path == "/debug/expvarz" && config_.expvar.enabled) return {200, "application/json", Variables(host)};
  return {404, "text/plain; charset=utf-8", "404 page not found\n"};
}

}  // namespace naru::extensions::zpages
