package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/client"
)

func TestPostSendsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, answers{accept})
		at := time.Date(2026, 1, 2, 4, 4, 5, 678_901_234, time.FixedZone("", 3600))
		sent := []client.Event{
			{ID: "own", SessionID: "s<1>", Category: "ä", Name: "n\"", Data: json.RawMessage(`{"n": 10.50, "big":12345678901234567890}`), Timestamp: at},
			{SessionID: "s", Category: "c", Name: "n"},
			{SessionID: "s", Category: "c", Name: "n", Data: (*struct{})(nil)},
		}
		verdicts, err := s.client(t).Post(t.Context(), sent)
		if err != nil {
			t.Fatal(err)
		}
		allAccepted(t, verdicts, 3)
		got := s.got()[0]
		if got.header.Get("Authorization") != "Bearer "+key || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("header %v", got.header)
		}
		now := time.Now().UTC().Format("2006-01-02T15:04:05")
		want := map[string]any{
			"id": "own", "session_id": "s<1>", "category": "ä", "name": "n\"", "timestamp": "2026-01-02T03:04:05.678901Z",
			"data": map[string]any{"n": 10.5, "big": 12345678901234567890.0}, "sent_at": now + ".000000Z",
		}
		if diff := cmp.Diff(want, got.content[0]); diff != "" {
			t.Errorf("event (-want +got):\n%s", diff)
		}
		for i, e := range got.content[1:] {
			id, err := uuid.Parse(sent[i+1].ID)
			if err != nil || id.Version() != 7 || e["id"] != sent[i+1].ID {
				t.Errorf("id %v, set to %s", e["id"], sent[i+1].ID)
			}
			if _, has := e["data"]; has {
				t.Errorf("event %v has data", e)
			}
		}
		// The bubble's clock stands still: the second timestamp is just after the first.
		if first, second := got.content[1]["timestamp"], got.content[2]["timestamp"]; first != now+".000000Z" || second != now+".000001Z" {
			t.Errorf("timestamps %v and %v", first, second)
		}
	})
}

func TestPostReturnsVerdicts(t *testing.T) {
	t.Parallel()
	bad := client.Verdict{Status: client.Rejected, Code: "json.nul", Detail: "no", Pointer: "/data/a"}
	rejected := map[string]any{"status": "rejected", "code": "json.nul", "detail": "no", "pointer": "/data/a"}
	for name, c := range map[string]struct {
		status int
		events []map[string]any
		want   []client.Verdict
	}{
		"some accepted": {202, []map[string]any{rejected, {"id": "b", "status": "accepted"}}, []client.Verdict{bad, {Status: client.Accepted}}},
		"none accepted": {422, []map[string]any{rejected, rejected}, []client.Verdict{bad, bad}},
		"all too large": {413, []map[string]any{rejected, rejected}, []client.Verdict{bad, bad}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, answers{func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(c.status)
					_ = json.NewEncoder(w).Encode(map[string]any{"code": "request.rejected", "events": c.events})
				}})
				sent := []client.Event{event("a"), event("b")}
				sent[0].ID, sent[1].ID = "a", "b"
				got, err := s.client(t).Post(t.Context(), sent)
				if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
					t.Errorf("verdicts (-want +got), %v:\n%s", err, diff)
				}
				if n := len(s.got()); n != 1 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

// TestEveryTryHasTheSameContent: but for the time at which it was sent.
func TestEveryTryHasTheSameContent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, answers{
			broken, problem(503, "service.unavailable"), problem(429, "request.rate"), page(502), problem(408, "request.timeout"),
			problem(500, "internal"), accept,
		})
		begin := time.Now()
		verdicts, err := s.client(t).Post(t.Context(), events(3))
		if err != nil {
			t.Fatal(err)
		}
		allAccepted(t, verdicts, 3)
		requests := s.got()
		if len(requests) != 7 {
			t.Fatalf("%d requests", len(requests))
		}
		for i, r := range requests {
			for j, e := range r.content {
				if want := r.at.UTC().Format("2006-01-02T15:04:05.000000Z"); e["sent_at"] != want {
					t.Errorf("try %d was sent at %v, says %v", i, want, e["sent_at"])
				}
				delete(e, "sent_at")
				if diff := cmp.Diff(requests[0].content[j], e); diff != "" {
					t.Errorf("try %d (-first +this):\n%s", i, diff)
				}
			}
			if i > 0 && r.at.Sub(requests[i-1].at) > 200*time.Millisecond<<(i-1) {
				t.Errorf("try %d came after %s", i, r.at.Sub(requests[i-1].at))
			}
		}
		if requests[6].at.Equal(begin) {
			t.Error("it never waited")
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		date := time.Now().Add(time.Hour).UTC() // the server's clock is an hour ahead
		s := serve(t, answers{
			problem(429, "request.rate", "Retry-After", "7"),
			problem(503, "service.starting", "Retry-After", date.Add(11*time.Second).Format(http.TimeFormat), "Date", date.Format(http.TimeFormat)),
			accept,
		})
		if _, err := s.client(t).Post(t.Context(), events(1)); err != nil {
			t.Fatal(err)
		}
		got := s.got()
		for i, want := range []time.Duration{7 * time.Second, 11 * time.Second} {
			jitter := 200 * time.Millisecond << i
			if wait := got[i+1].at.Sub(got[i].at); wait < want || wait > want+jitter {
				t.Errorf("waited %s, was asked for %s", wait, want)
			}
		}
	})
}

// TestKeptConnectionThatWasClosed is no reason to wait: a server closes what is idle.
func TestKeptConnectionThatWasClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, answers{accept, broken, accept})
		c := s.client(t, func(config *client.Config) { config.RetryFor = -1 })
		for range 2 {
			if _, err := c.Post(t.Context(), events(1)); err != nil {
				t.Error(err)
			}
		}
		if got := s.got(); len(got) != 3 || !slices.Equal(got[1].ids(), got[2].ids()) {
			t.Errorf("requests %+v", got)
		}
	})
}

func TestSlowAnswerIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, answers{func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, accept})
		verdicts, err := s.client(t).Post(t.Context(), events(2))
		if err != nil {
			t.Fatal(err)
		}
		allAccepted(t, verdicts, 2)
		got := s.got()
		if wait := got[1].at.Sub(got[0].at); wait < 30*time.Second || wait > 31*time.Second || !slices.Equal(got[0].ids(), got[1].ids()) {
			t.Errorf("tried again after %s", wait)
		}
	})
}

func TestTooLargeRequestIsHalvedDownToTheEventAtFault(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]http.HandlerFunc{"TheEye": problem(413, "request.too_large"), "a proxy": page(413)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, answers{func(w http.ResponseWriter, r *http.Request) {
					if r.ContentLength > 3000 {
						refuse(w, r)
						return
					}
					accept(w, r)
				}})
				sent := events(32)
				sent[13].Data = map[string]string{"text": strings.Repeat("x", 4000)}
				verdicts, err := s.client(t).Post(t.Context(), sent)
				answer, ok := errors.AsType[*client.AnswerError](err)
				if !ok || answer.Status != 413 {
					t.Fatalf("error %v", err)
				}
				allAccepted(t, slices.Concat(verdicts[:13], verdicts[14:]), 31)
				if verdicts[13].Status != "" {
					t.Errorf("the large one: %+v", verdicts[13])
				}
			})
		})
	}
}

// TestBurstIsLearned: a batch of more than the application may send at once is refused once, and costs it all that it may
// send; later ones are cut to it, until TheEye tells of another limit, or of none.
func TestBurstIsLearned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		most, foreign := 100, `"proxy";q=7;w=60`
		s := serve(t, answers{func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body) // it is in memory
			var sent []json.RawMessage
			if err := json.Unmarshal(body, &sent); err != nil {
				t.Error(err)
			}
			w.Header().Set("RateLimit-Policy", foreign)
			if most > 0 {
				w.Header().Set("RateLimit-Policy", foreign+fmt.Sprintf(`, "application";q=%d;qu="events";w=2`, most))
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			if most > 0 && len(sent) > most {
				problem(413, "request.too_many_events")(w, r)
				return
			}
			accept(w, r)
		}})
		c := s.client(t)
		for _, step := range []struct {
			most int
			want []int
		}{
			{100, []int{350, 100, 100, 100, 50}},
			{100, []int{100, 100, 100, 50}},
			{40, []int{100, 40, 40, 20, 40, 40, 40, 40, 40, 40, 10}},
			{1000, []int{40, 310}},
			{0, []int{350}},
			{100, []int{350, 100, 100, 100, 50}},
		} {
			before := len(s.got())
			most = step.most
			verdicts, err := c.Post(t.Context(), events(350))
			if err != nil {
				t.Fatal(err)
			}
			allAccepted(t, verdicts, 350)
			var sizes []int
			for _, r := range s.got()[before:] {
				sizes = append(sizes, len(r.content))
			}
			if !slices.Equal(sizes, step.want) {
				t.Errorf("of %d at once requests have %v events, want %v", step.most, sizes, step.want)
			}
		}
	})
}

func TestLargePostGoesInSeveralRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, answers{accept})
		many, large := events(client.MaxRequestEvents+1), events(4)
		for i := range large {
			large[i].Data = map[string]string{"text": strings.Repeat("x", 1<<20)}
		}
		for _, sent := range [][]client.Event{many, large} {
			verdicts, err := s.client(t).Post(t.Context(), sent)
			if err != nil {
				t.Fatal(err)
			}
			allAccepted(t, verdicts, len(sent))
		}
		var counts []int
		for _, r := range s.got() {
			counts = append(counts, len(r.content))
			if r.bytes > client.MaxRequestBytes {
				t.Errorf("a request has %d bytes", r.bytes)
			}
		}
		if !slices.Equal(counts, []int{5000, 1, 3, 1}) {
			t.Errorf("requests of %v events", counts)
		}
	})
}
