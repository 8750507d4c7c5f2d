package stream

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/theeye-dev/theeye/api/event"
)

// BenchmarkPublish appends requests of half a kilobyte from several callers at once, to a Redis that answers only when
// they are on disk. requests/entry shows what the callers share.
func BenchmarkPublish(b *testing.B) {
	for _, callers := range []int{1, 32, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			f := newFixture(b)
			p := f.producer(event.DefaultPartitions)
			start(b, p.Run)
			payload := make([]byte, 512)
			if err := p.Publish(b.Context(), payload, ""); err != nil {
				b.Fatal(err)
			}
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			b.ResetTimer()
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if err := p.Publish(b.Context(), payload, ""); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			var entries int64
			for i := range event.DefaultPartitions {
				entries += f.client.XLen(b.Context(), event.StreamKey(i)).Val()
			}
			b.ReportMetric(float64(b.N)/float64(max(entries-1, 1)), "requests/entry")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
