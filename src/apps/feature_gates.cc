#include "apps/feature_gates.h"

namespace naru::apps {
namespace {

using conf::GateStage;

struct Known {
  std::string_view id;
  GateStage stage;
  std::string_view from_version;
  std::string_view description;
};

constexpr Known kGates[] = {
    {"connector.spanmetrics.excludeResourceMetrics", GateStage::kAlpha, "v0.137.0",
     "No effect: naru has no such component yet"},
    {"connector.spanmetrics.includeCollectorInstanceID", GateStage::kBeta, "v0.136.0",
     "No effect: naru has no such component yet"},
    {"connector.spanmetrics.legacyMetricNames", GateStage::kAlpha, "v0.109.0",
     "No effect: naru has no such component yet"},
    {"connector.spanmetrics.useSecondAsDefaultMetricsUnit", GateStage::kAlpha, "v0.137.0",
     "No effect: naru has no such component yet"},
    {"exporter.file.nativeCompression", GateStage::kAlpha, "v0.154.0",
     "The file exporter writes whole zstd files, that zstd itself reads, instead of compressed messages behind their "
     "lengths"},
    {"exporter.prometheusexporter.DisableAddMetricSuffixes", GateStage::kBeta, "v0.132.0",
     "No effect: naru has no such component yet"},
    {"exporter.prometheusremotewritexporter.EnableMultipleWorkers", GateStage::kAlpha, "v0.118.0",
     "No effect: naru has no such component yet"},
    {"exporter.prometheusremotewritexporter.RetryOn429", GateStage::kAlpha, "v0.101.0",
     "No effect: naru has no such component yet"},
    {"exporter.prometheusremotewritexporter.enableSendingRW2", GateStage::kAlpha, "v0.125.0",
     "No effect: naru has no such component yet"},
    {"extension.healthcheck.useComponentStatus", GateStage::kAlpha, "v0.142.0",
     "The second form of health_check is allowed (it always is)"},
    {"filter.filterlog.useOTTLBridge", GateStage::kAlpha, "", "No effect: include and exclude have one implementation"},
    {"filter.filtermetric.useOTTLBridge", GateStage::kAlpha, "",
     "No effect: include and exclude have one implementation"},
    {"filter.filterspan.useOTTLBridge", GateStage::kAlpha, "",
     "No effect: include and exclude have one implementation"},
    {"hostmetrics.process.bootTimeCache", GateStage::kBeta, "v0.98.0", "No effect: naru has no such component yet"},
    {"ottl.PanicDuplicateName", GateStage::kBeta, "v0.141.0", "No effect: naru has no such component yet"},
    {"ottl.contexts.enableOTelColContext", GateStage::kBeta, "v0.147.0", "No effect: naru has no such component yet"},
    {"ottl.functions.enableLambda", GateStage::kAlpha, "v0.155.0", "No effect: naru has no such component yet"},
    {"pdata.useProtoPooling", GateStage::kAlpha, "v0.133.0", "No effect: telemetry is not decoded"},
    {"pkg.translator.prometheus.PermissiveLabelSanitization", GateStage::kAlpha, "v0.55.0",
     "No effect: naru has no such component yet"},
    {"pkg.translator.zipkin.DontEmitV0CloudResourceConventions", GateStage::kAlpha, "v0.155.0",
     "No effect: naru has no such component yet"},
    {"pkg.translator.zipkin.DontEmitV0HttpConventions", GateStage::kAlpha, "v0.154.0",
     "No effect: naru has no such component yet"},
    {"pkg.translator.zipkin.DontEmitV0NetworkConventions", GateStage::kBeta, "v0.147.0",
     "No effect: naru has no such component yet"},
    {"pkg.translator.zipkin.DontEmitV0ScopeConventions", GateStage::kAlpha, "v0.154.0",
     "No effect: naru has no such component yet"},
    {"pkg.translator.zipkin.EmitV1CloudResourceConventions", GateStage::kAlpha, "v0.155.0",
     "No effect: naru has no such component yet"},
    {"pkg.translator.zipkin.EmitV1HttpConventions", GateStage::kAlpha, "v0.154.0",
     "No effect: naru has no such component yet"},
    {"pkg.translator.zipkin.EmitV1NetworkConventions", GateStage::kBeta, "v0.147.0",
     "No effect: naru has no such component yet"},
    {"pkg.translator.zipkin.EmitV1ScopeConventions", GateStage::kAlpha, "v0.154.0",
     "No effect: naru has no such component yet"},
    {"processor.filter.defaultErrorModeIgnore", GateStage::kBeta, "v0.150.0",
     "No effect: there are no conditions in OTTL yet"},
    {"processor.k8sattributes.DontEmitV0K8sConventions", GateStage::kAlpha, "v0.145.0",
     "No effect: naru has no such component yet"},
    {"processor.k8sattributes.EmitV1K8sConventions", GateStage::kAlpha, "v0.145.0",
     "No effect: naru has no such component yet"},
    {"processor.k8sattributes.ShareProcessorBetweenPipelines", GateStage::kAlpha, "v0.150.0",
     "No effect: naru has no such component yet"},
    {"processor.k8sattributes.telemetry.disableOldFormatMetrics", GateStage::kAlpha, "v0.146.0",
     "No effect: naru has no such component yet"},
    {"processor.k8sattributes.telemetry.enableNewFormatMetrics", GateStage::kAlpha, "v0.146.0",
     "No effect: naru has no such component yet"},
    {"processor.tailsamplingprocessor.metricstatcountbytessampled", GateStage::kAlpha, "v0.152.0",
     "No effect: naru has no such component yet"},
    {"processor.tailsamplingprocessor.metricstatcountspanssampled", GateStage::kAlpha, "v0.95.0",
     "No effect: naru has no such component yet"},
    {"processor.tailsamplingprocessor.recordpolicy", GateStage::kAlpha, "v0.120.0",
     "No effect: naru has no such component yet"},
    {"processor.tailsamplingprocessor.tailstorageextension", GateStage::kAlpha, "v0.150.0",
     "No effect: naru has no such component yet"},
    {"processor.transform.defaultErrorModeIgnore", GateStage::kBeta, "v0.150.0",
     "No effect: naru has no such component yet"},
    {"receiver.hostmetricsreceiver.UseLinuxMemAvailable", GateStage::kBeta, "v0.137.0",
     "No effect: naru has no such component yet"},
    {"receiver.prometheusreceiver.EnableCreatedTimestampZeroIngestion", GateStage::kAlpha, "v0.113.0",
     "No effect: naru has no such component yet"},
    {"receiver.prometheusreceiver.IgnoreScopeInfoMetric", GateStage::kAlpha, "v0.148.0",
     "No effect: naru has no such component yet"},
    {"receiverhelper.newReceiverMetrics", GateStage::kAlpha, "v0.138.0",
     "No effect: what the receiver itself lost is always counted apart, as failed"},
    {"service.AllowNoPipelines", GateStage::kAlpha, "v0.122.0", "A service without pipelines is allowed"},
    {"service.profilesSupport", GateStage::kAlpha, "v0.112.0", "Pipelines of profiles are allowed"},
    {"spanmetrics.statusCodeConvention.useOtelPrefix", GateStage::kAlpha, "v0.141.0",
     "No effect: naru has no such component yet"},
    {"telemetry.newPipelineTelemetry", GateStage::kAlpha, "v0.123.0",
     "No effect: own metrics carry no component attributes of scopes"},
    {"transform.flatten.logs", GateStage::kAlpha, "v0.103.0", "No effect: naru has no such component yet"},
};

}  // namespace

conf::FeatureGates KnownGates() {
  conf::FeatureGates gates;
  for (auto& g : kGates)
    (void)gates.Register({std::string(g.id), g.stage, std::string(g.description), std::string(g.from_version), ""});
  return gates;
}

}  // namespace naru::apps
