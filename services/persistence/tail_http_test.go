package persistence

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// TestStreamFilters has a listener for each filter, and the same events for all.
func TestStreamFilters(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	now := time.Now().UTC().Truncate(time.Second)
	stamp := func(d time.Duration) string { return url.QueryEscape(now.Add(d).Format(time.RFC3339)) }
	type expectation struct {
		token, query string
		want         []string
	}
	all := []string{"stored a", "stored b", "duplicate b", "refused ", "stored c", "stored d"}
	expectations := map[string]expectation{
		"all":              {adminToken, "", all},
		"its own":          {a.keys[shop], "", all[:4]},
		"its own by name":  {a.keys[shop], "application=shop/web-shop", all[:4]},
		"another's":        {adminToken, "application=" + blog.String(), all[4:]},
		"a session":        {adminToken, "session_id=t", []string{"stored b", "duplicate b", "stored c"}},
		"a session of one": {a.keys[blog], "session_id=t", []string{"stored c"}},
		"a category":       {adminToken, "category=page", []string{"stored a", "stored b", "duplicate b", "stored c", "stored d"}},
		"a name":           {adminToken, "name=other", nil},
		"data":             {adminToken, "data.n[gte]=5", []string{"stored b", "duplicate b"}},
		"data and session": {adminToken, "data.n=5.0&session_id=t", []string{"stored b", "duplicate b"}},
		"other data":       {adminToken, "data.n[ne]=5", []string{"stored a", "stored c", "stored d"}},
		"outcomes":         {adminToken, "outcome=duplicate,refused", []string{"duplicate b", "refused "}},
		"from":             {adminToken, "from=" + stamp(-time.Hour), []string{"stored b", "duplicate b", "stored c", "stored d"}},
		"to":               {adminToken, "to=" + stamp(-time.Hour), []string{"stored a"}},
	}
	streams := map[string]*listener{}
	for name, e := range expectations {
		streams[name] = a.stream(a.url, e.token, e.query, "")
	}
	old := at(item("a", "s", ""), now.Add(-2*time.Hour))
	a.insert(a.request(shop, old, item("b", "t", `"data":{"n":5}`)))
	a.insert(a.request(shop, item("b", "t", `"data":{"n":5}`)))
	a.insert(a.request(shop, refused("{}", "field.missing")))
	a.insert(a.request(blog, item("c", "t", ""), item("d", "s", "")))
	for name, e := range expectations {
		if got := prefixes(streams[name].told(len(e.want))); !equal(got, e.want) {
			t.Errorf("%s: told %q, want %q", name, got, e.want)
		}
	}
	// What comes next is the same for all who want it: nothing was told beyond.
	a.insert(a.request(shop, item("end", "t", `"name":"other"`)), a.request(blog, item("end", "t", "")))
	for _, name := range []string{"another's", "a session of one", "a category"} {
		if got := streams[name].told(1); got[0] != "stored end" {
			t.Errorf("%s: told %q beyond", name, got)
		}
	}
}

func equal(a, b []string) bool { return strings.Join(a, "\n") == strings.Join(b, "\n") }

// TestWhoMayListen is who may read.
func TestWhoMayListen(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	for name, c := range map[string]struct {
		token, query, after string
		status              int
		says                string
	}{
		"admin":            {adminToken, "", "", 200, ""},
		"application":      {a.keys[shop], "", a.sealed(place{ms: 1}), 200, ""},
		"wrong key":        {"eye_wrong", "", "", 401, "mistyped"},
		"another's":        {a.keys[shop], "application=" + blog.String(), "", 403, "of the other is missing"},
		"unknown":          {adminToken, "limit=1", "", 400, "known are session_id, application, category, name, from, to, data.<path>, outcome"},
		"no path":          {adminToken, "data.=1", "", 400, "an empty step"},
		"no order":         {adminToken, "data.x[gt]=true", "", 400, "only numbers and strings"},
		"twice":            {adminToken, "outcome=stored&outcome=failed", "", 400, `parameter "outcome" is given 2 times`},
		"no outcome":       {adminToken, "outcome=erased", "", 400, "a list, with commas"},
		"empty outcome":    {adminToken, "outcome=", "", 400, "a list, with commas"},
		"no place":         {adminToken, "", "x", 400, "not an id that this service gave out"},
		"a place unsealed": {adminToken, "", "1-0.0", 400, "not an id that this service gave out"},
		"from not before":  {adminToken, "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "", 400, "from must be before to"},
		"malformed string": {adminToken, "outcome=%zz", "", 400, "malformed"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		response := a.open(ctx, a.url, c.token, c.query, c.after) //nolint:bodyclose // its cleanup does
		if response.StatusCode != c.status {
			t.Errorf("%s: answered %d", name, response.StatusCode)
		}
		if c.status != http.StatusOK {
			var problem fault.Problem
			if err := json.NewDecoder(response.Body).Decode(&problem); err != nil || !strings.Contains(problem.Detail, c.says) {
				t.Errorf("%s: %+v, %v", name, problem, err)
			}
		}
		cancel()
	}
	a.awaitListeners(0)
	starting := &audience{library: &library{fixture: a.fixture, keys: a.keys, ring: a.ring, redis: a.redis, tail: a.newTail()}}
	if response := a.open(t.Context(), starting.serve(a.store, a.ring), adminToken, "", ""); response.StatusCode != http.StatusServiceUnavailable { //nolint:bodyclose // its cleanup does
		t.Errorf("before the tail is read: %d", response.StatusCode)
	}
}

// awaitListeners waits until so many listen.
func (a *audience) awaitListeners(n int64) {
	a.Helper()
	ticker, deadline := time.NewTicker(5*time.Millisecond), time.After(time.Minute)
	defer ticker.Stop()
	for a.tail.listeners.total() != n {
		select {
		case <-ticker.C:
		case <-deadline:
			a.Fatalf("%d listeners, want %d", a.tail.listeners.total(), n)
		}
	}
}

// TestRevocationEndsTheStream within a second, though news never stop, and nobody else's.
func TestRevocationEndsTheStream(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	revoked, other := a.stream(a.url, a.keys[shop], "", ""), a.stream(a.url, a.keys[blog], "", "")
	ctx, cancel := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	defer writing.Wait()
	defer cancel()
	writing.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			a.mark(shop, fmt.Sprint(n))
		}
	})
	revoked.told(1)
	begin := time.Now()
	a.change(registry.Application{UID: shop, Namespace: "shop", Name: "web-shop", ClientID: apikey.ClientID(shop), Revision: 2})
	var last received
	for e, ok := revoked.next(); ok; e, ok = revoked.next() {
		last = e
	}
	took := time.Since(begin)
	if last.kind != sseEnd || !strings.Contains(last.data, `"credential.invalid"`) {
		t.Errorf("the last word was %+v", last)
	}
	if took > stalled {
		t.Errorf("it took %s", took)
	}
	t.Logf("a revoked credential's stream ended after %s", took)
	cancel()
	writing.Wait()
	a.mark(blog, "after")
	a.same("the other's", []string{"stored after"}, other.told(1))
}

// change appends a record to the application log, as auth does.
func (a *audience) change(app registry.Application) {
	a.Helper()
	record, err := json.Marshal(app)
	a.must(err)
	a.must(a.redis.Eval(a.Context(), `
		local tail = redis.call('HGET', KEYS[2], 'tail') or '0-0'
		local id = redis.call('XADD', KEYS[1], '*', 'record', ARGV[1], 'previous', tail)
		return redis.call('HSET', KEYS[2], ARGV[2], ARGV[1], 'tail', id)`,
		[]string{registry.LogKey, registry.LatestKey}, record, app.UID.String()).Err())
}

// TestListenersAreBounded by application and in all, and who leaves makes room.
func TestListenersAreBounded(t *testing.T) {
	t.Parallel()
	l := newListeners()
	var leave []func()
	for range maxOwnListeners {
		f, err := l.enter(shop)
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, f)
	}
	if _, err := l.enter(shop); fault.ProblemOf(err).Code != fault.CodeManyListeners {
		t.Errorf("one too many of an application: %v", err)
	}
	for l.total() < maxListeners {
		if _, err := l.enter(uuid.Nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.enter(blog); fault.ProblemOf(err).Code != fault.CodeOverloaded {
		t.Errorf("one too many of all: %v", err)
	}
	leave[0]()
	leave[0]() // once
	if _, err := l.enter(shop); err != nil {
		t.Errorf("after one has left: %v", err)
	}
}

// TestHundredsListen to everything, each, while two goroutines store; some read slowly, and some leave.
func TestHundredsListen(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	const stay, leave, events = 300, 50, 200
	var streams []*listener
	for range stay {
		streams = append(streams, a.stream(a.url, adminToken, "", ""))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range leave {
		a.open(ctx, a.url, adminToken, "", "") //nolint:bodyclose // its cleanup does
	}
	for n := range events {
		if n == events/2 {
			cancel()
		}
		a.mark(shop, fmt.Sprint(n))
	}
	for _, s := range streams {
		for n, told := range s.told(events) {
			if told != fmt.Sprint("stored ", n) {
				t.Fatalf("told %q as number %d", told, n)
			}
		}
	}
	a.awaitListeners(stay)
}

// TestSlowListenerIsToldWhatItMissed or cut off, and holds nobody up.
func TestSlowListenerIsToldWhatItMissed(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	a.tail.mu.Lock()
	a.tail.limit = 256 << 10
	a.tail.mu.Unlock()
	slow := a.open(t.Context(), a.url, adminToken, "", "") // and doesn't read
	data := `"data":{"x":"` + strings.Repeat("x", 12<<10) + `"}`
	stored := 0
	for a.tail.listeners.total() == 1 && stored < 3000 { // until its connection takes no more
		var items []event.Item
		for n := range 10 {
			items = append(items, item(fmt.Sprint(stored+n), "s", data))
		}
		a.insert(a.request(shop, items...))
		stored += len(items)
		if got := func() bool {
			a.tail.mu.Lock()
			defer a.tail.mu.Unlock()
			return a.tail.bytes > a.tail.limit
		}(); got {
			t.Fatal("more is kept than may be")
		}
	}
	var told, missed int
	parse(slow.Body, func(e received) {
		switch e.kind {
		case "stored":
			told++
		case sseMissed:
			var m Missed
			a.must(json.Unmarshal([]byte(e.data), &m))
			missed += int(m.Count)
		}
		if told+missed == stored {
			_ = slow.Body.Close()
		}
	})
	_, _ = io.Copy(io.Discard, slow.Body)
	cutOff := a.tail.listeners.total() == 0
	if missed == 0 && !cutOff || told+missed != stored && !cutOff {
		t.Errorf("of %d it was told %d, and that it missed %d", stored, told, missed)
	}
}

// TestStopEndsStreams with a word, at once.
func TestStopEndsStreams(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	s := a.stream(a.url, adminToken, "", "")
	a.tail.end()
	e, _ := s.next()
	if _, more := s.next(); more || e.kind != sseEnd || !strings.Contains(e.data, string(fault.CodeShuttingDown)) {
		t.Errorf("the last word was %+v", e)
	}
}

// TestStaleTailEndsStreams: who listens where nothing is heard any more is told to come back, and does not take it for quiet.
func TestStaleTailEndsStreams(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	now := time.Now()
	clock := func() time.Time { return now }
	r := &Reader{Tail: a.newTail(), Now: clock}
	r.Tail.add(news{fresh: now, all: true})
	salt, err := a.store.salt(t.Context())
	a.must(err)
	s, err := newSeal(salt)
	a.must(err)
	l, err := r.listen(t.Context(), &listening{resumed: resumed{seal: s}, now: clock, every: time.Millisecond, again: func(context.Context, Scope) (Scope, error) { return Scope{All: true}, nil }})
	a.must(err)
	now = now.Add(staleTail + 1)
	answer := httptest.NewRecorder()
	a.must(encodeStream(t.Context(), answer, l))
	if text := answer.Body.String(); !strings.Contains(text, "event: end\n") || !strings.Contains(text, `"service.unavailable"`) || !strings.Contains(text, "cannot be followed now") {
		t.Errorf("it is told %q", text)
	}
	if n := r.Tail.listeners.total(); n != 0 {
		t.Errorf("%d listeners are left", n)
	}
}

// TestHeartbeatMovesOn without a word about what others send.
func TestHeartbeatMovesOn(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	now := time.Now()
	l := &listening{now: func() time.Time { return now }, ear: a.listen(nil)}
	if at := l.heard(false); at.ms != uint64(now.Add(-seenFor).UnixMilli()) {
		t.Errorf("heard up to %s", at)
	}
	if at := l.heard(true); at != (place{}) {
		t.Errorf("with more to come heard up to %s", at)
	}
	now = now.Add(seenFor)
	if at := l.heard(false); at != (place{}) {
		t.Errorf("without news for long heard up to %s", at)
	}
	if at := l.beginning(); at == nil || *at != placeAt(now.Add(-seenFor)) {
		t.Errorf("without news for long it begins at %s", at)
	}
	l.after = &place{ms: 1}
	if at := l.beginning(); at != nil {
		t.Errorf("who comes back begins at %s", at)
	}
}

// TestStreamThatBreaksAtItsBeginning, before its listener was told anything: who comes back to any replica is told all that
// came since, or that something was missed.
func TestStreamThatBreaksAtItsBeginning(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	other := a.another()
	begins := a.beginning("")
	id, ok := strings.CutPrefix(begins[1], "id: ")
	if begins[0] != fmt.Sprint("retry: ", reconnect) || !ok {
		t.Fatalf("it begins with %q", begins)
	}
	a.mark(shop, "meanwhile")
	for _, base := range []string{a.url, other.url} {
		s := a.stream(base, a.keys[shop], "", id)
		a.same("told who comes back", []string{"stored meanwhile"}, s.told(1))
		id := s.last
		if begins := a.beginning(id); begins[1] != "" {
			t.Errorf("who comes back begins with %q", begins)
		}
	}
	a.tail.mu.Lock()
	a.tail.limit = 20 * (messageOverhead + 400)
	a.tail.mu.Unlock()
	a.insert(a.request(shop, manyItems("m", 100)...))
	a.awaitTail(a.tail, "all were read", func() bool { return a.tail.first+int64(len(a.tail.messages)) == 101 })
	a.same("told who comes late", []string{`missed {"reason":"late"}`}, a.stream(a.url, a.keys[shop], "", id).told(1))
}

// beginning listens for the first two lines, and breaks off.
func (a *audience) beginning(after string) (begins [2]string) {
	a.Helper()
	ctx, cancel := context.WithCancel(a.Context())
	defer cancel()
	lines := bufio.NewScanner(a.open(ctx, a.url, a.keys[shop], "", after).Body) //nolint:bodyclose // its cleanup does
	for i := range begins {
		if !lines.Scan() {
			a.Fatalf("it ended after %q: %v", begins, lines.Err())
		}
		begins[i] = lines.Text()
	}
	return begins
}
