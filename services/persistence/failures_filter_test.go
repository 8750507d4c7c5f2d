package persistence

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
)

// failed is a Failure as the tests of filters make it.
type failed struct {
	id          string
	application uuid.UUID
	code        event.Code
	stage       Stage
	state       string
	received    time.Time
}

// failing stores Failures of every kind in no order, some at the same moment.
func (l *library) failing(base time.Time, n int) (all []failed) {
	l.Helper()
	r := l.replayer(l.store, book{shop: {}, blog: {}})
	codes := []event.Code{event.CodeMissing, event.CodeSchemaMismatch, event.CodeTypeUnknown}
	for i := range n {
		f := failed{application: shop, code: codes[i%3], stage: StageIngest, state: stateOpen, received: base.Add(time.Duration(i*7%n/3) * time.Minute)}
		if i%5 == 0 {
			f.application = blog
		}
		l.clocked(f.received)
		bad := item(fmt.Sprint("f", i), "s", "")
		if bad.Refusal = (&event.Refusal{Code: f.code}); i%4 == 1 {
			f.code, f.stage = event.CodeUndecodable, StagePersistence
			bad = event.Item{Original: []byte("{")}
		}
		request := l.request(f.application, bad)
		l.insert(request)
		f.id = request.Sequence.String()
		switch {
		case i%7 == 3 && f.stage == StageIngest:
			f.state = stateReplayed
			l.one(r, request.Sequence, false)
		case i%7 == 4:
			f.state = stateDiscarded
			_, err := r.Discard(l.Context(), failureQuestion{id: request.Sequence, scope: Scope{All: true}})
			l.must(err)
		}
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b failed) int {
		if c := b.received.Compare(a.received); c != 0 {
			return c
		}
		return strings.Compare(b.id, a.id)
	})
	return all
}

// failureIDs follows the cursors of a list.
func (l *library) failureIDs(who uuid.UUID, query string, between func()) (ids []string) {
	l.Helper()
	for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
		var page FailurePage
		l.get(who, "/v1/failures?"+query+cursor, &page)
		for _, f := range page.Failures {
			ids = append(ids, f.ID.String())
		}
		cursor = next(page.NextCursor)
		if between != nil {
			between()
		}
	}
	return ids
}

// TestFailureFilters asks for every combination of filters, in pages, while others come, and holds the answers against
// what a look at each Failure says.
func TestFailureFilters(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	base := time.Now().UTC().Add(-5 * time.Hour).Truncate(time.Minute)
	all := l.failing(base, 84)
	l.clocked(time.Now().Add(time.Hour)) // what comes meanwhile is newer than any page
	arrive := func() { l.insert(l.request(shop, refused("{}", "field.missing"), event.Item{Original: []byte("{")})) }
	from, to := base.Add(5*time.Minute), base.Add(20*time.Minute)
	for _, application := range []string{"", "shop/web-shop"} {
		for _, code := range []string{"", "field.missing", "store.undecodable", "none"} {
			for _, stage := range []string{"", "ingest", "persistence"} {
				for _, state := range []string{"", stateOpen, stateReplayed, stateDiscarded} {
					for _, timed := range []bool{false, true} {
						query := url.Values{}
						for name, value := range map[string]string{"application": application, "code": code, "stage": stage, "state": state} {
							if value != "" {
								query.Set(name, value)
							}
						}
						want := []string{}
						if timed {
							query.Set("from", event.FormatTimestamp(from))
							query.Set("to", event.FormatTimestamp(to))
						} else {
							query.Set("to", event.FormatTimestamp(base.Add(4*time.Hour)))
						}
						for _, f := range all {
							if (application == "" || f.application == shop) && (code == "" || code == string(f.code)) && (stage == "" || stage == string(f.stage)) &&
								(state == "" || state == f.state) && (!timed || !f.received.Before(from) && f.received.Before(to)) {
								want = append(want, f.id)
							}
						}
						got := l.failureIDs(uuid.Nil, query.Encode()+"&limit=7", nil)
						if !slices.Equal(want, append([]string{}, got...)) {
							t.Errorf("%s: %d failures, want %d", query.Encode(), len(got), len(want))
						}
					}
				}
			}
		}
	}
	want := 0
	for _, f := range all {
		if f.application == shop && f.state == stateOpen {
			want++
		}
	}
	first := l.count("SELECT count(*) FROM persistence.failures WHERE state = 'open' AND application = $1", shop)
	got := l.failureIDs(shop, "state=open&limit=5", arrive)
	if want != first || len(got) != want || len(slices.Compact(sorted(slices.Clone(got)))) != want {
		t.Errorf("while others come %d of %d failures are listed", len(got), want)
	}
}

// TestWhoMayReplay is the matrix of senders and requests: a Failure and a replay of somebody else's are not there.
func TestWhoMayReplay(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	id := l.refuse(shop, refused("{", "field.missing"))[0].String()
	unknown := uuid.NewString()
	var replay, everybodys Replay
	status, _, header := l.send(http.MethodPost, l.keys[shop], "/v1/replays?dry_run=true&code=field.missing", &replay)
	if status != http.StatusAccepted || header.Get("Location") != "/v1/replays/"+replay.ID.String() || replay.Application == nil || *replay.Application != shop || !replay.DryRun || replay.Total != 1 {
		t.Errorf("asking for a replay is answered %d %+v", status, replay)
	}
	l.send(http.MethodPost, adminToken, "/v1/replays?dry_run=true", &everybodys)
	var earnest Replay
	l.send(http.MethodPost, adminToken, "/v1/replays?code=none&application=shop/web-shop", &earnest)
	for _, c := range []struct {
		method, path string
		admin, own   int
	}{
		{http.MethodGet, "/v1/failures/" + id, 200, 200},
		{http.MethodPost, "/v1/failures/" + id + "/replay?dry_run=true", 200, 200},
		{http.MethodPost, "/v1/failures/" + id + "/discard", 204, 403},
		{http.MethodPost, "/v1/failures/" + id + "/replay", 409, 403},
		{http.MethodGet, "/v1/replays/" + replay.ID.String(), 200, 200},
		{http.MethodPost, "/v1/replays/" + replay.ID.String() + "/cancel", 200, 200},
		{http.MethodPost, "/v1/replays/" + earnest.ID.String() + "/cancel", 200, 403},
		{http.MethodGet, "/v1/replays/" + everybodys.ID.String(), 200, 404},
		{http.MethodPost, "/v1/replays/" + everybodys.ID.String() + "/cancel", 200, 404},
		{http.MethodGet, "/v1/failures/" + unknown, 404, 404},
		{http.MethodPost, "/v1/failures/" + unknown + "/replay", 404, 404},
		{http.MethodPost, "/v1/failures/" + unknown + "/discard", 404, 404},
		{http.MethodGet, "/v1/replays/" + unknown, 404, 404},
		{http.MethodPost, "/v1/replays/" + unknown + "/cancel", 404, 404},
		{http.MethodGet, "/v1/failures/x", 404, 404},
		{http.MethodGet, "/v1/failures/" + strings.ToUpper(id), 404, 404},
		{http.MethodPost, "/v1/replays/x/cancel", 404, 404},
	} {
		for token, want := range map[string]int{adminToken: c.admin, l.keys[shop]: c.own, l.keys[blog]: 404, "wrong": 401, "": 401} {
			if status, code, _ := l.send(c.method, token, c.path, nil); status != want {
				t.Errorf("%s %s with %.8q is answered %d %s, want %d", c.method, c.path, token, status, code, want)
			}
		}
	}
	for token, want := range map[string]int{adminToken: 3, l.keys[shop]: 2, l.keys[blog]: 0} {
		var page ReplayPage
		if status, code, _ := l.send(http.MethodGet, token, "/v1/replays", &page); status != http.StatusOK || len(page.Replays) != want {
			t.Errorf("%.8q is shown %d replays (%d %s), want %d", token, len(page.Replays), status, code, want)
		}
	}
	for path, want := range map[string]int{"/v1/replays?application=" + blog.String(): 403, "/v1/replays?application=shop/web-shop": 403, "/v1/replays?application=shop/web-shop&dry_run=true": 202} {
		if status, _, _ := l.send(http.MethodPost, l.keys[shop], path, nil); status != want {
			t.Errorf("%s is answered %d, want %d", path, status, want)
		}
	}
}

// TestSomebodyElsesIsUnknown: an answer tells nothing of whether it is there.
func TestSomebodyElsesIsUnknown(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	id := l.refuse(shop, refused("{", "field.missing"))[0].String()
	_, others := l.raw(l.url, l.keys[blog], "/v1/failures/"+id)
	_, none := l.raw(l.url, l.keys[blog], "/v1/failures/"+uuid.NewString())
	l.same("answers", string(none), string(others))
}

// TestReplaysReadNoBody: parameters in one would be left out, and a dry run would be none.
func TestReplaysReadNoBody(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	id := l.refuse(shop, refused("{", "field.missing"))[0].String()
	for _, path := range []string{"/v1/replays", "/v1/failures/" + id + "/replay", "/v1/failures/" + id + "/discard", "/v1/replays/" + id + "/cancel"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.url+path, strings.NewReader("dry_run=true"))
		l.must(err)
		request.Header.Set("Authorization", "Bearer "+adminToken)
		response, err := http.DefaultClient.Do(request)
		l.must(err)
		l.must(response.Body.Close())
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s with a body is answered %d", path, response.StatusCode)
		}
	}
	if n := l.count("SELECT count(*) FROM persistence.failures WHERE state = 'open'"); n != 1 {
		t.Errorf("%d failures are open", n)
	}
}

// TestHostileReplayParameters are refused by name, with nothing done.
func TestHostileReplayParameters(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	id := l.refuse(shop, refused("{", "field.missing"))[0].String()
	for _, c := range []struct{ method, path, says string }{
		{"GET", "/v1/failures?stage=door", "stage must be one of ingest, persistence"},
		{"GET", "/v1/failures?state=closed", "state must be one of open, replayed, discarded"},
		{"GET", "/v1/failures?state=", "empty"},
		{"GET", "/v1/failures?stage=ingest&stage=ingest", "2 times"},
		{"GET", "/v1/failures?code=%00", "not text"},
		{"GET", "/v1/failures?dry_run=true", "unknown parameter"},
		{"GET", "/v1/failures?cursor=s" + strings.Repeat("A", 31), "cursor"},
		{"GET", "/v1/failures/" + id + "?application=" + shop.String(), "unknown parameter"},
		{"POST", "/v1/failures/" + id + "/replay?dry_run=1", "dry_run must be one of true, false"},
		{"POST", "/v1/failures/" + id + "/replay?dryrun=true", "unknown parameter"},
		{"POST", "/v1/failures/" + id + "/discard?dry_run=true", "unknown parameter"},
		{"POST", "/v1/replays?state=open", "unknown parameter"},
		{"POST", "/v1/replays?dry_run=yes", "dry_run must be"},
		{"POST", "/v1/replays?dry_run=", "empty"},
		{"POST", "/v1/replays?stage=%27%3B--", "stage must be"},
		{"POST", "/v1/replays?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from must be before to"},
		{"POST", "/v1/replays?from=yesterday", "from: "},
		{"POST", "/v1/replays?limit=1", "unknown parameter"},
		{"GET", "/v1/replays?limit=0", "limit must be"},
		{"GET", "/v1/replays?state=open", "state must be one of running, finished, cancelled"},
		{"GET", "/v1/replays?code=none", "unknown parameter"},
		{"GET", "/v1/replays?cursor=AAAA", "cursor is not one"},
		{"GET", "/v1/replays/" + uuid.NewString() + "?x=1", "unknown parameter"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, l.url+c.path, nil)
		l.must(err)
		request.Header.Set("Authorization", "Bearer "+adminToken)
		response, err := http.DefaultClient.Do(request)
		l.must(err)
		var problem struct{ Code, Detail string }
		l.must(json.NewDecoder(response.Body).Decode(&problem))
		l.must(response.Body.Close())
		if response.StatusCode != http.StatusBadRequest || problem.Code != "request.parameter" || !strings.Contains(problem.Detail, c.says) {
			t.Errorf("%s %s is answered %d %+v, want %q", c.method, c.path, response.StatusCode, problem, c.says)
		}
	}
	for path, allow := range map[string]string{
		"/v1/failures": "GET", "/v1/failures/" + id: "GET", "/v1/failures/" + id + "/replay": "POST", "/v1/failures/" + id + "/discard": "POST",
		"/v1/replays": "GET, HEAD, POST", "/v1/replays/" + id: "GET", "/v1/replays/" + id + "/cancel": "POST",
	} {
		if status, code, header := l.send(http.MethodDelete, adminToken, path, nil); status != http.StatusMethodNotAllowed || !strings.HasPrefix(header.Get("Allow"), allow) {
			t.Errorf("DELETE %s is answered %d %s, Allow %q", path, status, code, header.Get("Allow"))
		}
	}
	l.same("state", "open", l.state(uuid.MustParse(id)))
	l.same("replays", 0, l.count("SELECT count(*) FROM persistence.replays"))
}
