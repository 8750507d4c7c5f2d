package stream

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	nooptrace "go.opentelemetry.io/otel/trace/noop"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/hack/servers"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// patience is how long a test waits for what must happen; a loaded machine of two cores is slow.
const patience = 30 * time.Second

// fixture is a Redis for one test, and a client to look at it with.
type fixture struct {
	testing.TB
	server *servers.Redis
	url    string
	client redis.UniversalClient
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{TB: t, server: testenv.Redis(t)}
	f.url = f.server.URL()
	f.client = f.open()
	return f
}

// open returns a further client, closed after the test.
func (f *fixture) open() redis.UniversalClient {
	f.Helper()
	client, err := Open(f.url)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = client.Close() })
	return client
}

func (*fixture) log() *slog.Logger { return slog.New(slog.DiscardHandler) }

// signal freezes Redis (SIGSTOP) or lets it go on (SIGCONT).
func (f *fixture) signal(s syscall.Signal) {
	f.Helper()
	if err := f.server.Signal(s); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) set(setting, value string) {
	f.Helper()
	if err := f.client.ConfigSet(f.Context(), setting, value).Err(); err != nil {
		f.Fatal(err)
	}
}

// await polls until what must happen has happened.
func (f *fixture) await(what string, happened func() bool) {
	f.Helper()
	await(f, what, happened)
}

func await(t testing.TB, what string, happened func() bool) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !happened(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("in vain awaited: %s", what)
		}
	}
}

// receive takes from a channel what must come.
func receive[T any](t testing.TB, what string, from <-chan T) (got T) {
	t.Helper()
	select {
	case got = <-from:
	case <-time.After(patience):
		t.Fatalf("in vain awaited: %s", what)
	}
	return got
}

// start runs something in the background, and returns how to stop it; it must stop without an error.
func start(t testing.TB, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	var stopped atomic.Bool
	stop = func() {
		t.Helper()
		cancel()
		if stopped.Swap(true) {
			return
		}
		if err := receive(t, "a background task to stop", done); err != nil {
			t.Errorf("stopped with %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// producer returns a Producer that does not run yet, on a client of its own.
func (f *fixture) producer(partitions int, hooks ...redis.Hook) *Producer {
	f.Helper()
	metrics, err := NewProducerMetrics(noop.NewMeterProvider().Meter(""))
	if err != nil {
		f.Fatal(err)
	}
	client := f.open()
	for _, h := range hooks {
		client.AddHook(h)
	}
	return NewProducer(client, partitions, f.log(), nooptrace.NewTracerProvider().Tracer(""), metrics)
}

// publish calls Publish in the background.
func publish(ctx context.Context, p *Producer, payload string) <-chan error {
	result := make(chan error, 1)
	go func() { result <- p.Publish(ctx, []byte(payload), "") }()
	return result
}

// queued publishes in the background and returns once the request waits in the queue, as the n-th.
func (f *fixture) queued(ctx context.Context, p *Producer, n int, payload string) <-chan error {
	f.Helper()
	result := publish(ctx, p, payload)
	f.await("a request in the queue", func() bool { return len(p.queue) == n })
	return result
}

// batches returns what is in the streams, in the order of their ids within each.
func (f *fixture) batches(partitions int) (batches []string) {
	f.Helper()
	for i := range partitions {
		messages, err := f.client.XRange(f.Context(), event.StreamKey(i), "-", "+").Result()
		if err != nil {
			f.Fatal(err)
		}
		for _, m := range messages {
			batches = append(batches, m.Values[event.FieldBatch].(string))
		}
	}
	return batches
}

// add appends an entry to a stream and returns its id.
func (f *fixture) add(key, id, batch string) string {
	f.Helper()
	id, err := f.client.XAdd(f.Context(), &redis.XAddArgs{Stream: key, ID: id, Values: []any{event.FieldBatch, batch}}).Result()
	if err != nil {
		f.Fatal(err)
	}
	return id
}

// pending is how many entries a group was given and has not acknowledged.
func (f *fixture) pending(key, group string) int {
	f.Helper()
	p, err := f.client.XPending(context.Background(), key, group).Result()
	if err != nil {
		f.Fatal(err)
	}
	return int(p.Count)
}

// appends is a hook around every XADD.
type appends func(ctx context.Context, send func() error) error

func (appends) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (h appends) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "xadd" {
			return next(ctx, cmd)
		}
		err := h(ctx, func() error { return next(ctx, cmd) })
		cmd.SetErr(err)
		return err
	}
}

func (appends) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// meter collects metrics for a test to read.
type meter struct {
	testing.TB
	reader   *sdkmetric.ManualReader
	provider *sdkmetric.MeterProvider
}

func newMeter(t testing.TB) *meter {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	return &meter{t, reader, sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))}
}

// value is what a counter or gauge shows, all attributes together.
func (m *meter) value(name string) (total float64) {
	m.Helper()
	var collected metricdata.ResourceMetrics
	if err := m.reader.Collect(context.Background(), &collected); err != nil {
		m.Fatal(err)
	}
	for _, scope := range collected.ScopeMetrics {
		for _, metric := range scope.Metrics {
			if metric.Name != name {
				continue
			}
			switch data := metric.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					total += float64(p.Value)
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					total += float64(p.Value)
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					total += p.Value
				}
			default:
				m.Fatal(fmt.Errorf("metric %s is %T", name, data))
			}
		}
	}
	return total
}
