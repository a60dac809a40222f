// How the collector learns of a component: its names, its configuration and how to make it. A component folder exports
// one function that returns its Factory; apps/distributions/*.cc lists those functions, nothing registers itself.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conf/schema.h"
#include "conf/value.h"
#include "pipeline/component.h"

namespace naru::pipeline {

enum class Kind : uint8_t { kReceiver, kProcessor, kExporter, kConnector, kExtension };
/// "receiver", "receivers".
std::string_view KindName(Kind kind);
std::string_view KindSection(Kind kind);

/// A decoded configuration of some component.
class AnyConfig {
 public:
  virtual ~AnyConfig() = default;
  /// Strict; adds every error to `issues`.
  virtual void Decode(const conf::Value& value, conf::Issues& issues) = 0;
  /// The effective configuration, secrets hidden unless asked for.
  virtual conf::Value Dump(bool secrets = false) const = 0;
};

/// A configuration struct behind AnyConfig.
template <class C>
class ConfigOf final : public AnyConfig {
 public:
  C value{};
  void Decode(const conf::Value& v, conf::Issues& issues) override { conf::Decode(v, value, issues); }
  conf::Value Dump(bool secrets) const override { return conf::Dump(value, secrets); }
};

/// Stability of a component for a signal, in the reference's words ("stable", "beta", "alpha", "development",
/// "deprecated"); empty when it does not take the signal.
struct Stability {
  std::string_view traces, metrics, logs, profiles;
  std::string_view extension;
  /// For connectors: pairs in the form "traces_to_metrics" with one stability for all.
  std::vector<std::pair<Signal, Signal>> pairs;
  std::string_view Of(Signal s) const {
    switch (s) {
      case Signal::kTraces:
        return traces;
      case Signal::kMetrics:
        return metrics;
      case Signal::kLogs:
        return logs;
      case Signal::kProfiles:
        return profiles;
    }
    return {};
  }
};

/// Immutable; lives as long as the program. Thread-safe.
class Factory {
 public:
  virtual ~Factory() = default;
  Kind kind{};
  std::string_view type;                    // today's name: "otlp_grpc"
  std::vector<std::string_view> old_names;  // deprecated and removed names that still work: "otlp"
  std::string_view module;                  // what `components` prints: the upstream module that this one stands in for
  std::string_view summary;                 // one line for people
  Stability stability;

  virtual std::unique_ptr<AnyConfig> NewConfig() const = 0;
  /// The field table of the configuration, for schema and documentation.
  virtual const conf::Type& config_type() const = 0;

  // Exactly one of these does something, by kind.
  virtual Result<std::unique_ptr<Receiver>> MakeReceiver(const AnyConfig&, ReceiverContext) const;
  virtual Result<std::unique_ptr<Processor>> MakeProcessor(const AnyConfig&, ProcessorContext) const;
  virtual Result<std::unique_ptr<Exporter>> MakeExporter(const AnyConfig&, ExporterContext) const;
  virtual Result<std::unique_ptr<Connector>> MakeConnector(const AnyConfig&, ConnectorContext) const;
  virtual Result<std::unique_ptr<Extension>> MakeExtension(const AnyConfig&, ExtensionContext) const;
};

/// A Factory for the configuration struct C. Derive by giving `make` for the right kind; use the Make...Factory
/// functions.
template <class C>
class FactoryOf final : public Factory {
 public:
  template <class T, class Ctx>
  using Make = Result<std::unique_ptr<T>> (*)(const C&, Ctx);
  Make<Receiver, ReceiverContext> receiver = nullptr;
  Make<Processor, ProcessorContext> processor = nullptr;
  Make<Exporter, ExporterContext> exporter = nullptr;
  Make<Connector, ConnectorContext> connector = nullptr;
  Make<Extension, ExtensionContext> extension = nullptr;

  std::unique_ptr<AnyConfig> NewConfig() const override { return std::make_unique<ConfigOf<C>>(); }
  const conf::Type& config_type() const override { return conf::TypeOf<C>(); }

  Result<std::unique_ptr<Receiver>> MakeReceiver(const AnyConfig& c, ReceiverContext ctx) const override {
    return receiver ? receiver(Cast(c), std::move(ctx)) : Factory::MakeReceiver(c, std::move(ctx));
  }
  Result<std::unique_ptr<Processor>> MakeProcessor(const AnyConfig& c, ProcessorContext ctx) const override {
    return processor ? processor(Cast(c), std::move(ctx)) : Factory::MakeProcessor(c, std::move(ctx));
  }
  Result<std::unique_ptr<Exporter>> MakeExporter(const AnyConfig& c, ExporterContext ctx) const override {
    return exporter ? exporter(Cast(c), std::move(ctx)) : Factory::MakeExporter(c, std::move(ctx));
  }
  Result<std::unique_ptr<Connector>> MakeConnector(const AnyConfig& c, ConnectorContext ctx) const override {
    return connector ? connector(Cast(c), std::move(ctx)) : Factory::MakeConnector(c, std::move(ctx));
  }
  Result<std::unique_ptr<Extension>> MakeExtension(const AnyConfig& c, ExtensionContext ctx) const override {
    return extension ? extension(Cast(c), std::move(ctx)) : Factory::MakeExtension(c, std::move(ctx));
  }

 private:
  static const C& Cast(const AnyConfig& c) { return static_cast<const ConfigOf<C>&>(c).value; }
};

}  // namespace naru::pipeline
