package ingest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

func packed(t testing.TB, text []byte, c coding) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	if c == zstandard {
		encoder, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w = encoder
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// batch is a usual array of events.
func batch(n int) []byte {
	events := make([]string, n)
	for i := range events {
		events[i] = fmt.Sprintf(`{"id":"%032x","session_id":"session-%04d","category":"page interaction","name":"pageview",`+
			`"timestamp":"2026-01-01T00:00:%02d.%06dZ","data":{"host":"shop.example.com","path":"/a/%d","n":%d}}`,
			uint64(i)*0x9e3779b97f4a7c15, i%7, i%60, i*7919%1_000_000, i*31%97, i)
	}
	return []byte("[" + strings.Join(events, ",") + "]")
}

// FuzzExpand holds gzip against the standard library, keeps every answer within its bound, and finds after any body
// the decoders as good as new.
func FuzzExpand(f *testing.F) {
	text, good := batch(3), [...][]byte{gzipped: nil, zstandard: nil}
	for _, c := range []coding{gzipped, zstandard} {
		whole := packed(f, text, c)
		good[c] = whole
		f.Add(whole, c == zstandard)
		f.Add(whole[:len(whole)/2], c == zstandard)
		f.Add(append(bytes.Clone(whole), whole...), c == zstandard)
		f.Add(packed(f, make([]byte, 2<<20), c), c == zstandard)
	}
	f.Add([]byte("\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x40\x01\x00\x00"), true)
	e := newExpander()
	f.Fuzz(func(t *testing.T, body []byte, isZstd bool) {
		c := gzipped
		if isZstd {
			c = zstandard
		}
		plain, err := e.expand(t.Context(), nil, nil, body, c)
		if err == nil && len(plain) > min(event.MaxRequestBytes, max(freeBytes, maxRatio*len(body))) {
			t.Errorf("%d bytes became %d", len(body), len(plain))
		}
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v is not the client's", err)
		}
		if want, ok := gunzipped(body); c == gzipped && (ok && (err != nil || !bytes.Equal(plain, want)) || !ok && err == nil) {
			t.Errorf("%d bytes and %v; the standard library has %d bytes, fit: %t", len(plain), err, len(want), ok)
		}
		if again, err := e.expand(t.Context(), nil, plain, good[c], c); err != nil || !bytes.Equal(again, text) {
			t.Errorf("afterwards: %d bytes, %v", len(again), err)
		}
	})
}

// gunzipped is what the standard library makes of a body; ok says that it is whole and within the bounds.
func gunzipped(body []byte) (plain []byte, ok bool) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, false
	}
	limit := min(event.MaxRequestBytes, max(freeBytes, maxRatio*len(body)))
	plain, err = io.ReadAll(io.LimitReader(r, int64(limit)+1))
	return plain, err == nil && len(plain) <= limit
}

// TestExpandKeepsItsMemory: decoders and buffers are used again.
func TestExpandKeepsItsMemory(t *testing.T) { // not parallel: it counts allocations
	for name, c := range map[string]coding{"gzip": gzipped, "zstd": zstandard} {
		e, body := newExpander(), packed(t, batch(100), c)
		var plain []byte
		allocated := testing.Benchmark(func(b *testing.B) {
			b.Helper()
			for b.Loop() {
				var err error
				if plain, err = e.expand(b.Context(), nil, plain, body, c); err != nil {
					b.Fatal(err)
				}
			}
		}).AllocedBytesPerOp()
		if allocated > 24<<10 { // a decoder of its own for every body takes 40 KiB and more; the race detector drops one in four
			t.Errorf("%s: %d bytes are allocated for every body", name, allocated)
		}
	}
}

func BenchmarkExpand(b *testing.B) {
	for name, c := range map[string]coding{"gzip": gzipped, "zstd": zstandard} {
		for _, n := range []int{1, 100} {
			text := batch(n)
			body := packed(b, text, c)
			b.Run(fmt.Sprintf("%s/batch=%d", name, n), func(b *testing.B) {
				e := newExpander()
				var plain []byte
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					var err error
					if plain, err = e.expand(b.Context(), nil, plain, body, c); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(text))/float64(len(body)), "ratio")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
			})
		}
	}
}
