package quota

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/stream"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// BenchmarkRequest is what limits add to a request: where there are none, of an application without one, within a lease,
// beyond the limit, and what it costs to ask Redis.
func BenchmarkRequest(b *testing.B) {
	client, err := stream.Open(testenv.Redis(b).URL())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Close() })
	metrics, err := NewMetrics(metricnoop.Meter{})
	if err != nil {
		b.Fatal(err)
	}
	l := New(client, 0, time.Now, slog.New(slog.DiscardHandler), metrics)
	ended := make(chan error, 1)
	go func() { ended <- l.Run(b.Context()) }()
	b.Cleanup(func() {
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	free, wide, empty := limited(0, 0), limited(registry.MaxRate, registry.MaxRate), limited(1, 1)
	free.Application.Policy.Limits = nil
	if err := l.Of(empty).Take(b.Context(), 5000); err != nil {
		b.Fatal(err)
	}
	request := func(a *Allowance, n int) {
		_ = a.Exhausted(b.Context())
		_ = a.Take(b.Context(), n)
		a.Header(http.Header{})
	}
	b.Run("off", func(b *testing.B) {
		for b.Loop() {
			request((*Limiter)(nil).Of(wide), 1)
		}
	})
	b.Run("no limit", func(b *testing.B) {
		for b.Loop() {
			request(l.Of(free), 1)
		}
	})
	b.Run("leased", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			request(l.Of(wide), 1)
		}
	})
	b.Run("leased by many", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				request(l.Of(wide), 1)
			}
		})
	})
	b.Run("refused", func(b *testing.B) {
		for b.Loop() {
			request(l.Of(empty), 1)
		}
	})
	b.Run("asked for", func(b *testing.B) {
		for b.Loop() {
			a := l.Of(wide)
			_ = l.ask(b.Context(), a.meter, 1)
		}
	})
}
