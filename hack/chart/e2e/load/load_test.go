package load

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// eye is TheEye in memory, with faults to be told from each other.
type eye struct {
	mu       sync.Mutex
	events   []stored
	sessions map[string]int
	posts    int
	token    bool // takes tokens alone
	lifetime int  // of a token, in seconds
	tokens   int  // given out
	// fault, if any, handles the nth post, from 0, in place of accepting it.
	fault func(n int, w http.ResponseWriter, r *http.Request) bool
}

func (e *eye) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case r.URL.Path == "/v1/token":
		e.tokens++
		answerJSON(w, map[string]any{"access_token": "a.b.c", "token_type": "Bearer", "expires_in": e.lifetime})
	case r.Method == http.MethodPost && e.token != (r.Header.Get("Authorization") == "Bearer a.b.c"):
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodPost:
		n := e.posts
		e.posts++
		if e.fault == nil || !e.fault(n, w, r) {
			e.accept(w, r)
		}
	case r.URL.Path == "/v1/events":
		answerJSON(w, map[string]any{"events": e.events})
	default:
		count, known := e.sessions[filepath.Base(r.URL.Path)]
		if !known {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		answerJSON(w, map[string]any{"count": count})
	}
}

// sent are the events of a request.
func sent(r *http.Request) (events []stored) {
	_ = json.NewDecoder(r.Body).Decode(&events)
	return events
}

// store keeps what is in a request, once.
func (e *eye) store(r *http.Request) []stored {
	events := sent(r)
	known := map[string]bool{}
	for _, old := range e.events {
		known[old.ID] = true
	}
	for _, event := range events {
		if !known[event.ID] {
			e.events = append(e.events, event)
			e.sessions[event.SessionID]++
		}
	}
	return events
}

func (e *eye) accept(w http.ResponseWriter, r *http.Request) {
	verdicts := []map[string]string{}
	for _, event := range e.store(r) {
		verdicts = append(verdicts, map[string]string{"id": event.ID, "status": "accepted"})
	}
	w.WriteHeader(http.StatusAccepted)
	answerJSON(w, map[string]any{"events": verdicts})
}

// hangUp ends the connection without an answer.
func hangUp(t *testing.T, w http.ResponseWriter) bool {
	t.Helper()
	connection, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return true
	}
	_ = connection.Close()
	return true
}

// load starts the eye and an app, posts at least as many events as asked for, and stops.
func load(t *testing.T, e *eye, events int) (*Client, *Credentials, *Run) {
	t.Helper()
	e.sessions = map[string]int{}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	credentials := mounted(t, server.URL+"/v1/events")
	client := NewClient(server.URL)
	enough := make(chan struct{})
	fault := e.fault
	e.fault = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n == events {
			close(enough)
		}
		return fault != nil && fault(n, w, r)
	}
	run := Start(t.Context(), Plan{Run: "test", Rate: 1000, Batch: 2, Token: e.token}, "me", client, credentials)
	<-enough
	run.Stop()
	return client, credentials, run
}

// mounted is a Secret as a kubelet mounts it.
func mounted(t *testing.T, uri string) *Credentials {
	t.Helper()
	dir := t.TempDir()
	version(t, dir, "one", map[string]string{"client-id": "eye_1", "client-secret": "old\n", "uri": uri, "token-uri": strings.Replace(uri, "events", "token", 1)})
	credentials, err := OpenCredentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	return credentials
}

// version swaps in a version of the mounted files.
func version(t *testing.T, dir, name string, files map[string]string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	next := filepath.Join(dir, "..next")
	if err := os.Symlink(name, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

func TestCredentialsFollowTheSecret(t *testing.T) {
	credentials := mounted(t, "u")
	if err := credentials.Refresh(); err != nil {
		t.Fatal(err)
	}
	version(t, credentials.dir, "two", map[string]string{"client-id": "eye_1", "client-secret": "new", "uri": "u"})
	if err := credentials.Refresh(); err != nil {
		t.Fatal(err)
	}
	newest, n, all := credentials.Version(0)
	oldest, _, _ := credentials.Version(1)
	got := []any{newest.Secret, n, all, oldest.Secret}
	if diff := cmp.Diff([]any{"new", 2, 2, "old"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestEverythingIsDeliveredThroughFaults(t *testing.T) {
	e, lost := &eye{}, map[string]bool{} // ids whose answer was lost: the second loss may hit the retry of the first
	lose := func(events []stored, w http.ResponseWriter) bool {
		for _, event := range events {
			lost[event.ID] = true
		}
		return hangUp(t, w)
	}
	e.fault = func(n int, w http.ResponseWriter, r *http.Request) bool {
		switch n {
		case 3: // stored, and nobody hears of it
			return lose(e.store(r), w)
		case 5:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		case 7:
			return lose(sent(r), w)
		}
		return false
	}
	client, credentials, run := load(t, e, 12)
	p := run.Progress()
	if p.Acked != p.Sent || p.Sent < 20 || len(lost) == 0 || p.Unknown != len(lost) || p.Settled != len(lost) || p.Statuses["503"] != 1 || p.Errors["closed"] != 2 {
		t.Errorf("progress: %+v", p)
	}
	got, err := Check(t.Context(), client, credentials, []*Run{run})
	if err != nil || !got.Sound() || got.Read != p.Acked {
		t.Errorf("%+v of %d, %v", got, p.Acked, err)
	}
}

// One token serves until it ends; then another is got, unless it is the old one that is asked about.
func TestTokensAreUsedUntilTheyEnd(t *testing.T) {
	const long = 600
	for lifetime, many := range map[int]bool{long: false, 0: true} {
		e := &eye{token: true, lifetime: lifetime}
		client, credentials, run := load(t, e, 6)
		if p := run.Progress(); p.Acked != p.Sent || p.Sent < 10 || p.Requests != p.Statuses["202"] {
			t.Errorf("progress: %+v", p)
		}
		credential, _, _ := credentials.Version(0)
		got := e.tokens
		for _, as := range []struct {
			token bool
			want  int
		}{{true, http.StatusAccepted}, {false, http.StatusUnauthorized}} {
			if status, err := client.once(t.Context(), identity{credential, as.token}); status != as.want || err != nil {
				t.Errorf("as %+v: %d, %v", as, status, err)
			}
		}
		if e.tokens != got {
			t.Error("asking about a token got another one")
		}
		if _, err := client.tokens.get(t.Context(), credential, false); err != nil || (e.tokens > 1) != many {
			t.Errorf("of %d s: %d tokens, %v", lifetime, e.tokens, err)
		}
	}
}

// A refusal is final, and what it refused may not be there: not even when it says so about a request that was stored.
func TestRefusalsAreFinal(t *testing.T) {
	e := &eye{}
	e.fault = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n == 1 || n == 2 {
			if n == 1 {
				e.store(r)
			}
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	client, credentials, run := load(t, e, 4)
	got, err := compare(t.Context(), client, credentials, []*Run{run}, nil)
	if p := run.Progress(); err != nil || p.Refused != 4 || p.Acked != p.Sent-4 || got.Refused != 2 || got.Missing != 0 || got.Sound() {
		t.Errorf("%+v, %+v, %v", p, got, err)
	}
}

// What is wrong with what comes back must be found, each fault as what it is.
func TestCompareFindsFaults(t *testing.T) {
	tests := map[string]struct {
		spoil func(*eye)
		want  Readback
	}{
		"nothing": {func(*eye) {}, Readback{}},
		"lost":    {func(e *eye) { e.sessions[e.events[0].SessionID]--; e.events = e.events[1:] }, Readback{Missing: 1}},
		"twice": {
			func(e *eye) { e.sessions[e.events[0].SessionID]++; e.events = append(e.events, e.events[0]) },
			Readback{Duplicated: 1},
		},
		"foreign": {
			func(e *eye) { e.sessions[e.events[0].SessionID]++; e.events = append(e.events, stored{ID: "another"}) },
			Readback{Foreign: 1},
		},
		"other data":    {func(e *eye) { e.events[0].Data.N++ }, Readback{Missing: 1, Foreign: 1}},
		"other session": {func(e *eye) { e.events[0].SessionID = "another" }, Readback{Missing: 1, Foreign: 1}},
		"never sent":    {func(e *eye) { e.events[0].ID, e.events[0].Data.N = "test-me-1000000", 1000000 }, Readback{Missing: 1, Foreign: 1}},
		"miscounted":    {func(e *eye) { e.sessions[e.events[0].SessionID]++ }, Readback{Miscounted: 1}},
		"a session lost": {
			func(e *eye) {
				delete(e.sessions, e.events[0].SessionID)
				e.sessions[e.events[1].SessionID] = len(e.events) - 1
			},
			Readback{Miscounted: -1},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := &eye{}
			client, credentials, run := load(t, e, 6)
			if name == "a session lost" {
				clear(e.sessions)
			}
			test.spoil(e)
			got, err := compare(t.Context(), client, credentials, []*Run{run}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got.Sound() != (name == "nothing") || got.Read != len(e.events) {
				t.Errorf("%+v of %d", got, len(e.events))
			}
			got.Read, got.Examples = 0, nil
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
