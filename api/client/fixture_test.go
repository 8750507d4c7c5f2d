package client_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/client"
)

// answers are what a scripted server does with the requests, in order; the last one is for all that follow.
type answers []http.HandlerFunc

// request is one that a scripted server got.
type request struct {
	at      time.Time
	host    string
	header  http.Header
	bytes   int
	content []map[string]any
}

func (r request) ids() []string {
	var ids []string
	for _, e := range r.content {
		ids = append(ids, e["id"].(string))
	}
	return ids
}

// server is a real HTTP server, on pipes in memory: in a bubble of testing/synctest time passes only when all wait,
// which makes every wait of the client exact, and the bubble fails the test when a goroutine is left.
type server struct {
	conns chan net.Conn
	ended chan struct{}

	mu       sync.Mutex
	requests []request
	dials    int
}

func serve(t *testing.T, script answers) *server {
	t.Helper()
	s := &server{conns: make(chan net.Conn), ended: make(chan struct{})}
	h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		script[min(s.record(r), len(script)-1)](w, r)
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = h.Serve(s)
	}()
	t.Cleanup(func() {
		_ = h.Close()
		<-served
	})
	return s
}

// Accept, Close and Addr make it a net.Listener.
func (s *server) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conns:
		return conn, nil
	case <-s.ended:
		return nil, net.ErrClosed
	}
}

func (s *server) Close() error {
	close(s.ended)
	return nil
}

func (s *server) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (s *server) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case s.conns <- theirs:
		s.mu.Lock()
		s.dials++
		s.mu.Unlock()
		return ours, nil
	case <-s.ended:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// record reads a request and returns how many came before it.
func (s *server) record(r *http.Request) int {
	body, err := io.ReadAll(r.Body)
	got := request{at: time.Now(), host: r.Host, header: r.Header, bytes: len(body)}
	if err == nil {
		_ = json.Unmarshal(body, &got.content) // what is none has no ids
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, got)
	return len(s.requests) - 1
}

// got returns the requests so far.
func (s *server) got() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

const key = "eye_test_0123456789abcdef012345671_secretsecretsecret"

// client makes a client of the server; change may change its configuration.
func (s *server) client(t *testing.T, change ...func(*client.Config)) *client.Client {
	t.Helper()
	transport := &http.Transport{DialContext: s.dial, MaxIdleConnsPerHost: 4}
	t.Cleanup(transport.CloseIdleConnections)
	config := client.Config{URL: "http://ingest.example", Key: client.StaticKey(key), Transport: transport}
	for _, c := range change {
		c(&config)
	}
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// accept answers as TheEye does when all is well.
func accept(w http.ResponseWriter, r *http.Request) { receipt(w, r, nil) }

// receipt answers 202 with what judge says of every event; nil accepts all.
func receipt(w http.ResponseWriter, r *http.Request, judge func(id string) map[string]any) {
	var events []struct {
		ID string `json:"id"`
	}
	if err := json.NewDecoder(r.Body).Decode(&events); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	verdicts := make([]map[string]any, len(events))
	for i, e := range events {
		verdicts[i] = map[string]any{"id": e.ID, "status": "accepted"}
		if judge != nil {
			verdicts[i] = judge(e.ID)
		}
	}
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(map[string]any{"events": verdicts})
}

// problem answers as TheEye does when nothing was decided.
func problem(status int, code string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "code": code, "detail": "some detail"})
	}
}

// page answers as something else on the way does.
func page(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<html>some proxy</html>")
	}
}

// broken takes a request and answers nothing.
func broken(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func event(name string) client.Event {
	return client.Event{SessionID: "s", Category: "order", Name: name, Data: map[string]any{"n": 1}}
}

func events(n int) []client.Event {
	made := make([]client.Event, n)
	for i := range made {
		made[i] = event("placed")
	}
	return made
}

// allAccepted fails the test unless every verdict is so.
func allAccepted(t *testing.T, verdicts []client.Verdict, n int) {
	t.Helper()
	if len(verdicts) != n {
		t.Fatalf("%d verdicts, want %d", len(verdicts), n)
	}
	for i, v := range verdicts {
		if v.Status != client.Accepted {
			t.Errorf("verdict %d is %+v", i, v)
		}
	}
}
