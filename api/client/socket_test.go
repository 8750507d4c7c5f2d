package client_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	protocol "github.com/theeye-dev/theeye/api/event"

	"github.com/theeye-dev/theeye/api/client"
)

// patience bounds what a loaded machine may take.
const patience = time.Minute

// reset ends a connection as a process that is killed does.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// TestResetConnections: over real ones, before and after the request took effect. Not parallel: it counts goroutines.
func TestResetConnections(t *testing.T) {
	const sent = 600
	before := connections()
	var mu sync.Mutex
	applied, requests := map[string]int{}, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		requests++
		if requests%3 == 0 {
			reset(w)
			return
		}
		for part := range strings.SplitSeq(string(body), `"id":"`) {
			if id, _, ok := strings.Cut(part, `"`); ok && id != "" {
				applied[id]++
			}
		}
		if requests%3 == 1 {
			reset(w)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		accept(w, r)
	}))
	defer server.Close()
	c, err := client.New(client.Config{URL: server.URL, Key: client.StaticKey(key), MinBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s := c.NewSender(client.SenderConfig{MaxEvents: 10, Concurrency: 4})
	send(t, s, sent)
	closed(t, s)
	if got := s.Stats(); got.Accepted != sent || got.Undelivered != 0 || got.Retries == 0 {
		t.Errorf("stats %+v", got)
	}
	if requests < 3*sent/10-2 { // of three, two are cut
		t.Errorf("only %d requests: the test tests too little", requests)
	}
	if len(applied) != sent {
		t.Errorf("%d ids arrived, want %d", len(applied), sent)
	}
	await(t, func() error {
		if now := connections(); now > before {
			return fmt.Errorf("%d connections have goroutines, before there were %d", now, before)
		}
		return nil
	})
}

// connections are the goroutines of clients' connections, and those of the client package.
func connections() int {
	stacks := make([]byte, 8<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), "net/http.(*persistConn).readLoop(") + strings.Count(string(stacks), "client.(*Sender).run")
}

func await(t *testing.T, f func() error) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatal(err)
		}
	}
}

func TestConnectionIsUsedAgain(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(accept))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	c, err := client.New(client.Config{URL: server.URL, Key: client.StaticKey(key)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	for range 50 {
		if _, err := c.Post(t.Context(), events(3)); err != nil {
			t.Fatal(err)
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections for 50 posts", n)
	}
}

// TestLimitsAreTheDoors: they are written twice, so that the client needs nothing of the server's.
func TestLimitsAreTheDoors(t *testing.T) {
	t.Parallel()
	if client.MaxRequestEvents != protocol.MaxEvents || client.MaxRequestBytes != protocol.MaxRequestBytes {
		t.Errorf("the client has %d events and %d bytes, the door %d and %d",
			client.MaxRequestEvents, client.MaxRequestBytes, protocol.MaxEvents, protocol.MaxRequestBytes)
	}
}

func TestClientNeedsLittle(t *testing.T) {
	t.Parallel()
	list, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Fields(string(list)), "[github.com/google/uuid github.com/theeye-dev/theeye/api/client]"; fmt.Sprint(got) != want {
		t.Errorf("it needs %v, want %s", got, want)
	}
}
