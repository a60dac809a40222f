"""Sends one fixed set of traces, metrics and logs with the official Python SDK, then prints the identifiers it drew.

usage: send.py grpc|http/protobuf|http/json. Where to, compression and TLS come from the standard OTEL_EXPORTER_OTLP_* variables.
The set is the one that tests/interop/sdk_expected.py describes.
"""
import json
import logging
import os
import sys
import time

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.metrics import Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

logging.basicConfig(level=logging.WARNING)
T0 = 1700000000123456789
MS = 1000000


def exporters(protocol):
    insecure = not os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"].startswith("https")
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        return OTLPSpanExporter(insecure=insecure), OTLPMetricExporter(insecure=insecure), OTLPLogExporter(insecure=insecure)
    if protocol == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    else:
        from opentelemetry.exporter.otlp.json.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.json.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter
    return OTLPSpanExporter(), OTLPMetricExporter(), OTLPLogExporter()


spans, metrics, logs = exporters(sys.argv[1])
resource = Resource.create({
    "service.name": "naru-interop-python", "r.string": "é ✓", "r.int": 7, "r.bool": True, "r.double": 0.5, "r.strings": ["a", "b"]
})
RICH = {
    "a.string": "héllo \"✓\" \U0001F600", "a.empty": "", "a.int": 9007199254740993, "a.negative": -42, "a.double": 0.1, "a.huge": 1e300,
    "a.true": True, "a.false": False, "a.strings": ["x", "", "z"], "a.ints": [1, -2, 3], "a.doubles": [0.5, -1.5], "a.bools": [True, False]
}

tracers = TracerProvider(resource=resource)
tracers.add_span_processor(BatchSpanProcessor(spans))
tracer = tracers.get_tracer("scope.traces", "1.2.3", schema_url="https://opentelemetry.io/schemas/1.30.0", attributes={"s.key": "s.value"})
remote = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, True, TraceFlags(1), TraceState([("k", "v")]))
root = tracer.start_span("root", kind=SpanKind.SERVER, attributes=RICH, links=[Link(remote, {"l.key": "l.value"})], start_time=T0)
root.add_event("first", {"e.key": "e.value", "e.int": 1}, timestamp=T0 + 5 * MS)
root.add_event("second", timestamp=T0 + 6 * MS)
root.set_status(Status(StatusCode.ERROR, "boom"))
inside = trace.set_span_in_context(root)
child = tracer.start_span("child", context=inside, kind=SpanKind.CLIENT, start_time=T0 + MS)
child.set_status(Status(StatusCode.OK))
child.end(T0 + 900 * MS)

views = [View(instrument_name="m.exponential", aggregation=ExponentialBucketHistogramAggregation()),
         View(instrument_name="m.histogram", aggregation=ExplicitBucketHistogramAggregation([0, 5, 10, 25]))]
meters = MeterProvider(resource=resource, views=views,
                       metric_readers=[PeriodicExportingMetricReader(metrics, export_interval_millis=3600 * 1000)])
meter = meters.get_meter("scope.metrics", "4.5.6")
meter.create_counter("m.counter", unit="1", description="a counter").add(42, {"k": "v"}, context=inside)
meter.create_up_down_counter("m.updown", unit="By").add(-1.5, {"k": "v"})
histogram = meter.create_histogram("m.histogram", unit="ms")
for v in (1, 5, 25, 1000):
    histogram.record(v, {"k": "v"}, context=inside)
exponential = meter.create_histogram("m.exponential", unit="s")
for v in (1.0, 2.0, 4.0, 8.0):
    exponential.record(v, {"k": "v"})
meter.create_observable_gauge("m.gauge", [lambda _: [Observation(3.25, {"k": "v"})]], unit="Cel")

loggers = LoggerProvider(resource=resource)
loggers.add_log_record_processor(SimpleLogRecordProcessor(logs))
logger = loggers.get_logger("scope.logs", "7.8.9")
logger.emit(LogRecord(timestamp=T0, observed_timestamp=T0 + MS, context=inside, severity_number=SeverityNumber.ERROR, severity_text="ERROR",
                      body="it broke: ✗", attributes=RICH, event_name="naru.event"))
logger.emit(LogRecord(timestamp=T0 + 2 * MS, observed_timestamp=T0 + 3 * MS, severity_number=SeverityNumber.DEBUG2, severity_text="fine",
                      body={"map": {"inner": [1, "two", False]}, "n": 1.5}))

root.end(T0 + 1500 * MS)
ok = tracers.force_flush(20000) and meters.force_flush(20000) and loggers.force_flush(20000)
tracers.shutdown(); meters.shutdown(); loggers.shutdown()
c = root.get_span_context()
print(json.dumps({"trace": format(c.trace_id, "032x"), "root": format(c.span_id, "016x"), "child": format(child.get_span_context().span_id, "016x")}))
sys.exit(0 if ok else 1)
