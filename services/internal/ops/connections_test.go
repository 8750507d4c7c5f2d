package ops

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// crowded is a server of few connections. Requests to /hold wait until the test's end.
type crowded struct {
	*testing.T
	address string
	limits  *connections
	holding chan struct{}
}

func newCrowded(t *testing.T, limit int) *crowded {
	t.Helper()
	c := &crowded{T: t, limits: newConnections(limit), holding: make(chan struct{}, limit)}
	release := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/hold", func(http.ResponseWriter, *http.Request) {
		c.holding <- struct{}{}
		<-release
	})
	s, err := Listen("test", "127.0.0.1:0", nil, mux, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.server.ConnState = c.limits.changed
	c.address = s.Addr()
	ended := make(chan error, 1)
	go func() { ended <- s.Run() }()
	t.Cleanup(func() {
		close(release)
		s.Stop(nil)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		c.eventually(func() bool { return len(c.limits.open)+len(c.limits.count)+c.limits.idle.Len() == 0 })
	})
	return c
}

// dial connects from an address of this machine.
func (c *crowded) dial(from string) net.Conn {
	c.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext(c.Context(), "tcp", c.address)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (c *crowded) send(conn net.Conn, path string) {
	c.Helper()
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		c.Fatal(err)
	}
}

// isClosed waits for a connection's end; it must have been told nothing.
func (c *crowded) isClosed(what string, conn net.Conn) {
	c.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	var timeout net.Error
	if n, err := conn.Read(make([]byte, 1)); n > 0 || errors.As(err, &timeout) && timeout.Timeout() {
		c.Errorf("%s is still open: read %d bytes, %v", what, n, err)
	}
}

func (c *crowded) eventually(so func() bool) {
	c.Helper()
	await(c.T, "connections as they should be", func() bool {
		c.limits.mu.Lock()
		defer c.limits.mu.Unlock()
		return so()
	})
}

// TestIdleConnectionsMakeRoom: of an address that opens ever more, those that wait longest are closed, in their order;
// whoever is served is not, and a client of another address keeps its own.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	c := newCrowded(t, 10)
	served := c.dial("127.0.0.1")
	c.send(served, "/hold")
	<-c.holding
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext(ctx, network, address)
	}}}
	t.Cleanup(client.CloseIdleConnections)
	dialled := map[string]bool{}
	get := func() {
		t.Helper()
		trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { dialled[info.Conn.LocalAddr().String()] = true }}
		request, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, "http://"+c.address, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	get()
	var idle []net.Conn
	for range 40 {
		conn := c.dial("127.0.0.1")
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHo"); err != nil { // half a header is none
			t.Fatal(err)
		}
		idle = append(idle, conn)
		get()
	}
	if len(dialled) != 1 {
		t.Errorf("the client of another address needed %d connections", len(dialled))
	}
	for _, conn := range idle[:40-7] { // 8 of 10 are its share beside the other's one, and one is served
		c.isClosed("an old idle connection", conn)
	}
	c.eventually(func() bool { return len(c.limits.open) <= 9 && len(c.limits.open) >= 7 })
	for i, conn := range append(idle[38:40:40], served) {
		_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
		var timeout net.Error
		if _, err := conn.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("connection %d was not kept: %v", i, err)
		}
	}
}

// TestAStormHasAPace: connections within an address' share are taken at once, and each beyond it counts.
func TestAStormHasAPace(t *testing.T) {
	t.Parallel()
	const limit, share, beyond = 5, 4, 3
	c := newCrowded(t, limit)
	c.limits.pace = rate.NewLimiter(rate.Every(time.Hour), beyond)
	var conns []net.Conn
	for range share {
		conns = append(conns, c.dial("127.0.0.1"))
	}
	c.eventually(func() bool { return len(c.limits.open) == share })
	if left := c.limits.pace.Tokens(); left < beyond {
		t.Errorf("within the share %.0f were counted", beyond-left)
	}
	for range beyond {
		c.dial("127.0.0.1")
	}
	for _, conn := range conns[:beyond] {
		c.isClosed("one that made room", conn)
	}
	if left := c.limits.pace.Tokens(); left >= 1 {
		t.Errorf("beyond the share %.0f were not counted", left)
	}
}

// TestServedConnectionsAreKept: with all of an address' share served, its next connection is closed itself; one from
// elsewhere gets in, and when all are taken, makes the longest idle one of anybody leave.
func TestServedConnectionsAreKept(t *testing.T) {
	t.Parallel()
	c := newCrowded(t, 5)
	for range 4 {
		c.send(c.dial("127.0.0.1"), "/hold")
		<-c.holding
	}
	c.isClosed("a connection beyond the share", c.dial("127.0.0.1"))
	second := c.dial("127.0.0.2")
	c.eventually(func() bool { return len(c.limits.open) == 5 && c.limits.idle.Len() == 1 })
	third := c.dial("127.0.0.3")
	c.isClosed("the only idle one", second)
	c.send(third, "/hold")
	<-c.holding
	c.isClosed("a connection when all are served", c.dial("127.0.0.4"))
}
