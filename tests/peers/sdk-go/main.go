// send transmits one fixed set of traces, metrics and logs with the official Go SDK, then prints the identifiers it drew.
// usage: send grpc|http/protobuf. Where to, compression and TLS come from the standard OTEL_EXPORTER_OTLP_* variables.
// The set is the one that tests/interop/sdk_expected.py describes.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func exporters(ctx context.Context, protocol string) (sdktrace.SpanExporter, sdkmetric.Exporter, sdklog.Exporter) {
	if protocol == "grpc" {
		return must(otlptracegrpc.New(ctx)), must(otlpmetricgrpc.New(ctx)), must(otlploggrpc.New(ctx))
	}
	return must(otlptracehttp.New(ctx)), must(otlpmetrichttp.New(ctx)), must(otlploghttp.New(ctx))
}

func main() {
	ctx := context.Background()
	spans, metrics, logs := exporters(ctx, os.Args[1])
	t0 := time.Unix(1700000000, 123456789)
	at := func(ms int) time.Time { return t0.Add(time.Duration(ms) * time.Millisecond) }
	res := must(resource.Merge(resource.Default(), resource.NewSchemaless(attribute.String("service.name", "naru-interop-go"),
		attribute.String("r.string", "é ✓"), attribute.Int("r.int", 7), attribute.Bool("r.bool", true), attribute.Float64("r.double", 0.5),
		attribute.StringSlice("r.strings", []string{"a", "b"}))))
	rich := []attribute.KeyValue{
		attribute.String("a.string", "héllo \"✓\" \U0001F600"), attribute.String("a.empty", ""), attribute.Int64("a.int", 9007199254740993),
		attribute.Int("a.negative", -42), attribute.Float64("a.double", 0.1), attribute.Float64("a.huge", 1e300), attribute.Bool("a.true", true),
		attribute.Bool("a.false", false), attribute.StringSlice("a.strings", []string{"x", "", "z"}), attribute.IntSlice("a.ints", []int{1, -2, 3}),
		attribute.Float64Slice("a.doubles", []float64{0.5, -1.5}), attribute.BoolSlice("a.bools", []bool{true, false}),
	}

	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(res))
	tracer := tracers.Tracer("scope.traces", trace.WithInstrumentationVersion("1.2.3"), trace.WithSchemaURL("https://opentelemetry.io/schemas/1.30.0"),
		trace.WithInstrumentationAttributes(attribute.String("s.key", "s.value")))
	remote := trace.NewSpanContext(trace.SpanContextConfig{TraceID: must(trace.TraceIDFromHex("0af7651916cd43dd8448eb211c80319c")),
		SpanID: must(trace.SpanIDFromHex("b7ad6b7169203331")), TraceFlags: 1, TraceState: must(trace.ParseTraceState("k=v")), Remote: true})
	inside, root := tracer.Start(ctx, "root", trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(rich...), trace.WithTimestamp(t0),
		trace.WithLinks(trace.Link{SpanContext: remote, Attributes: []attribute.KeyValue{attribute.String("l.key", "l.value")}}))
	root.AddEvent("first", trace.WithTimestamp(at(5)), trace.WithAttributes(attribute.String("e.key", "e.value"), attribute.Int("e.int", 1)))
	root.AddEvent("second", trace.WithTimestamp(at(6)))
	root.SetStatus(codes.Error, "boom")
	_, child := tracer.Start(inside, "child", trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(at(1)))
	child.SetStatus(codes.Ok, "")
	child.End(trace.WithTimestamp(at(900)))

	view := func(name string, a sdkmetric.Aggregation) sdkmetric.Option {
		return sdkmetric.WithView(sdkmetric.NewView(sdkmetric.Instrument{Name: name}, sdkmetric.Stream{Aggregation: a}))
	}
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics, sdkmetric.WithInterval(time.Hour))),
		view("m.exponential", sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}),
		view("m.histogram", sdkmetric.AggregationExplicitBucketHistogram{Boundaries: []float64{0, 5, 10, 25}}))
	meter := meters.Meter("scope.metrics", metric.WithInstrumentationVersion("4.5.6"))
	kv := metric.WithAttributes(attribute.String("k", "v"))
	must(meter.Int64Counter("m.counter", metric.WithUnit("1"), metric.WithDescription("a counter"))).Add(inside, 42, kv)
	must(meter.Float64UpDownCounter("m.updown", metric.WithUnit("By"))).Add(ctx, -1.5, kv)
	histogram := must(meter.Float64Histogram("m.histogram", metric.WithUnit("ms")))
	for _, v := range []float64{1, 5, 25, 1000} {
		histogram.Record(inside, v, kv)
	}
	exponential := must(meter.Float64Histogram("m.exponential", metric.WithUnit("s")))
	for _, v := range []float64{1, 2, 4, 8} {
		exponential.Record(ctx, v, kv)
	}
	must(meter.Float64ObservableGauge("m.gauge", metric.WithUnit("Cel"), metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
		o.Observe(3.25, kv)
		return nil
	})))

	loggers := sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(sdklog.NewBatchProcessor(logs)))
	logger := loggers.Logger("scope.logs", log.WithInstrumentationVersion("7.8.9"))
	var first, second log.Record
	first.SetTimestamp(t0)
	first.SetObservedTimestamp(at(1))
	first.SetSeverity(log.SeverityError)
	first.SetSeverityText("ERROR")
	first.SetBody(attribute.StringValue("it broke: ✗"))
	first.SetEventName("naru.event")
	first.AddAttributes(rich...)
	logger.Emit(inside, first)
	second.SetTimestamp(at(2))
	second.SetObservedTimestamp(at(3))
	second.SetSeverity(log.SeverityDebug2)
	second.SetSeverityText("fine")
	second.SetBody(attribute.MapValue(attribute.Map("map", attribute.Slice("inner", attribute.IntValue(1), attribute.StringValue("two"),
		attribute.BoolValue(false))), attribute.Float64("n", 1.5)))
	second.AddAttributes(attribute.ByteSlice("l.bytes", []byte{0, 1, 254, 255}))
	logger.Emit(ctx, second)

	root.End(trace.WithTimestamp(at(1500)))
	check(tracers.Shutdown(ctx))
	check(meters.Shutdown(ctx))
	check(loggers.Shutdown(ctx))
	check(json.NewEncoder(os.Stdout).Encode(map[string]string{"trace": root.SpanContext().TraceID().String(), "root": root.SpanContext().SpanID().String(),
		"child": child.SpanContext().SpanID().String()}))
}
