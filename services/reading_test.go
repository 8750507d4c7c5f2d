package services_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/client"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// aroundTail holds all against the contract but the live tail, whose answer has no end that one could wait for.
type aroundTail struct{ contract, next http.RoundTripper }

func (a aroundTail) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/v1/stream" {
		return a.next.RoundTrip(r) //nolint:wrapcheck // as if it were not between
	}
	return a.contract.RoundTrip(r) //nolint:wrapcheck // likewise
}

// reads returns a reader that tries again fast.
func (s *system) reads(url, key string) *client.Reader {
	s.t.Helper()
	transport := &http.Transport{}
	s.t.Cleanup(transport.CloseIdleConnections)
	r, err := client.NewReader(client.Config{
		URL: url, Key: client.StaticKey(key), Transport: aroundTail{testenv.Contract(s.t, transport), transport},
		MinBackoff: 5 * time.Millisecond, MaxBackoff: 100 * time.Millisecond, RetryFor: patience,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// send posts events, each of a session.
func (s *system) send(a application, sessions map[string]string) {
	s.t.Helper()
	var events []string
	for _, id := range slices.Sorted(maps.Keys(sessions)) {
		events = append(events, fmt.Sprintf(`{"id":%q,"session_id":%q,"category":"page","name":"view","data":{"text":%q}}`, id, sessions[id], strings.Repeat(id, 40)))
	}
	if _, err := s.insist(s.t.Context(), a, "["+strings.Join(events, ",")+"]"); err != nil {
		s.t.Fatal(err)
	}
}

// TestGoClientReads all that persistence tells, of real events, and over breaks.
func TestGoClientReads(t *testing.T) {
	t.Parallel()
	s := newSystem(t, "")
	month, week := registry.Duration(720*time.Hour), registry.Duration(168*time.Hour)
	a := s.register("web-shop", registry.Policy{
		Retention: &month, Timestamps: &registry.Timestamps{MaxAge: &week}, EventTypes: []registry.EventType{{Category: "order", Name: "placed", Schema: registry.Schema(`{"type":"object"}`)}},
	})
	admin, own := s.reads(s.persistence.URL, adminToken), s.reads(s.persistence.URL, a.key)
	s.send(a, map[string]string{"e-1": "s", "e-2": "s", "e-3": ".", "e-4": "..", "e-5": "/a b?/", "/": "/", "e-7": "-"})
	s.awaitEvents(a, url.Values{}, 7)
	check := func(what string, want, got any, err error) {
		t.Helper()
		if err != nil || fmt.Sprint(want) != fmt.Sprint(got) {
			t.Errorf("%s is %v, want %v: %v", what, got, want, err)
		}
	}
	var ids []string
	for session, err := range own.Sessions(t.Context(), url.Values{"limit": {"2"}}) {
		check("a session's applications", []string{a.uid.String()}, session.Applications, err)
		ids = append(ids, session.SessionID)
	}
	slices.Sort(ids)
	check("sessions", []string{"-", ".", "..", "/", "/a b?/", "s"}, ids, nil)
	for _, id := range ids {
		session, err := own.Session(t.Context(), id, url.Values{"limit": {"1"}})
		check(id, true, session.SessionID == id && len(session.Events) == 1 && (session.NextCursor != "") == (session.Count == 2), err)
	}
	history, err := admin.History(t.Context(), "shop/web-shop", "e-1")
	check("a history", "2 received stored", fmt.Sprint(len(history.Steps), " ", history.Steps[0].What, " ", history.Steps[1].What), err)
	history, err = admin.History(t.Context(), "shop/web-shop", "/")
	check("the history of /", "/ /", fmt.Sprint(history.ID, " ", history.Event.SessionID), err)
	counts, err := own.Stats(t.Context(), url.Values{"by": {"outcome"}})
	sum := int64(0)
	for _, c := range counts.Counts {
		sum += c.Events
	}
	check("what was stored", 7, sum, err)
	access, err := own.Access(t.Context(), "")
	check("what may be done", "application [get list watch]", fmt.Sprint(access.Kind, " ", access.Applications[0].Verbs), err)
	usage, err := own.Usage(t.Context(), a.uid.String())
	check("usage", true, usage.Accepted24h == 7 && usage.Outcomes24h["stored"] == 7 && usage.Credentials[0].ID == "1" && !usage.LastEventAt.IsZero(), err)
	policy, err := own.Policy(t.Context(), a.uid.String())
	check("the policy", "shop web-shop 720h0m0s 168h0m0s order {\"type\":\"object\"} 1 active", fmt.Sprint(policy.Namespace, " ", policy.Name, " ", policy.Policy.Retention, " ",
		policy.Policy.Timestamps.MaxAge, " ", policy.Policy.EventTypes[0].Category, " ", string(policy.Policy.EventTypes[0].Schema), " ", policy.Credentials[0].ID, " ", policy.Credentials[0].State), err)
	backlog, err := admin.Backlog(t.Context())
	check("the backlog", true, time.Since(backlog.MeasuredAt) < patience && backlog.OldestAgeSeconds < patience.Seconds(), err)
	due, err := admin.Retention(t.Context(), "", 0)
	check("what is due", "enforce shop/web-shop 720h0m0s 0", fmt.Sprint(due.Mode, " ", due.Applications[0].Name, " ", due.Applications[0].Retention, " ", due.Applications[0].Events), err)
	due, err = admin.Retention(t.Context(), "shop/web-shop", 1000*time.Hour)
	check("what would be due", true, due.Applications[0].Retention.Duration == 1000*time.Hour && due.Applications[0].Before.Before(due.At.Add(-1000*time.Hour)), err)
	replay, err := admin.BeginReplay(t.Context(), url.Values{"application": {"shop/web-shop"}}, true)
	check("a replay of nothing", 0, replay.Total, err)
	for listed, err := range own.Replays(t.Context(), nil) {
		check("replays", replay.ID, listed.ID, err)
	}
	var denied *client.AnswerError
	for what, ask := range map[string]func() error{
		"the backlog": func() error { _, err := own.Backlog(t.Context()); return err },
		"what is due": func() error { _, err := own.Retention(t.Context(), "", 0); return err },
	} {
		if err := ask(); !errors.As(err, &denied) || denied.Status != http.StatusForbidden {
			t.Errorf("an application is told of %s: %v", what, err)
		}
	}
	if _, err := own.EraseSession(t.Context(), "s"); !errors.As(err, &denied) || denied.Status != http.StatusForbidden || strings.Contains(err.Error(), a.key) {
		t.Errorf("an application erases: %v", err)
	}
	for _, id := range []string{"..", "/", "/a b?/", "-"} {
		eventually(t, func() error {
			erasure, err := admin.EraseSession(t.Context(), id)
			if err == nil && erasure.State != "" {
				err = fmt.Errorf("it goes on: %+v", erasure)
			}
			return err
		})
		erasure, err := admin.SessionErasure(t.Context(), id)
		check("its erasure", "erased true", fmt.Sprint(erasure.State, " ", erasure.ErasedRows > 0), err)
		if _, err := own.Session(t.Context(), id, nil); !errors.As(err, &denied) || denied.Code != "not_found" {
			t.Errorf("the erased session %q: %v", id, err)
		}
	}
}

// TestGoClientListens over the death of persistence, and is told of every event.
func TestGoClientListens(t *testing.T) {
	t.Parallel()
	s := newSystem(t, "")
	a := s.register("web-shop", registry.Policy{})
	ctx, stop := context.WithCancel(t.Context())
	told, ended := make(chan client.Told, 1000), make(chan error, 1)
	go func() {
		for one, err := range s.reads(s.persistence.URL, a.key).Listen(ctx, url.Values{"outcome": {"stored"}}, "") {
			if err != nil {
				ended <- err
				return
			}
			told <- one
		}
	}()
	listening := 0
	eventually(t, func() error { // until it is listened, nothing is told
		listening++
		s.send(a, map[string]string{fmt.Sprint("probe-", listening): "s"})
		if len(told) == 0 {
			return errors.New("nothing is told")
		}
		return nil
	})
	s.persistence.Restart()
	want := map[string]bool{}
	for n := range 20 {
		id := fmt.Sprint("e-", n)
		want[id] = true
		s.send(a, map[string]string{id: "s"})
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for len(want) > 0 {
		select {
		case one := <-told:
			if one.Missed != nil || one.Outcome != "stored" || one.Place == "" || one.Event.Application != a.uid.String() {
				t.Errorf("told %+v", one)
			}
			delete(want, one.Event.ID)
		case err := <-ended:
			t.Fatal(err)
		case <-deadline.C:
			t.Fatalf("not told of %v", want)
		}
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), a.key) {
		t.Errorf("it ended with %v", err)
	}
}

// TestGoClientExports every event once, as lines and as a table, over connections that break.
func TestGoClientExports(t *testing.T) {
	t.Parallel()
	s := newSystem(t, "")
	a := s.register("web-shop", registry.Policy{})
	sent := map[string]string{}
	for n := range 2500 { // some pages
		sent[fmt.Sprintf("=e-%04d", n)] = "s\n" + fmt.Sprint(n%7)
	}
	s.send(a, sent)
	s.awaitEvents(a, url.Values{}, len(sent))
	wire := newWire(t, s.persistence)
	r := s.reads(wire.URL, a.key)
	got := map[string]string{}
	for e, err := range r.Export(t.Context(), url.Values{"category": {"page"}}) {
		if _, again := got[e.ID]; err != nil || again {
			t.Fatalf("%q again: %t, %v", e.ID, again, err)
		}
		got[e.ID] = e.SessionID
	}
	if !maps.Equal(got, sent) {
		t.Errorf("%d events are exported as lines, want %d", len(got), len(sent))
	}
	var file bytes.Buffer
	cursor, err := r.ExportTo(t.Context(), &file, url.Values{"format": {"csv"}, "select": {"id,session_id"}})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&file).ReadAll()
	if err != nil || len(rows) != len(sent)+1 || rows[len(sent)][2] != cursor {
		t.Fatalf("a table of %d rows, want %d: %v", len(rows), len(sent)+1, err)
	}
	clear(got)
	for _, row := range rows[1:] {
		got[strings.TrimPrefix(row[0], "'")] = row[1]
	}
	if !maps.Equal(got, sent) {
		t.Errorf("%d events are exported as a table, want %d", len(got), len(sent))
	}
	cuts := int64(0)
	for kind := range wire.cuts {
		cuts += wire.cuts[kind].Load()
	}
	if cuts < 5 {
		t.Errorf("only %d connections were cut: the test tests too little", cuts)
	}
}
