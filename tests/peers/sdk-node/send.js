// Sends one fixed set of traces, metrics and logs with the official Node.js SDK, then prints the identifiers it drew.
// usage: node send.js grpc|http/protobuf|http/json. Where to, compression and TLS come from the standard OTEL_EXPORTER_OTLP_* variables.
// The set is the one that tests/interop/sdk_expected.py describes.
'use strict';
const api = require('@opentelemetry/api');
const { SeverityNumber } = require('@opentelemetry/api-logs');
const { resourceFromAttributes, defaultResource } = require('@opentelemetry/resources');
const { NodeTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-node');
const { MeterProvider, PeriodicExportingMetricReader, AggregationType } = require('@opentelemetry/sdk-metrics');
const { LoggerProvider, SimpleLogRecordProcessor } = require('@opentelemetry/sdk-logs');

api.diag.setLogger(new api.DiagConsoleLogger(), api.DiagLogLevel.WARN);
const kind = { grpc: 'grpc', 'http/protobuf': 'proto', 'http/json': 'http' }[process.argv[2]];
const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${kind}`);
const { OTLPMetricExporter } = require(`@opentelemetry/exporter-metrics-otlp-${kind}`);
const { OTLPLogExporter } = require(`@opentelemetry/exporter-logs-otlp-${kind}`);

const SECONDS = 1700000000;
const at = (ms) => [SECONDS, 123000000 + ms * 1000000];  // a time that the SDK's own conversions keep exactly
const resource = defaultResource().merge(resourceFromAttributes({
  'service.name': 'naru-interop-node', 'r.string': 'é ✓', 'r.int': 7, 'r.bool': true, 'r.double': 0.5, 'r.strings': ['a', 'b'],
}));
const RICH = {
  'a.string': 'héllo "✓" \u{1F600}', 'a.empty': '', 'a.int': 9007199254740991, 'a.negative': -42, 'a.double': 0.1, 'a.huge': 1e-300,
  'a.true': true, 'a.false': false, 'a.strings': ['x', '', 'z'], 'a.ints': [1, -2, 3], 'a.doubles': [0.5, -1.5], 'a.bools': [true, false],
};

async function main() {
  const tracers = new NodeTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] });
  tracers.register();
  const tracer = tracers.getTracer('scope.traces', '1.2.3', { schemaUrl: 'https://opentelemetry.io/schemas/1.30.0' });
  const remote = {
    traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1, isRemote: true,
    traceState: api.createTraceState('k=v'),
  };
  const root = tracer.startSpan('root', {
    kind: api.SpanKind.SERVER, attributes: RICH, startTime: at(0), root: true,
    links: [{ context: remote, attributes: { 'l.key': 'l.value' } }],
  });
  root.addEvent('first', { 'e.key': 'e.value', 'e.int': 1 }, at(5));
  root.addEvent('second', {}, at(6));
  root.setStatus({ code: api.SpanStatusCode.ERROR, message: 'boom' });
  const inside = api.trace.setSpan(api.context.active(), root);
  const child = tracer.startSpan('child', { kind: api.SpanKind.CLIENT, startTime: at(1) }, inside);
  child.setStatus({ code: api.SpanStatusCode.OK });
  child.end(at(800));

  const meters = new MeterProvider({
    resource,
    views: [
      { instrumentName: 'm.exponential', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } },
      { instrumentName: 'm.histogram', aggregation: { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: { boundaries: [0, 5, 10, 25] } } },
    ],
    readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(), exportIntervalMillis: 3600 * 1000 })],
  });
  const meter = meters.getMeter('scope.metrics', '4.5.6');
  meter.createCounter('m.counter', { unit: '1', description: 'a counter', valueType: api.ValueType.INT }).add(42, { k: 'v' }, inside);
  meter.createUpDownCounter('m.updown', { unit: 'By', valueType: api.ValueType.DOUBLE }).add(-1.5, { k: 'v' });
  const histogram = meter.createHistogram('m.histogram', { unit: 'ms' });
  for (const v of [1, 5, 25, 1000]) histogram.record(v, { k: 'v' }, inside);
  const exponential = meter.createHistogram('m.exponential', { unit: 's' });
  for (const v of [1, 2, 4, 8]) exponential.record(v, { k: 'v' });
  meter.createObservableGauge('m.gauge', { unit: 'Cel' }).addCallback((r) => r.observe(3.25, { k: 'v' }));

  const loggers = new LoggerProvider({ resource, processors: [new SimpleLogRecordProcessor({ exporter: new OTLPLogExporter() })] });
  const logger = loggers.getLogger('scope.logs', '7.8.9');
  logger.emit({
    timestamp: at(0), observedTimestamp: at(1), context: inside, severityNumber: SeverityNumber.ERROR, severityText: 'ERROR',
    body: 'it broke: ✗', attributes: RICH, eventName: 'naru.event',
  });
  logger.emit({
    timestamp: at(2), observedTimestamp: at(3), severityNumber: SeverityNumber.DEBUG2, severityText: 'fine', context: api.ROOT_CONTEXT,
    body: { map: { inner: [1, 'two', false] }, n: 1.5 },
  });

  root.end(at(850));
  const c = root.spanContext();
  await tracers.forceFlush(); await meters.forceFlush(); await loggers.forceFlush();
  await tracers.shutdown(); await meters.shutdown(); await loggers.shutdown();
  console.log(JSON.stringify({ trace: c.traceId, root: c.spanId, child: child.spanContext().spanId }));
}
main().catch((e) => { console.error(e); process.exit(1); });
