package operator

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
)

// peer is a service that answers as a test has it, and counts what reaches it.
type peer struct {
	*Remote
	server *httptest.Server
	clock  *clock // the breakers'
	asked  atomic.Int64
}

func newPeer(t *testing.T, name string, handler http.HandlerFunc) *peer {
	t.Helper()
	p := &peer{clock: &clock{now: time.Now()}}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		handler(w, r)
	}))
	t.Cleanup(p.server.Close)
	p.Remote = p.remote(name, func() (string, error) { return adminToken, nil }, p.server.Client().Transport)
	return p
}

func (p *peer) remote(name string, token func() (string, error), transport http.RoundTripper) *Remote {
	r := NewRemote(name, p.server.URL, token, transport)
	r.breaker.now, r.courtesy.now = p.clock.Now, p.clock.Now
	return r
}

// hang answers nobody, and ends when whoever asks goes.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// reset ends a connection, after some of an answer.
func reset(some string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		connection, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return // the test sees another error than it waits for
		}
		_, _ = buffered.WriteString(some)
		_ = buffered.Flush()
		_ = connection.(*net.TCPConn).SetLinger(0) //nolint:forcetypeassert // httptest serves nothing else
		_ = connection.Close()
	}
}

// says answers with a status and a text.
func says(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text)) // whoever asked may have gone
	}
}

const lately = "did not answer lately"

// Who resets or refuses connections, or answers nothing in time, is not asked again until a pause is over.
func TestSilenceOpensTheBreaker(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		closed  bool
		reached int64
	}{
		"reset":          {handler: reset(""), reached: 1},
		"refused":        {handler: hang, closed: true},
		"hanging":        {handler: hang, reached: 1},
		"a hanging body": {handler: func(w http.ResponseWriter, r *http.Request) { _ = http.NewResponseController(w).Flush(); hang(w, r) }, reached: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "persistence", c.handler)
			if c.closed {
				p.server.Close()
			}
			usage := func() error { _, err := Persistence{p.Remote}.Usage(t.Context(), uuid.New()); return err }
			if err := usage(); err == nil || strings.Contains(err.Error(), lately) {
				t.Fatalf("the first: %v", err)
			}
			for range 3 {
				if err := usage(); err == nil || err.Error() != "persistence "+lately {
					t.Errorf("the next: %v", err)
				}
			}
			p.clock.advance(firstBreak)
			if c.reached++; c.closed {
				c.reached = 0
			}
			if err := usage(); err == nil || strings.Contains(err.Error(), lately) {
				t.Errorf("after the pause: %v", err)
			}
			if n := p.asked.Load(); n != c.reached {
				t.Errorf("%d requests, want %d", n, c.reached)
			}
		})
	}
}

// A slow answer to a courtesy does not keep an erasure waiting.
func TestUsageHoldsUpNoErasure(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "persistence", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			reset("")(w, r)
		}
	})
	archive := Persistence{p.Remote}
	for range 2 {
		if _, err := archive.Usage(t.Context(), uuid.New()); err == nil {
			t.Error("there is a usage")
		}
	}
	if err := archive.Erase(t.Context(), uuid.New()); err != nil {
		t.Error(err)
	}
	if n := p.asked.Load(); n != 2 {
		t.Errorf("%d requests, want one of each", n)
	}
}

// Whatever is answered, the service is there.
func TestAnswersKeepTheBreakerClosed(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"503":            says(http.StatusServiceUnavailable, ""),
		"a page":         says(http.StatusNotFound, "<html>not found</html>"),
		"not JSON":       says(http.StatusOK, "hello"),
		"half an answer": reset("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"uid\":"),
		"a large answer": says(http.StatusOK, strings.Repeat(" ", maxAnswer+1)),
		"a redirection":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "auth", handler)
			for range 3 {
				if record, err := (Auth{p.Remote}).Application(t.Context(), uuid.New()); err == nil {
					t.Errorf("the answer counts as %+v", record)
				}
			}
			if n := p.asked.Load(); n != 3 {
				t.Errorf("%d requests reached the service, want 3", n)
			}
		})
	}
}

// A caller who goes says nothing of the service.
func TestCallerGoes(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p := newPeer(t, "auth", func(w http.ResponseWriter, r *http.Request) { cancel(); hang(w, r) })
	if err := p.Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, ok := p.breaker.admit(); !ok {
		t.Error("the breaker is open")
	}
}

// One request finds out whether a service is back while others fail at once, and all are served when it is.
func TestOneRequestProbes(t *testing.T) {
	t.Parallel()
	var back atomic.Bool
	arrived, release := make(chan struct{}), make(chan struct{})
	p := newPeer(t, "auth", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !back.Load():
			reset("")(w, r)
		case r.URL.Path == "/probe":
			close(arrived)
			<-release
		}
	})
	if err := p.do(t.Context(), http.MethodGet, "/", nil, nil); err == nil {
		t.Fatal("there is an answer")
	}
	back.Store(true)
	p.clock.advance(firstBreak)
	probe := make(chan error, 1)
	go func() { probe <- p.do(t.Context(), http.MethodGet, "/probe", nil, nil) }()
	<-arrived
	for range 10 {
		if err := p.Ping(t.Context()); err == nil || err.Error() != "auth "+lately {
			t.Errorf("while another probes: %v", err)
		}
	}
	close(release)
	if err := errors.Join(<-probe, p.Ping(t.Context())); err != nil {
		t.Error(err)
	}
}

// deadlines notes how long requests may take, and answers none.
type deadlines struct{ left time.Duration }

var errNoAnswer = errors.New("no answer")

// RoundTrip implements http.RoundTripper.
func (d *deadlines) RoundTrip(r *http.Request) (*http.Response, error) {
	end, _ := r.Context().Deadline()
	d.left = time.Until(end)
	return nil, errNoAnswer
}

// Every request has a bound, by what it is worth waiting for.
func TestEveryRequestIsBounded(t *testing.T) {
	t.Parallel()
	ctx, uid := t.Context(), uuid.New()
	for name, c := range map[string]struct {
		ask  func(*Remote) error
		most time.Duration
	}{
		"ping":  {func(r *Remote) error { return r.Ping(ctx) }, 5 * time.Second},
		"read":  {func(r *Remote) error { _, err := Auth{r}.Application(ctx, uid); return err }, 5 * time.Second},
		"write": {func(r *Remote) error { return Auth{r}.PutCredential(ctx, uid, registry.Credential{ID: "1"}) }, 5 * time.Second},
		"list":  {func(r *Remote) error { _, err := Auth{r}.List(ctx, "c"); return err }, 5 * time.Second},
		"usage": {func(r *Remote) error { _, err := Persistence{r}.Usage(ctx, uid); return err }, 2 * time.Second},
		"erase": {func(r *Remote) error { return Persistence{r}.Erase(ctx, uid) }, 10 * time.Second},
	} {
		d := &deadlines{}
		r := NewRemote("service", "http://127.0.0.1", func() (string, error) { return adminToken, nil }, d)
		if err := c.ask(r); !errors.Is(err, errNoAnswer) {
			t.Errorf("%s: %v", name, err)
		}
		if d.left > c.most || d.left < c.most-time.Second {
			t.Errorf("%s: ends after %s, want %s", name, d.left, c.most)
		}
	}
}
