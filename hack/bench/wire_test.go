package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// answering returns a connection whose server has sent text and ended.
func answering(t *testing.T, text string) *wireConn {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = ours.Close() })
	go func() { // ends with the pipe
		defer theirs.Close() //nolint:errcheck // all is sent
		_, _ = io.ReadFull(theirs, make([]byte, len("request")))
		_, _ = io.WriteString(theirs, text)
	}()
	return &wireConn{conn: ours, in: bufio.NewReaderSize(ours, readBuffer)}
}

func TestExchangeReadsBothKindsOfBodies(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer string
		status int
		body   string
		fails  bool
	}{
		"length":    {"HTTP/1.1 202 Accepted\r\ncontent-length: 5\r\nX: y\r\n\r\nhello", 202, "hello", false},
		"none":      {"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", 202, "", false},
		"chunks":    {"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", 503, "abc0123456789", false},
		"cut":       {"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nhel", 202, "", true},
		"bad chunk": {"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n", 202, "", true},
		"no HTTP":   {"SSH-2.0\r\n\r\n", 0, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body, err := answering(t, test.answer).exchange([]byte("request"))
			if status != test.status || test.fails != (err != nil) || err == nil && string(body) != test.body {
				t.Errorf("got %d, %q, %v", status, body, err)
			}
		})
	}
}

func TestLoadSendsWhatItSays(t *testing.T) {
	t.Parallel()
	var posts, events atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n, err := checkEvents(body)
		if err != nil || r.Header.Get("Authorization") != "Bearer key" {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		posts.Add(1)
		events.Add(int64(n))
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"rejected":0}`)
	}))
	t.Cleanup(server.Close)
	config := loadConfig{
		Address: strings.TrimPrefix(server.URL, "http://"), Path: "/", Authorization: "Bearer key", Batch: 3,
		Connections: 4, MaxEvents: 300, Expect: `"rejected":0`,
	}
	g, err := newLoad(config)
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	o, err := g.phase(time.Minute)
	if err != nil || o.Requests != 100 || posts.Load() != 100 || o.Events != 300 || events.Load() != 300 {
		t.Errorf("got %+v, %v; the server saw %d requests", o, err, posts.Load())
	}
	if o.P50 <= 0 || o.P99 < o.P50 {
		t.Errorf("p50 %v, p99 %v", o.P50, o.P99)
	}
	g.config.Expect = `"rejected":1`
	if _, err := g.phase(time.Minute); err == nil {
		t.Error("a wrong answer is no error")
	}
}

func TestCheckEventsRefuses(t *testing.T) {
	t.Parallel()
	const good = `{"session_id":"s","category":"c","name":"n","data":{},"timestamp":"2026-03-01T12:00:00Z"}`
	for body, want := range map[string]int{
		good: 1, "[" + good + "," + good + "]": 2,
		`{}`: 0, `[` + good + `,{}]`: 0, `nonsense`: 0, strings.Replace(good, "{}", "[]", 1): 0, strings.Replace(good, "T12", "T99", 1): 0,
	} {
		if got, err := checkEvents([]byte(body)); got != want || (err == nil) != (want > 0) {
			t.Errorf("%s: %d, %v", body, got, err)
		}
	}
}
