package client_test

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"testing"

	"github.com/theeye-dev/theeye/api/client"
)

// door answers at once, without a network: what is measured is the client.
func door(r *http.Request) (*http.Response, error) {
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return nil, err
	}
	var answer bytes.Buffer
	answer.WriteString(`{"accepted":1,"rejected":0,"events":[`)
	for i, part := range bytes.Split(body, []byte(`{"id":"`))[1:] {
		if i > 0 {
			answer.WriteByte(',')
		}
		answer.WriteString(`{"id":"` + string(part[:36]) + `","status":"accepted"}`)
	}
	answer.WriteString("]}")
	return &http.Response{StatusCode: http.StatusAccepted, Header: http.Header{}, Body: io.NopCloser(&answer)}, nil
}

// typical is an event of some 400 bytes.
func typical() client.Event {
	return client.Event{
		SessionID: "e2085be5-9137-4e4e-80b5-f1ffddc25423", Category: "page interaction", Name: "pageview",
		Data: struct {
			Host      string   `json:"host"`
			Path      string   `json:"path"`
			Referrer  string   `json:"referrer"`
			Language  string   `json:"language"`
			Returning bool     `json:"returning"`
			Load      float64  `json:"load_ms"`
			Tags      []string `json:"tags"`
		}{
			"www.example.com", "/products/coffee/ethiopia-yirgacheffe", "https://search.example.org/?q=coffee+beans", "en-GB", true,
			183.25,
			[]string{"spring", "sale"},
		},
	}
}

// BenchmarkSend is the whole cost of an event in the client: id, encoding, queue, batch, verdict.
func BenchmarkSend(b *testing.B) {
	for _, senders := range []int{1, 16} {
		b.Run(strconv.Itoa(senders), func(b *testing.B) {
			c, err := client.New(client.Config{URL: "http://x", Key: client.StaticKey(key), Transport: roundTrip(door)})
			if err != nil {
				b.Fatal(err)
			}
			s := c.NewSender(client.SenderConfig{})
			b.ReportAllocs()
			b.SetParallelism(senders)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := s.Send(b.Context(), typical()); err != nil {
						b.Error(err)
					}
				}
			})
			if err := s.Close(b.Context()); err != nil || s.Stats().Accepted != uint64(b.N) {
				b.Errorf("%+v, %v", s.Stats(), err)
			}
		})
	}
}

// BenchmarkPost is one event at a time.
func BenchmarkPost(b *testing.B) {
	c, err := client.New(client.Config{URL: "http://x", Key: client.StaticKey(key), Transport: roundTrip(door)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Post(b.Context(), []client.Event{typical()}); err != nil {
			b.Fatal(err)
		}
	}
}
