import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.common.KeyValue;
import io.opentelemetry.api.common.Value;
import io.opentelemetry.api.logs.Logger;
import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.api.metrics.DoubleHistogram;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;
import io.opentelemetry.sdk.metrics.Aggregation;
import io.opentelemetry.sdk.metrics.InstrumentSelector;
import io.opentelemetry.sdk.metrics.View;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Sends one fixed set of traces, metrics and logs with the official Java SDK, then prints the identifiers it drew.
 * usage: Send grpc|http/protobuf. Where to, compression and TLS come from the standard OTEL_EXPORTER_OTLP_* variables.
 * The set is the one that tests/interop/sdk_expected.py describes.
 */
public final class Send {
  private static final long T0 = 1700000000123456789L;

  private static long at(long ms) {
    return T0 + ms * 1000000L;
  }

  public static void main(String[] args) {
    System.setProperty("otel.exporter.otlp.protocol", args[0]);
    System.setProperty("otel.metric.export.interval", "3600000");
    Attributes resource = Attributes.builder().put("service.name", "naru-interop-java").put("r.string", "é ✓").put("r.int", 7L).put("r.bool", true)
        .put("r.double", 0.5).put("r.strings", "a", "b").build();
    OpenTelemetrySdk sdk = AutoConfiguredOpenTelemetrySdk.builder().addResourceCustomizer((r, c) -> r.toBuilder().putAll(resource).build())
        .addMeterProviderCustomizer((b, c) -> b
            .registerView(InstrumentSelector.builder().setName("m.exponential").build(),
                View.builder().setAggregation(Aggregation.base2ExponentialBucketHistogram()).build())
            .registerView(InstrumentSelector.builder().setName("m.histogram").build(),
                View.builder().setAggregation(Aggregation.explicitBucketHistogram(List.of(0.0, 5.0, 10.0, 25.0))).build()))
        .disableShutdownHook().build().getOpenTelemetrySdk();
    Attributes rich = Attributes.builder().put("a.string", "héllo \"✓\" \uD83D\uDE00").put("a.empty", "").put("a.int", 9007199254740993L)
        .put("a.negative", -42L).put("a.double", 0.1).put("a.huge", 1e300).put("a.true", true).put("a.false", false)
        .put(AttributeKey.stringArrayKey("a.strings"), List.of("x", "", "z")).put(AttributeKey.longArrayKey("a.ints"), List.of(1L, -2L, 3L))
        .put(AttributeKey.doubleArrayKey("a.doubles"), List.of(0.5, -1.5)).put(AttributeKey.booleanArrayKey("a.bools"), List.of(true, false)).build();

    Tracer tracer = sdk.getTracerProvider().tracerBuilder("scope.traces").setInstrumentationVersion("1.2.3")
        .setSchemaUrl("https://opentelemetry.io/schemas/1.30.0").build();
    SpanContext remote = SpanContext.createFromRemoteParent("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", TraceFlags.getSampled(),
        TraceState.builder().put("k", "v").build());
    Span root = tracer.spanBuilder("root").setNoParent().setSpanKind(SpanKind.SERVER).setAllAttributes(rich)
        .addLink(remote, Attributes.builder().put("l.key", "l.value").build()).setStartTimestamp(T0, TimeUnit.NANOSECONDS).startSpan();
    root.addEvent("first", Attributes.builder().put("e.key", "e.value").put("e.int", 1L).build(), at(5), TimeUnit.NANOSECONDS);
    root.addEvent("second", at(6), TimeUnit.NANOSECONDS);
    root.setStatus(StatusCode.ERROR, "boom");
    Context inside = Context.root().with(root);
    Span child = tracer.spanBuilder("child").setParent(inside).setSpanKind(SpanKind.CLIENT).setStartTimestamp(at(1), TimeUnit.NANOSECONDS).startSpan();
    child.setStatus(StatusCode.OK);
    child.end(at(900), TimeUnit.NANOSECONDS);

    Meter meter = sdk.getMeterProvider().meterBuilder("scope.metrics").setInstrumentationVersion("4.5.6").build();
    Attributes kv = Attributes.builder().put("k", "v").build();
    meter.counterBuilder("m.counter").setUnit("1").setDescription("a counter").build().add(42, kv, inside);
    meter.upDownCounterBuilder("m.updown").setUnit("By").ofDoubles().build().add(-1.5, kv, Context.root());
    DoubleHistogram histogram = meter.histogramBuilder("m.histogram").setUnit("ms").build();
    for (double v : new double[] {1, 5, 25, 1000}) {
      histogram.record(v, kv, inside);
    }
    DoubleHistogram exponential = meter.histogramBuilder("m.exponential").setUnit("s").build();
    for (double v : new double[] {1, 2, 4, 8}) {
      exponential.record(v, kv, Context.root());
    }
    meter.gaugeBuilder("m.gauge").setUnit("Cel").buildWithCallback(m -> m.record(3.25, kv));

    Logger logger = sdk.getSdkLoggerProvider().loggerBuilder("scope.logs").setInstrumentationVersion("7.8.9").build();
    logger.logRecordBuilder().setTimestamp(T0, TimeUnit.NANOSECONDS).setObservedTimestamp(at(1), TimeUnit.NANOSECONDS).setContext(inside)
        .setSeverity(Severity.ERROR).setSeverityText("ERROR").setBody("it broke: ✗").setAllAttributes(rich).setEventName("naru.event").emit();
    logger.logRecordBuilder().setTimestamp(at(2), TimeUnit.NANOSECONDS).setObservedTimestamp(at(3), TimeUnit.NANOSECONDS).setContext(Context.root())
        .setSeverity(Severity.DEBUG2).setSeverityText("fine")
        .setBody(Value.of(KeyValue.of("map", Value.of(KeyValue.of("inner", Value.of(Value.of(1), Value.of("two"), Value.of(false))))),
            KeyValue.of("n", Value.of(1.5))))
        .setAttribute(AttributeKey.valueKey("l.bytes"), Value.of(new byte[] {0, 1, (byte) 254, (byte) 255})).emit();

    root.end(at(1500), TimeUnit.NANOSECONDS);
    boolean ok = sdk.getSdkTracerProvider().forceFlush().join(20, TimeUnit.SECONDS).isSuccess()
        && sdk.getSdkMeterProvider().forceFlush().join(20, TimeUnit.SECONDS).isSuccess()
        && sdk.getSdkLoggerProvider().forceFlush().join(20, TimeUnit.SECONDS).isSuccess();
    sdk.shutdown().join(20, TimeUnit.SECONDS);
    System.out.printf("{\"trace\": \"%s\", \"root\": \"%s\", \"child\": \"%s\"}%n", root.getSpanContext().getTraceId(), root.getSpanContext().getSpanId(),
        child.getSpanContext().getSpanId());
    System.exit(ok ? 0 : 1);
  }
}
