package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/theeye-dev/theeye/api/client"
)

// answering checks what is asked and answers it.
func answering(method, target string, status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if got := r.Method + " " + r.URL.RequestURI(); got != method+" "+target {
			http.Error(w, "asked for "+got, http.StatusTeapot)
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// TestReaderOfFailures asks for all that there is about failures, over an outage.
func TestReaderOfFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := reader(t, answers{
			answering("GET", "/v1/failures?state=open", 200, `{"failures":[{"id":"f1","code":"schema.mismatch","application":null}],"next_cursor":"c"}`),
			problem(503, "service.unavailable"),
			answering("GET", "/v1/failures?cursor=c&state=open", 200, `{"failures":[{"id":"f2","attempt":{"at":"2026-05-04T12:00:00Z","outcome":"refused","code":"type.unknown"}}]}`),
			answering("GET", "/v1/failures/f1", 200, `{"id":"f1","attempts":[{"outcome":"refused"},{"outcome":"stored"}],"schema":{"type":"object"},"schema_current":true}`),
			answering("POST", "/v1/failures/f1/replay?dry_run=true", 200, `{"id":"f1","dry_run":true,"outcome":"stored"}`),
			answering("POST", "/v1/failures/f1/replay", 200, `{"id":"f1","dry_run":false,"outcome":"conflict","code":"id.conflict","pointers":["/id"]}`),
			answering("POST", "/v1/failures/f2/discard", 204, ""),
			answering("POST", "/v1/replays?application=shop%2Fweb-shop&dry_run=true", 202, `{"id":"r1","state":"running","total":3,"outcomes":{},"codes":{}}`),
			answering("GET", "/v1/replays/r1", 200, `{"id":"r1","state":"finished","done":3,"outcomes":{"stored":3},"codes":{}}`),
			answering("GET", "/v1/replays", 200, `{"replays":[{"id":"r1"}],"next_cursor":"older"}`),
			answering("GET", "/v1/replays?cursor=older", 200, `{"replays":[{"id":"r0"}]}`),
			answering("POST", "/v1/replays/r1/cancel", 200, `{"id":"r1","state":"finished"}`),
			problem(404, "not_found"),
		})
		var got []string
		note := func(what any, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, strings.Trim(fmt.Sprint(what), "{}"))
		}
		for f, err := range r.Failures(t.Context(), url.Values{"state": {"open"}}) {
			note(f.ID, err)
			if f.Attempt != nil {
				note(f.Attempt.Code, nil)
			}
		}
		f, err := r.Failure(t.Context(), "f1")
		note(string(f.Schema)+fmt.Sprint(f.SchemaCurrent, f.Attempts[1].Outcome), err)
		dry, err := r.ReplayFailure(t.Context(), "f1", true)
		note(fmt.Sprint(dry.DryRun, dry.Outcome), err)
		wet, err := r.ReplayFailure(t.Context(), "f1", false)
		note(wet.Outcome+wet.Code+wet.Pointers[0], err)
		note("discarded", r.DiscardFailure(t.Context(), "f2"))
		begun, err := r.BeginReplay(t.Context(), url.Values{"application": {"shop/web-shop"}, "dry_run": {"false"}}, true)
		note(fmt.Sprint(begun.ID, begun.State, begun.Total), err)
		replay, err := r.Replay(t.Context(), "r1")
		note(fmt.Sprint(replay.State, replay.Done, replay.Outcomes["stored"]), err)
		for replay, err := range r.Replays(t.Context(), nil) {
			note(replay.ID, err)
		}
		ended, err := r.CancelReplay(t.Context(), "r1")
		note(ended.State, err)
		want := `f1 f2 type.unknown "type":"object"}truestored truestored conflictid.conflict/id discarded r1running3 finished3 3 r1 r0 finished`
		if text := strings.Join(got, " "); text != want {
			t.Errorf("read %s\nwant %s", text, want)
		}
		var answer *client.AnswerError
		if _, err := r.Replay(t.Context(), "r2"); !errors.As(err, &answer) || answer.Code != "not_found" {
			t.Errorf("an unknown replay: %v", err)
		}
	})
}
