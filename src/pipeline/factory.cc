#include "pipeline/factory.h"

namespace naru::pipeline {

std::string_view KindName(Kind kind) {
  static constexpr std::string_view kNames[] = {"receiver", "processor", "exporter", "connector", "extension"};
  return kNames[static_cast<int>(kind)];
}

std::string_view KindSection(Kind kind) {
  static constexpr std::string_view kNames[] = {"receivers", "processors", "exporters", "connectors", "extensions"};
  return kNames[static_cast<int>(kind)];
}

namespace {
Unexpected WrongKind(const Factory& f, Kind wanted) {
  return Fail(Code::kInternal, "{} is a {}, not a {}", f.type, KindName(f.kind), KindName(wanted));
}
}  // namespace

Result<std::unique_ptr<Receiver>> Factory::MakeReceiver(const AnyConfig&, ReceiverContext) const {
  return WrongKind(*this, Kind::kReceiver);
}
Result<std::unique_ptr<Processor>> Factory::MakeProcessor(const AnyConfig&, ProcessorContext) const {
  return WrongKind(*this, Kind::kProcessor);
}
Result<std::unique_ptr<Exporter>> Factory::MakeExporter(const AnyConfig&, ExporterContext) const {
  return WrongKind(*this, Kind::kExporter);
}
Result<std::unique_ptr<Connector>> Factory::MakeConnector(const AnyConfig&, ConnectorContext) const {
  return WrongKind(*this, Kind::kConnector);
}
Result<std::unique_ptr<Extension>> Factory::MakeExtension(const AnyConfig&, ExtensionContext) const {
  return WrongKind(*this, Kind::kExtension);
}

}  // namespace naru::pipeline
