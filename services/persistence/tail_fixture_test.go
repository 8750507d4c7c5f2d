package persistence

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/event"
)

// audience is a library whose store announces what becomes of events, and whose replica serves the tail.
type audience struct {
	*library
	announcer *Announcer
}

func newAudience(t testing.TB) *audience {
	t.Helper()
	a := &audience{library: newLibrary(t)}
	a.announcer = a.announce(a.store, "first")
	a.tail = a.follow(a.newTail())
	a.url = a.serve(a.store, a.ring)
	return a
}

// announce lets a store announce.
func (a *audience) announce(store *Postgres, replica string) *Announcer {
	a.Helper()
	announcer, err := NewAnnouncer(a.redis, replica, time.Now, slog.New(slog.DiscardHandler), metricnoop.Meter{})
	a.must(err)
	store.Announce = announcer.Announce
	return announcer
}

func (a *audience) newTail() *Tail {
	a.Helper()
	tail, err := NewTail(a.redis, time.Now, slog.New(slog.DiscardHandler), metricnoop.Meter{})
	a.must(err)
	return tail
}

// follow runs a tail until the test ends, and waits until it has read what there is.
func (a *audience) follow(tail *Tail) *Tail {
	a.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(a.Context()))
	ended := make(chan error, 1)
	go func() { ended <- tail.Run(ctx) }()
	a.Cleanup(func() {
		cancel()
		a.must(<-ended)
	})
	a.awaitTail(tail, "the tail was read", func() bool { return tail.loaded })
	return tail
}

// another is a further replica that serves the tail.
func (a *audience) another() *audience {
	a.Helper()
	other := &audience{library: &library{fixture: a.fixture, keys: a.keys, ring: a.ring, redis: a.redis}}
	other.tail = other.follow(other.newTail())
	other.url = other.serve(a.store, a.ring)
	return other
}

// listen begins to listen without a connection.
func (a *audience) listen(after *place) *ear {
	a.Helper()
	e, err := a.tail.listen(a.Context(), after)
	a.must(err)
	return e
}

// sealed is what clients are given for a place.
func (a *audience) sealed(p place) string {
	a.Helper()
	salt, err := a.store.salt(a.Context())
	a.must(err)
	s, err := newSeal(salt)
	a.must(err)
	return s.id(p)
}

// awaitTail waits until what a tail knows is as it should be.
func (a *audience) awaitTail(tail *Tail, what string, so func() bool) {
	a.Helper()
	deadline := time.After(time.Minute)
	for {
		tail.mu.Lock()
		beat, ok := tail.beat, so()
		tail.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-beat:
		case <-deadline:
			a.Fatalf("waited for a minute until %s", what)
		}
	}
}

// received is one server-sent event.
type received struct {
	id, kind, data string
}

// listener is one that reads a stream.
type listener struct {
	a      *audience
	events chan received // closed at the end of the answer
	last   string        // newest id that came before what next returned, or with it
}

// stream begins to listen.
func (a *audience) stream(base, token, query, after string) *listener {
	a.Helper()
	response := a.open(a.Context(), base, token, query, after) //nolint:bodyclose // its cleanup does
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		text, _ := io.ReadAll(response.Body)
		a.Fatalf("%s answered %d %s", query, response.StatusCode, text)
	}
	s := &listener{a: a, events: make(chan received, 10_000)}
	go func() {
		defer close(s.events)
		defer response.Body.Close() //nolint:errcheck // only read
		parse(response.Body, func(e received) { s.events <- e })
	}()
	return s
}

// open asks for a stream; the connection is closed with the test.
func (a *audience) open(ctx context.Context, base, token, query, after string) *http.Response {
	a.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/stream?"+query, nil)
	a.must(err)
	request.Header.Set("Authorization", "Bearer "+token)
	if after != "" {
		request.Header.Set("Last-Event-ID", after)
	}
	transport := &http.Transport{}
	response, err := transport.RoundTrip(request)
	a.must(err)
	a.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// parse reads server-sent events, also those that have nothing but an id.
func parse(r io.Reader, tell func(received)) {
	var e received
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.kind = value
		case "data":
			e.data = value
		case "":
			if e != (received{}) {
				tell(e)
			}
			e = received{}
		}
	}
}

// next waits for an event, and passes over what has nothing but an id; ok is false at the end of the stream.
func (s *listener) next() (e received, ok bool) {
	s.a.Helper()
	for ok = true; ok && e.kind == ""; {
		e, ok = s.any()
	}
	return e, ok
}

// any waits for whatever comes, if it is only an id.
func (s *listener) any() (e received, ok bool) {
	s.a.Helper()
	select {
	case e, ok = <-s.events:
		if e.id != "" {
			s.last = e.id
		}
		return e, ok
	case <-time.After(time.Minute):
		s.a.Fatal("no event came for a minute")
		return e, false
	}
}

// told waits for n outcomes, and returns them as "outcome id".
func (s *listener) told(n int) (found []string) {
	s.a.Helper()
	for range n {
		e, ok := s.next()
		if !ok {
			s.a.Fatalf("the stream ended after %v", found)
		}
		var t Told
		s.a.must(json.Unmarshal([]byte(e.data), &t))
		switch {
		case t.Event != nil:
			found = append(found, e.kind+" "+t.Event.ID)
		case t.Failure != nil:
			found = append(found, e.kind+" "+t.Failure.EventID)
		default:
			found = append(found, e.kind+" "+e.data)
		}
	}
	return found
}

// mark stores an event that ends what a test looks at.
func (a *audience) mark(application uuid.UUID, id string) {
	a.Helper()
	a.insert(a.request(application, item(id, "mark", "")))
}

func manyItems(prefix string, n int) []event.Item {
	items := make([]event.Item, n)
	for i := range items {
		items[i] = item(prefix+string(rune('a'+i%26))+time.Duration(i).String(), "s", "")
	}
	return items
}
