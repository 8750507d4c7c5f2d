package persistence

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

// benchItem is an event of about 400 bytes, of one of a few hundred sessions.
func benchItem(n int) event.Item {
	return item(fmt.Sprint("event-", n), fmt.Sprint("session-", n%300),
		fmt.Sprintf(`"data":{"host":"shop.example.com","path":"/a/b/%d","title":"%s","n":%d,"seen":true,"tags":["a","b"]}`, n, strings.Repeat("x", 220), n))
}

// benchBatch makes a new request of size events, decoded: what a transaction gets.
func (f *fixture) benchBatch(from, size int) []*record {
	items := make([]event.Item, size)
	for i := range items {
		items[i] = benchItem(from + i)
	}
	return records(f.entry(f.request(shop, items...)))
}

var benchSizes = []int{100, 1000, 4000}

// BenchmarkInsert stores new events; BenchmarkCopy is the bare ceiling beside it, the same rows by COPY into a table
// with the same columns and neither ledger, counters nor indexes; BenchmarkRedelivered hands stored ones over again.
func BenchmarkInsert(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			f := newFixture(b)
			f.must(f.store.keep(b.Context(), time.Now()))
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				b.StopTimer()
				batch := f.benchBatch(n*size, size)
				b.StartTimer()
				outcomes, err := f.store.Insert(b.Context(), batch)
				if err != nil || outcomes[Stored] != int64(size) {
					b.Fatal(outcomes, err)
				}
			}
			rowsPerSecond(b, size)
		})
	}
}

func BenchmarkRedelivered(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			f := newFixture(b)
			batch := f.benchBatch(0, size)
			_, err := f.store.Insert(b.Context(), batch)
			f.must(err)
			for b.Loop() {
				if _, err := f.store.Insert(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			rowsPerSecond(b, size)
		})
	}
}

func BenchmarkCopy(b *testing.B) {
	columns := []string{"application", "id", "session_id", "category", "name", "data", "occurred_at", "received_at", "sequence", "credential", "trace_id"}
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			f := newFixture(b)
			_, err := f.pool.Exec(b.Context(), "CREATE TABLE persistence.copied (LIKE persistence.events)")
			f.must(err)
			for n := 0; b.Loop(); n++ {
				b.StopTimer()
				batch := f.benchBatch(n*size, size)
				b.StartTimer()
				_, err := f.pool.CopyFrom(b.Context(), pgx.Identifier{Schema, "copied"}, columns, pgx.CopyFromSlice(size, func(i int) ([]any, error) {
					r := batch[i]
					return []any{[16]byte(r.application), r.id, r.sessionID, r.category, r.name, optionalText(r.data), r.occurredAt, r.receivedAt, [16]byte(r.sequence), r.credential, optionalID(r.traceID)}, nil
				}))
				f.must(err)
			}
			rowsPerSecond(b, size)
		})
	}
}

func rowsPerSecond(b *testing.B, size int) {
	b.Helper()
	b.ReportMetric(float64(b.N)*float64(size)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkErase erases what BenchmarkInsert stores, with its ledger, sessions and counters.
func BenchmarkErase(b *testing.B) {
	const size = 4000
	f := newFixture(b)
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		f.clocked(time.Now().Add(time.Duration(n) * time.Second)) // after the cut-off before
		_, err := f.store.Insert(b.Context(), f.benchBatch(n*size, size))
		f.must(err)
		_, err = f.store.requestErasure(b.Context(), target{application: shop}, time.Now().Add(time.Duration(n)*time.Second))
		f.must(err)
		b.StartTimer()
		f.finish(f.store)
	}
	rowsPerSecond(b, size)
}

// BenchmarkUsage is what the operator asks of every application every five minutes.
func BenchmarkUsage(b *testing.B) {
	f := newFixture(b)
	_, err := f.store.Insert(b.Context(), f.benchBatch(0, 1000))
	f.must(err)
	for b.Loop() {
		_, err := f.store.Usage(b.Context(), shop, time.Now())
		f.must(err)
	}
}
