package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
)

// Telemetry is a service's logs, traces and metrics.
type Telemetry struct {
	Log     *slog.Logger
	Tracer  trace.Tracer
	Meter   metric.Meter
	Tracing bool         // an OTLP endpoint is configured
	Metrics http.Handler // Prometheus exposition of Registry
	// Registry is for metrics that come as Prometheus collectors; all others are made with Meter.
	Registry *prometheus.Registry

	stop []func(context.Context) error
}

// NewTelemetry sets a service's telemetry up. Traces go by OTLP over HTTP when OTEL_EXPORTER_OTLP_ENDPOINT or
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set, with the sampler of OTEL_TRACES_SAMPLER; else spans cost nothing.
func NewTelemetry(ctx context.Context, service string, logTo io.Writer, level slog.Level) (*Telemetry, error) {
	log := slog.New(traceHandler{slog.NewJSONHandler(logTo, &slog.HandlerOptions{Level: level})}).With("service", service)
	res, err := resource.Merge(resource.Default(), resource.NewSchemaless(
		semconv.ServiceName("theeye-"+service), semconv.ServiceVersion(Version)))
	if err != nil {
		return nil, fmt.Errorf("describe service: %w", err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := otelprom.New(otelprom.WithRegisterer(registry), otelprom.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("export metrics: %w", err)
	}
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithResource(res))
	t := &Telemetry{
		Log:      log,
		Registry: registry,
		Meter:    meters.Meter("github.com/theeye-dev/theeye"),
		Metrics:  promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		stop:     []func(context.Context) error{meters.Shutdown},
		Tracing:  os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "",
	}
	if t.Tracing {
		spans, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("export traces: %w", err)
		}
		provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(res))
		otel.SetTracerProvider(provider)
		otel.SetErrorHandler(&exportErrors{log: log, now: time.Now})
		t.stop = append(t.stop, provider.Shutdown)
	}
	otel.SetTextMapPropagator(propagation.TraceContext{})
	t.Tracer = otel.Tracer("github.com/theeye-dev/theeye")
	return t, nil
}

// Shutdown flushes what is still to be exported.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var errs []error
	for _, stop := range t.stop {
		errs = append(errs, stop(ctx))
	}
	return errors.Join(errs...)
}

// traceHandler adds the trace and span id of the context to every record.
type traceHandler struct{ slog.Handler }

func (h traceHandler) Handle(ctx context.Context, record slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

func (h traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{h.Handler.WithAttrs(attrs)}
}

func (h traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{h.Handler.WithGroup(name)}
}

// exportErrorsEvery is how often a collector that is away is logged.
const exportErrorsEvery = time.Minute

// exportErrors logs what goes wrong with exporting, now and then: every batch of spans fails while a collector is away.
type exportErrors struct {
	log  *slog.Logger
	now  func() time.Time
	mu   sync.Mutex
	last time.Time
}

// Handle is called by OpenTelemetry.
func (e *exportErrors) Handle(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := e.now(); now.Sub(e.last) >= exportErrorsEvery {
		e.last = now
		e.log.Warn("telemetry not exported", "error", err)
	}
}
