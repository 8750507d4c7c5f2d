package client_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
)

// TestReaderOfTheRest asks for sessions, histories, counts and rights.
func TestReaderOfTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const uid = "aaaaaaaa-0000-4000-8000-000000000001"
		r := reader(t, answers{
			answering("GET", "/v1/sessions?name=n", 200, `{"sessions":[{"session_id":"a","count":2,"applications":["x"]}],"next_cursor":"c"}`),
			answering("GET", "/v1/sessions?cursor=c&name=n", 200, `{"sessions":[{"session_id":"b"}]}`),
			answering("GET", "/v1/sessions/-?id=a%2F%3Fb&limit=1", 200, `{"session_id":"a/?b","partial":true,"events":[{"id":"e"}],"next_cursor":"c"}`),
			answering("DELETE", "/v1/sessions/-?id=..", 202, `{"state":"erasing","requested_at":"2026-05-04T12:00:00Z","erased_rows":7}`),
			problem(503, "service.unavailable"),
			answering("DELETE", "/v1/sessions/-?id=..", 204, ""),
			answering("GET", "/v1/sessions/-/erasure?id=..", 200, `{"state":"erased","requested_at":"2026-05-04T12:00:00Z","finished_at":"2026-05-04T12:00:01Z","erased_rows":9}`),
			answering("GET", "/v1/events/e%201?application=shop%2Fweb", 200, `{"id":"e 1","event":{"id":"e 1"},"failures":[{"id":"f"}],"history":[{"what":"received"},{"what":"stored"}],"more":true}`),
			answering("GET", "/v1/sessions/-", 200, `{"session_id":"-"}`),
			answering("GET", "/v1/events/-?application=shop%2Fweb&id=%2F", 200, `{"id":"/","history":[{"what":"duplicate","replay":true}]}`),
			answering("GET", "/v1/stats?by=outcome", 200, `{"bucket":"hour","counts":[{"at":"2026-05-04T12:00:00Z","outcome":"stored","events":3}],"partial":true}`),
			answering("GET", "/v1/access", 200, `{"user":"admin","kind":"admin","all":true,"applications":[{"uid":"`+uid+`","verbs":["get"]}]}`),
			answering("GET", "/v1/applications/"+uid+"/usage", 200, `{"accepted_24h":3,"outcomes_24h":{"stored":3},"credentials":[{"id":"1","last_used_at":"2026-05-04T12:00:00Z"}]}`),
			answering("GET", "/v1/sessions", 200, `{"sessions":[],"next_cursor":"again"}`),
			answering("GET", "/v1/sessions?cursor=again", 200, `{"sessions":[],"next_cursor":"again"}`),
		})
		var got []string
		note := func(err error, what ...any) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, strings.TrimSpace(fmt.Sprintln(what...)))
		}
		for s, err := range r.Sessions(t.Context(), url.Values{"name": {"n"}}) {
			note(err, s.SessionID, s.Count, s.Applications)
		}
		s, err := r.Session(t.Context(), "a/?b", url.Values{"limit": {"1"}})
		note(err, s.SessionID, s.Partial, s.Events[0].ID, s.NextCursor)
		for range 2 {
			e, err := r.EraseSession(t.Context(), "..")
			note(err, e.State, e.ErasedRows)
		}
		e, err := r.SessionErasure(t.Context(), "..")
		note(err, e.State, e.ErasedRows, e.FinishedAt.Sub(e.RequestedAt))
		h, err := r.History(t.Context(), "shop/web", "e 1")
		note(err, h.Event.ID, h.Failures[0].ID, h.Steps[1].What, h.More)
		s, err = r.Session(t.Context(), "-", nil)
		note(err, s.SessionID)
		h, err = r.History(t.Context(), "shop/web", "/")
		note(err, h.ID, h.Steps[0].What, h.Steps[0].Replay)
		counts, err := r.Stats(t.Context(), url.Values{"by": {"outcome"}})
		note(err, counts.Bucket, counts.Counts[0].Outcome, counts.Counts[0].Events, counts.Partial)
		access, err := r.Access(t.Context(), "")
		note(err, access.Kind, access.All, access.Applications[0].Verbs)
		usage, err := r.Usage(t.Context(), uid)
		note(err, usage.Accepted24h, usage.Outcomes24h, usage.Credentials[0].ID, usage.LastEventAt.IsZero())
		want := "a 2 [x], b 0 [], a/?b true e c, erasing 7, 0, erased 9 1s, e 1 f stored true, -, / duplicate true, hour stored 3 true, admin true [get], 3 map[stored:3] 1 true"
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("read %s\nwant %s", text, want)
		}
		var last error
		for _, err := range r.Sessions(t.Context(), nil) {
			last = err
		}
		if last == nil || !strings.Contains(last.Error(), "not understood") {
			t.Errorf("pages that lead nowhere: %v", last)
		}
	})
}
