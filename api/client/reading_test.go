package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/theeye-dev/theeye/api/client"
)

// TestReaderOfHowThingsStand asks for policies, for what waits and for what is due.
func TestReaderOfHowThingsStand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const uid = "aaaaaaaa-0000-4000-8000-000000000001"
		due := `{"at":"2026-05-04T12:00:00Z","mode":"enforce","days":[{"day":"2026-04-01","bytes":7,"state":"due"}],"applications":[` +
			`{"application":"` + uid + `","name":"shop/web","known":true,"retention":"720h0m0s","before":"2026-04-04T00:00:00Z","events":3,"failures":1,"more":true},` +
			`{"application":"x","gone":true,"known":false,"events":0,"failures":0}]}`
		r := reader(t, answers{
			answering("GET", "/v1/applications/"+uid+"/policy", 200, `{"uid":"`+uid+`","namespace":"shop","name":"web","policy":{"displayName":"Web","suspended":true,`+
				`"origins":["https://a.example"],"limits":{"eventsPerSecond":5,"burst":6,"maxEventBytes":7},"timestamps":{"maxFuture":"5m0s","maxAge":"168h0m0s"},"retention":"720h0m0s",`+
				`"unknownEvents":"Reject","eventTypes":[{"category":"c","name":"n","schema":{"type":"object"}},{"category":"c","name":"m","schemaUnavailable":true}]},`+
				`"credentials":[{"id":"1","state":"expiring","expires_at":"2026-05-04T12:00:00Z"},{"id":"2","state":"active"}]}`),
			answering("GET", "/v1/applications/x%2Fy/policy", 200, `{"uid":"u","policy":{},"credentials":[]}`),
			problem(503, "service.unavailable"),
			answering("GET", "/v1/backlog", 200, `{"oldest_age_seconds":1.5,"pending_entries":3,"measured_at":"2026-05-04T12:00:00.25Z"}`),
			answering("GET", "/v1/retention", 200, due),
			answering("GET", "/v1/retention?application=shop%2Fweb&retention=36h30m0s", 200, due),
			answering("GET", "/v1/retention?retention=1h0m0s", 400, `{"type":"about:blank","title":"t","status":400,"code":"request.parameter","detail":"application and retention go together"}`),
			answering("GET", "/v1/retention?application=shop%2Fweb&retention=0s", 400, `{"type":"about:blank","title":"t","status":400,"code":"request.parameter","detail":"above 0"}`),
			answering("GET", "/v1/retention", 200, `{"applications":[{"retention":"soon"}]}`),
		})
		check := func(what string, want, got any, err error) {
			t.Helper()
			if err != nil || fmt.Sprint(want) != fmt.Sprint(got) {
				t.Errorf("%s is %v, want %v: %v", what, got, want, err)
			}
		}
		p, err := r.Policy(t.Context(), uid)
		check("a policy", "{"+uid+" shop web {Web true [https://a.example] {5 6 7} {5m0s 168h0m0s} 720h0m0s Reject [{c n [123 34 116 121 112 101 34 58 34 111 98 106 101 99 116 34 125] false} {c m [] true}]} "+
			"[{1 expiring 2026-05-04 12:00:00 +0000 UTC} {2 active 0001-01-01 00:00:00 +0000 UTC}]}", p, err)
		again, err := json.Marshal(p.Policy.Retention)
		check("its retention", `"720h0m0s"`, string(again), err)
		p, err = r.Policy(t.Context(), "x/y")
		check("one of defaults", "0s", p.Policy.Retention, err)
		b, err := r.Backlog(t.Context())
		check("the backlog", "{1.5 3 2026-05-04 12:00:00.25 +0000 UTC}", b, err)
		for _, asked := range []struct {
			application string
			kept        time.Duration
		}{{"", 0}, {"shop/web", 36*time.Hour + 30*time.Minute}} {
			d, err := r.Retention(t.Context(), asked.application, asked.kept)
			check("what is due", "{2026-05-04 12:00:00 +0000 UTC enforce [{2026-04-01 7 due}] [{"+uid+" shop/web false true 720h0m0s 2026-04-04 00:00:00 +0000 UTC 3 1 true} "+
				"{x  true false 0s 0001-01-01 00:00:00 +0000 UTC 0 0 false}]}", d, err)
		}
		var wrong *client.AnswerError
		if _, err := r.Retention(t.Context(), "", time.Hour); !errors.As(err, &wrong) || wrong.Code != "request.parameter" {
			t.Errorf("a retention of nobody's: %v", err)
		}
		if _, err := r.Retention(t.Context(), "shop/web", 0); !errors.As(err, &wrong) || wrong.Code != "request.parameter" {
			t.Errorf("no retention: %v", err)
		}
		if _, err := r.Retention(t.Context(), "", 0); err == nil || !strings.Contains(err.Error(), "not understood") {
			t.Errorf("what is no duration: %v", err)
		}
	})
}

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
