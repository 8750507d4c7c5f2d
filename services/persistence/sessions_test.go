package persistence

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
)

// sessionIDs reads the ids of all pages of a list.
func (l *library) sessionIDs(who uuid.UUID, query string) (ids string) {
	l.Helper()
	var all []string
	for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
		var page SessionPage
		l.get(who, "/v1/sessions?"+query+cursor, &page)
		for _, s := range page.Sessions {
			all = append(all, s.SessionID)
		}
		cursor = next(page.NextCursor)
	}
	return strings.Join(all, " ")
}

func TestSessionList(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	base := time.Date(2024, time.May, 1, 22, 0, 0, 0, time.UTC)
	hour := func(n int) time.Time { return base.Add(time.Duration(n) * time.Hour) }
	l.insert(
		l.request(shop, typed("1", "a", "page", "view", hour(0)), typed("2", "b", "page", "view", hour(1)), typed("3", "a", "cart", "add", hour(5)),
			typed("4", "c", "page", "view", hour(1)), typed("5", "b", "cart", "pay", hour(6)), typed("6", "a", "cart", "add", hour(7))),
		l.request(blog, typed("1", "a", "page", "view", hour(-1)), typed("2", "d", "page", "read", hour(3)), typed("3", "b", "page", "view", hour(4))),
	)
	stamp := func(n int) string { return url.QueryEscape(hour(n).Format(time.RFC3339)) }
	for _, c := range []struct {
		who        uuid.UUID
		query, ids string
	}{
		{shop, "", "c b a"},
		{shop, "limit=1", "c b a"},
		{blog, "limit=2", "b d a"},
		{uuid.Nil, "limit=1", "d c b a"},
		{uuid.Nil, "", "d c b a"},
		{uuid.Nil, "application=shop/web-log", "b d a"},
		{shop, "from=" + stamp(1), "c b"},
		{shop, "to=" + stamp(1), "a"},
		{uuid.Nil, "from=" + stamp(0) + "&to=" + stamp(3), "c b"},
		{shop, "category=cart&limit=1", "b a"},
		{shop, "category=cart&name=add", "a"},
		{shop, "name=view", "c b a"},
		{uuid.Nil, "category=page&limit=2", "d c b a"},
		{uuid.Nil, "category=page&name=view&limit=1", "c b a"},
		{uuid.Nil, "category=none", ""},
		{shop, "category=cart&from=" + stamp(6), "b"},
		{blog, "category=cart", ""},
	} {
		l.same(fmt.Sprint(c.who, " ", c.query), c.ids, l.sessionIDs(c.who, c.query))
	}
	var page SessionPage
	l.get(uuid.Nil, "/v1/sessions?to="+stamp(0), &page)
	want := SessionSummary{"a", "2024-05-01T21:00:00.000000Z", "2024-05-02T05:00:00.000000Z", 4, []uuid.UUID{blog, shop}}
	l.same("a session of two", []SessionSummary{want}, page.Sessions)
	for _, asked := range []string{
		"/v1/sessions?session_id=a", "/v1/sessions?order=oldest", "/v1/sessions?data.a=1", "/v1/sessions?cursor=s.", "/v1/sessions?cursor=s.AAAA", "/v1/sessions?cursor=AAAA",
	} {
		if status, body := l.raw(l.url, l.token(shop), asked); status != http.StatusBadRequest {
			t.Errorf("%s answered %d %s", asked, status, body)
		}
	}
}

// TestEraseSession leaves nothing of a session, in any table and of any application, and everything else as it is.
func TestEraseSession(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const id = "alice@example.com"
	cut := refused(`{"session_id": "alice@example.com", "name": "`, "json.syntax")
	of := func(application uuid.UUID) event.Request {
		return f.request(application, item("a", id, ""), item("b", "other", ""), item("a", id, ""), item("a", id, `"data":{"n":1}`),
			item("b", id, ""), refused(`{"session_id":"alice@example.com","category":"c","name":1}`, "field.type"), cut, refused(`{"session_id":5}`, "field.type"))
	}
	sent := of(shop)
	f.insert(sent, of(blog))
	old := f.request(shop, refused(`{"session_id":"alice@example.com","old":1}`, "field.unknown"), refused(`{"session_id":"bob","old":1}`, "field.unknown"))
	f.insert(old)
	_, err := f.pool.Exec(t.Context(), "UPDATE persistence.failures SET session_id = NULL WHERE code = 'field.unknown'") // as a release before
	f.must(err)
	f.recounted("before")
	waiting := f.request(shop, item("w", id, ""), item("v", "other", ""), cut)
	_, err = f.store.requestErasure(t.Context(), target{session: id}, time.Now())
	f.must(err)
	f.same("what was on the stream", Outcomes{Erased: 1, Stored: 1, ErasedRefusal: 1}, f.insert(waiting))
	f.finish(f.store)
	for table, rows := range f.tables() {
		for _, row := range rows {
			if strings.Contains(row, id) {
				t.Errorf("%s has %s", table, row)
			}
		}
	}
	f.same("the erasures", []string{}, append([]string{}, f.lines("SELECT session_id FROM persistence.session_erasures WHERE session_id IS NOT NULL OR position($1::bytea IN session) > 0", []byte(id))...))
	f.same("events", []string{"b", "b", "v"}, f.lines("SELECT id FROM persistence.events ORDER BY id"))
	f.same("failures", []string{"bob"}, f.lines("SELECT 'bob' FROM persistence.failures WHERE code = 'field.unknown'"))
	f.same("originals left", 0, f.count("SELECT count(*) FROM persistence.failures WHERE position('alice'::bytea IN original) > 0"))
	f.recounted("afterwards")
	f.same("delivered again", Outcomes{Redelivered: 8 + 2 + 3}, f.insert(sent, old, waiting))
	f.later()
	f.same("later", Outcomes{Stored: 1}, f.insert(f.request(shop, item("a", id, ""))))
	f.recounted("in its second life")
}

// TestEraseSessionWhileItIsWritten holds a batch open that does not know the erasure of its session.
func TestEraseSessionWhileItIsWritten(t *testing.T) {
	t.Parallel()
	for name, written := range map[string]bool{"before it writes": false, "after it has written": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.insert(f.request(shop, item("a", "s", ""), item("b", "t", "")))
			h := f.hold(f.replica("slow"), records(f.entry(f.request(shop, item("a", "s", ""), item("c", "s", ""), item("d", "t", ""),
				refused(`{"session_id":"s"}`, "field.missing")))), written)
			_, err := f.store.requestErasure(t.Context(), target{session: "s"}, time.Now())
			f.must(err)
			_, _ = f.eraser(f.replica("eraser")).round(t.Context()) // it may meet rows that are locked
			if progress, _, err := f.store.erasureOf(t.Context(), target{session: "s"}); err != nil || progress.State != Erasing {
				t.Fatalf("while a batch is open that does not know: %+v, %v", progress, err)
			}
			h.release()
			f.must(<-h.done)
			f.finish(f.store)
			f.same("events", []string{"b t", "d t"}, f.lines("SELECT id, session_id FROM persistence.events ORDER BY id"))
			f.same("failures", 0, f.count("SELECT count(*) FROM persistence.failures"))
			f.recounted("afterwards")
		})
	}
}

// TestEraseSessionFreesIDs: an event of the session that is sent again after the request is stored, though what had its
// id waits to be swept.
func TestEraseSessionFreesIDs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.insert(f.request(shop, item("a", "s", ""), item("b", "t", "")))
	_, err := f.store.requestErasure(t.Context(), target{session: "s"}, time.Now())
	f.must(err)
	f.later()
	again := f.request(shop, item("a", "s", ""), item("b", "t", ""))
	for i := range again.Items {
		again.Items[i].OccurredAt = time.Now().UTC().Truncate(time.Microsecond)
	}
	f.same("outcomes", Outcomes{Stored: 1, Duplicate: 1}, f.insert(again))
	f.finish(f.store)
	f.same("events", []string{"a s", "b t"}, f.lines("SELECT id, session_id FROM persistence.events ORDER BY id"))
	f.recounted("afterwards")
}

// TestEraseSessionUnderLoad erases one session three times while two applications write to it.
func TestEraseSessionUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	running, stop := context.WithCancel(t.Context())
	var actor, load sync.WaitGroup
	e := f.eraser(f.replica("e"))
	actor.Go(func() { _ = e.Run(running) })
	halt := make(chan struct{})
	var both []*traffic
	for _, application := range []uuid.UUID{shop, blog} {
		w := &traffic{fixture: &fixture{TB: t, sequencer: event.NewSequencer(time.Now)}, store: f.replica(application.String()), application: application, outcomes: Outcomes{}}
		both = append(both, w)
		load.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-halt:
					return
				default:
				}
				if err := w.step(n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 3 {
		asked := time.Now()
		progress, err := e.EraseSession(t.Context(), "s")
		if err != nil || progress.State != EraseEnded {
			t.Fatalf("%+v, %v", progress, err)
		}
		if n := f.count("SELECT count(*) FROM persistence.events WHERE session_id = 's' AND received_at <= $1", asked); n != 0 {
			t.Errorf("%d events from before are left", n)
		}
	}
	close(halt)
	load.Wait()
	stop()
	actor.Wait()
	for _, w := range both {
		o := w.outcomes
		if sent := int64(len(w.sent)); o[Stored]+o[Duplicate]+o[Conflict]+o[Failed]+o[Erased] != 2*sent || o[Refused]+o[ErasedRefusal] != sent {
			t.Errorf("%d requests ended as %v", sent, o)
		}
	}
	if n := f.count("SELECT count(*) FROM persistence.events WHERE session_id = 's1'"); n == 0 {
		t.Error("another session is gone")
	}
	f.recounted("afterwards")
}

// TestEraseSessionAgainBeforeItsCutOff: the cut-off of a clock ahead was later than that of another request, for which nothing is left
// to do. It does not bring the session's id back, and what is told of the erasure stays.
func TestEraseSessionAgainBeforeItsCutOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.insert(f.request(shop, item("a", "s", "")))
	_, err := f.pool.Exec(t.Context(), "UPDATE persistence.credential_usage SET last_used_at = now() + interval '2 minutes'")
	f.must(err)
	erase := func() []string {
		_, err := f.store.requestErasure(t.Context(), target{session: "s"}, time.Now())
		f.must(err)
		f.finish(f.store)
		return f.lines("SELECT session_id, cut_off::text, requested_at::text, finished_at::text, erased FROM persistence.session_erasures")
	}
	first := erase()
	f.same("the second", first, erase())
	f.same("ids", 0, f.count("SELECT count(*) FROM persistence.session_erasures WHERE session_id IS NOT NULL OR finished_at < requested_at"))
}

// TestEraseSessionByHTTP: whoever administrates may, and nobody else.
func TestEraseSessionByHTTP(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	running, stop := context.WithCancel(t.Context())
	var actor sync.WaitGroup
	e := l.eraser(l.store)
	actor.Go(func() { _ = e.Run(running) })
	defer actor.Wait()
	defer stop()
	l.insert(l.request(shop, item("a", "s/1", "")))
	const path = "/v1/sessions/s%2F1"
	for authorization, status := range map[string]int{
		"": http.StatusUnauthorized, "Bearer wrong": http.StatusUnauthorized, "Bearer " + l.keys[shop]: http.StatusForbidden, "Bearer " + operatorToken: http.StatusUnauthorized,
	} {
		if got, code, detail := l.ask(http.MethodDelete, l.url, path, authorization); got != status {
			t.Errorf("%.12q is answered %d %s %s", authorization, got, code, detail)
		}
	}
	if got, _, _ := l.ask(http.MethodDelete, l.url, path+"?application=x", "Bearer "+adminToken); got != http.StatusBadRequest {
		t.Errorf("with a parameter: %d", got)
	}
	got, _, _ := l.ask(http.MethodDelete, l.url, path, "Bearer "+adminToken)
	if got != http.StatusAccepted && got != http.StatusNoContent { // another replica carries it out, and the request may have waited long enough
		t.Errorf("the admin is answered %d", got)
	}
	l.later()
	l.insert(l.request(shop, item("b", "s/1", "")))
	// How far it is, and ever after that it was done, is told to whoever may erase, and erases nothing more.
	var erasure Erasure
	l.eventually("the erasure ends", func() bool {
		status, body := l.raw(l.url, adminToken, path+"/erasure")
		l.must(json.Unmarshal(body, &erasure))
		return status == http.StatusOK && erasure.State == EraseEnded
	})
	if erasure.ErasedRows == 0 || erasure.FinishedAt == nil || erasure.FinishedAt.Before(erasure.RequestedAt) {
		t.Errorf("the erasure reads %+v", erasure)
	}
	l.same("sent since", 1, l.count("SELECT count(*) FROM persistence.events WHERE session_id = 's/1'"))
	for token, status := range map[string]int{adminToken: http.StatusNotFound, l.keys[shop]: http.StatusForbidden, "wrong": http.StatusUnauthorized} {
		if got, body := l.raw(l.url, token, "/v1/sessions/-/erasure?id=never"); got != status {
			t.Errorf("an erasure that never was is answered %d %s, not %d", got, body, status)
		}
	}
}
