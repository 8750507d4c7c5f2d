package persistence

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/event"
)

// BenchmarkTail has a thousand listeners, each of one of a hundred sessions, while 2,000 events a second are stored in
// batches as persistence gathers them, and reports how long after its receipt an event is told: with -benchtime 200x for
// ten seconds. The load of its clients is in it.
func BenchmarkTail(b *testing.B) {
	const count, sessions, batch, every = 1000, 100, 100, 50 * time.Millisecond
	a := newAudience(b)
	lags := make([][]time.Duration, count)
	var reading sync.WaitGroup
	for i := range count {
		response := a.open(b.Context(), a.url, adminToken, fmt.Sprint("session_id=s", i%sessions), "")
		reading.Go(func() {
			parse(response.Body, func(e received) {
				var told Told
				if e.kind != string(Stored) || json.Unmarshal([]byte(e.data), &told) != nil {
					return
				}
				if at, err := time.Parse(time.RFC3339Nano, told.Event.ReceivedAt); err == nil {
					lags[i] = append(lags[i], time.Since(at))
				}
			})
		})
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	var storing time.Duration
	b.ResetTimer()
	for n := range b.N {
		<-tick.C
		items := make([]event.Item, batch)
		for i := range items {
			items[i] = item(fmt.Sprint(n, ".", i), fmt.Sprint("s", i%sessions), `"data":{"host":"shop.example.com","path":"/a/b"}`)
		}
		request := records(a.entry(a.request(shop, items...)))
		begin := time.Now()
		_, err := a.store.Insert(b.Context(), request)
		a.must(err)
		storing += time.Since(begin)
	}
	b.StopTimer()
	a.mark(shop, "last") // it tells whether something was lost
	a.awaitTail(a.tail, "the last was read", func() bool {
		n := len(a.tail.messages)
		return n > 0 && a.tail.messages[n-1].SessionID == "mark"
	})
	a.tail.end() // what is there is told first
	reading.Wait()
	all := slices.Sorted(slices.Values(slices.Concat(lags...)))
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(all[len(all)-1].Microseconds())/1000, "max-ms")
	b.ReportMetric(float64(storing.Milliseconds())/float64(b.N), "insert-ms")
	b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "told/s")
	b.ReportMetric(float64(b.N*batch*count/sessions-len(all)), "untold")
}

// BenchmarkInsertAnnounced is BenchmarkInsert of 1,000 rows, with and without telling what became of them.
func BenchmarkInsertAnnounced(b *testing.B) {
	for _, announced := range []bool{false, true} {
		b.Run(fmt.Sprint(announced), func(b *testing.B) {
			a := newAudience(b)
			if !announced {
				a.store.Announce = nil
			}
			n := 0
			for b.Loop() {
				b.StopTimer()
				batch := a.benchBatch(n, 1000)
				n += 1000
				b.StartTimer()
				_, err := a.store.Insert(b.Context(), batch)
				a.must(err)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
