package event_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// typical is an event of some 400 bytes.
const typical = `{"session_id":"e2085be5-9137-4e4e-80b5-f1ffddc25423","category":"page interaction","name":"pageview",` +
	`"timestamp":"2021-01-01T09:15:27.243860Z","data":{"host":"www.example.com","path":"/products/coffee/ethiopia-yirgacheffe",` +
	`"referrer":"https://search.example.org/?q=coffee+beans","viewport":{"width":1440,"height":900},"language":"en-GB","returning":true,` +
	`"load_ms":183.25,"tags":["spring","sale"],"user":42}}`

func request(n int) event.Request {
	r := event.Request{
		Application: uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), Credential: "1",
		ReceivedAt: time.UnixMicro(1_770_000_000_000_000).UTC(), Sequence: uuid.MustParse("019cb7d3-4e83-7e4f-8000-0001deadbeef"),
		TraceID: [16]byte{1},
	}
	for range n {
		r.Items = append(r.Items, event.Item{
			Original: []byte(typical), ID: "019cb7d3-4e83-7e4f-8000-0001deadbeef", OccurredAt: time.UnixMicro(1_770_000_000_000_000).UTC(),
		})
	}
	return r
}

// jsonRequest is the same as JSON: what a stream entry without a codec of its own would hold.
type jsonRequest struct {
	Application uuid.UUID  `json:"application"`
	Credential  string     `json:"credential"`
	ReceivedAt  time.Time  `json:"received_at"`
	Sequence    uuid.UUID  `json:"sequence"`
	TraceID     string     `json:"trace_id,omitempty"`
	Items       []jsonItem `json:"items"`
}

type jsonItem struct {
	Original   json.RawMessage `json:"original"`
	ID         string          `json:"id,omitempty"`
	OccurredAt time.Time       `json:"occurred_at"`
}

func toJSON(r *event.Request) jsonRequest {
	j := jsonRequest{r.Application, r.Credential, r.ReceivedAt, r.Sequence, fmt.Sprintf("%x", r.TraceID), nil}
	for _, item := range r.Items {
		j.Items = append(j.Items, jsonItem{item.Original, item.ID, item.OccurredAt})
	}
	return j
}

// appendFields is one XADD field an event beside the request's own, in Redis' protocol: name and value as bulk strings.
func appendFields(b []byte, r *event.Request) []byte {
	field := func(name, value []byte) {
		for _, s := range [][]byte{name, value} {
			b = append(strconv.AppendInt(append(b, '$'), int64(len(s)), 10), "\r\n"...)
			b = append(append(b, s...), "\r\n"...)
		}
	}
	field([]byte("application"), r.Application[:])
	field([]byte("credential"), []byte(r.Credential))
	field([]byte("received_at"), r.ReceivedAt.AppendFormat(nil, time.RFC3339Nano))
	field([]byte("sequence"), r.Sequence[:])
	field([]byte("trace_id"), r.TraceID[:])
	for i, item := range r.Items {
		n := strconv.Itoa(i)
		field([]byte("event:"+n), item.Original)
		field([]byte("id:"+n), []byte(item.ID))
		field([]byte("occurred_at:"+n), item.OccurredAt.AppendFormat(nil, time.RFC3339Nano))
	}
	return b
}

// BenchmarkEncode compares encodings of a request as a stream entry; B/event is what each adds to the event's bytes.
func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{1, 100} {
		r := request(n)
		run := func(name string, encode func([]byte) []byte) {
			b.Run(fmt.Sprintf("%s/events=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				var buf []byte
				for b.Loop() {
					buf = encode(buf[:0])
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
				b.ReportMetric(float64(len(buf)-n*len(typical))/float64(n), "overhead-B/event")
			})
		}
		run("batch", func(b []byte) []byte { return event.AppendRequest(b, &r) })
		run("json", func(dst []byte) []byte {
			text, err := json.Marshal(toJSON(&r))
			if err != nil {
				b.Fatal(err)
			}
			return append(dst, text...)
		})
		run("fields", func(b []byte) []byte { return appendFields(b, &r) })
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1, 100} {
		r := request(n)
		batch := event.AppendRequest(nil, &r)
		text, err := json.Marshal(toJSON(&r))
		if err != nil {
			b.Fatal(err)
		}
		run := func(name string, decode func() error) {
			b.Run(fmt.Sprintf("%s/events=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := decode(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
			})
		}
		run("batch", func() error { _, err := event.DecodeBatch(batch); return err })
		run("json", func() error { return json.Unmarshal(text, new(jsonRequest)) })
	}
}

// BenchmarkDoor is what every event costs at the door and again at the store: split, decode and fingerprint.
func BenchmarkDoor(b *testing.B) {
	for _, n := range []int{1, 100} {
		body := []byte(typical)
		if n > 1 {
			body = append(append([]byte("["), bytes.Join(repeat(body, n), []byte(","))...), ']')
		}
		for _, fingerprint := range []bool{false, true} {
			b.Run(fmt.Sprintf("events=%d/fingerprint=%t", n, fingerprint), func(b *testing.B) {
				b.ReportAllocs()
				var s event.Splitter
				var scratch []byte
				for b.Loop() {
					_, err := s.Split(body, event.MaxEventBytes, func(_ []byte, doc *jsonb.Doc, _ *event.Refusal) {
						e, refusal := event.Decode(doc, true)
						if refusal != nil {
							b.Fatal(refusal)
						}
						if fingerprint {
							_, scratch = e.Fingerprint(scratch)
						}
					})
					if err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
			})
		}
	}
}

func repeat(body []byte, n int) (list [][]byte) {
	for range n {
		list = append(list, body)
	}
	return list
}

func BenchmarkParseTimestamp(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = event.ParseTimestamp("2021-01-01T09:15:27.243860Z")
	}
}

func BenchmarkSequencer(b *testing.B) {
	s := event.NewSequencer(time.Now)
	for b.Loop() {
		s.Next(1)
	}
}
