package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/theeye-dev/theeye/api/client"
)

// listed answers two events of a page, with the cursor of the next one if there is one.
func listed(n int, cursor string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("cursor"); n > 0 && got != fmt.Sprint("c", n) || r.URL.Query().Get("session_id") != "s 1" {
			http.Error(w, "asked for "+r.URL.RawQuery, http.StatusTeapot)
			return
		}
		_, _ = fmt.Fprintf(w, `{"events":[{"id":"%d","data":{"n":1.10},"timestamp":"2026-05-04T12:00:00.5Z"},{"id":"%d"}],"next_cursor":%q}`, 2*n, 2*n+1, cursor)
	}
}

// redirect leads elsewhere, with all that one has.
func redirect(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "http://other.example/", http.StatusTemporaryRedirect)
}

// endless answers some bytes of nothing.
func endless(status, bytes int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		for part := make([]byte, 1<<20); bytes > 0; bytes -= len(part) {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	}
}

// cutShort answers the beginning of what another does, and ends as if that were all.
func cutShort(whole http.HandlerFunc, bytes int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		whole(answer, r)
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()[:bytes])
	}
}

func reader(t *testing.T, script answers) *client.Reader {
	t.Helper()
	s := serve(t, script)
	transport := &http.Transport{DialContext: s.dial}
	t.Cleanup(transport.CloseIdleConnections)
	r, err := client.NewReader(client.Config{URL: "http://persistence.example", Key: client.StaticKey(key), Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestReaderFollowsPages over outages, as far as somebody takes events.
func TestReaderFollowsPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := reader(t, answers{
			listed(0, "c1"), problem(503, "service.unavailable", "Retry-After", "9"), endless(502, 1<<20), cutShort(listed(1, "c2"), 0), cutShort(listed(1, "c2"), 60),
			broken, listed(1, "c2"), listed(2, ""),
		})
		began := time.Now()
		var ids []string
		for e, err := range r.Events(t.Context(), url.Values{"session_id": {"s 1"}}) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, e.ID)
			if e.ID == "0" && (string(e.Data) != `{"n":1.10}` || !e.Timestamp.Equal(time.Date(2026, 5, 4, 12, 0, 0, 5e8, time.UTC))) {
				t.Errorf("event %+v", e)
			}
		}
		if got := strings.Join(ids, " "); got != "0 1 2 3 4 5" {
			t.Errorf("read %s", got)
		}
		if took := time.Since(began); took < 9*time.Second {
			t.Errorf("it came back after %s", took)
		}
		for _, err := range r.Events(t.Context(), url.Values{"session_id": {"s 1"}}) {
			_ = err // whoever has enough may leave at any time
			break
		}
	})
}

func TestReaderTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		status int
		code   string
	}{
		"a parameter":       {problem(400, "request.parameter"), 400, "request.parameter"},
		"a permission":      {problem(403, "permission.denied"), 403, "permission.denied"},
		"a long outage":     {problem(503, "service.unavailable"), 503, "service.unavailable"},
		"a page of a proxy": {page(200), 200, ""},
		"another's JSON":    {answering("GET", "/v1/events", 200, `{"status":"ok"}`), 200, ""},
		"a redirect":        {redirect, 307, ""},
		"more than a page":  {endless(200, 65<<20), 200, ""},
		"an endless error":  {endless(403, 65<<20), 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := reader(t, answers{c.answer})
				n := 0
				for _, err := range r.Events(t.Context(), nil) {
					n++
					var answer *client.AnswerError
					if !errors.As(err, &answer) || answer.Status != c.status || answer.Code != c.code || strings.Contains(err.Error(), key) {
						t.Errorf("got %v", err)
					}
				}
				if n != 1 {
					t.Errorf("%d were yielded", n)
				}
			})
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	synctest.Test(t, func(t *testing.T) {
		for _, err := range reader(t, answers{listed(0, "")}).Events(ended, nil) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
	})
	if _, err := client.NewReader(client.Config{URL: "ftp://theeye", Key: client.StaticKey("k")}); err == nil {
		t.Error("a wrong URL is taken")
	}
}
