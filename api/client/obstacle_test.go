package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/theeye-dev/theeye/api/client"
)

// TestPostReturnsWhereTryingAgainDoesNotHelp: at once, and says what is wrong.
func TestPostReturnsWhereTryingAgainDoesNotHelp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"wrong key": {problem(401, "credential.invalid"), "answered 401 credential.invalid: some detail"},
		"suspended": {problem(403, "application.suspended"), "answered 403 application.suspended: some detail"},
		"malformed": {problem(400, "request.malformed"), "answered 400 request.malformed: some detail"},
		"wrong URL": {page(404), "answered 404 Not Found"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://other.example/", http.StatusTemporaryRedirect)
		}, "redirects are not followed"},
		"login page": {page(200), "not understood: 0 verdicts on 1 events"},
		"other's": {func(w http.ResponseWriter, r *http.Request) {
			receipt(w, r, func(string) map[string]any { return map[string]any{"id": "x", "status": "accepted"} })
		}, "on another event"},
		"new verdict": {func(w http.ResponseWriter, r *http.Request) {
			receipt(w, r, func(id string) map[string]any { return map[string]any{"id": id, "status": "maybe"} })
		}, "neither accepted nor rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, begin := serve(t, answers{c.answer}), time.Now()
				verdicts, err := s.client(t).Post(t.Context(), events(1))
				if err == nil || !strings.Contains(err.Error(), c.want) || !time.Now().Equal(begin) || len(s.got()) != 1 {
					t.Errorf("after %s and %d requests: %v, want %q", time.Since(begin), len(s.got()), err, c.want)
				}
				if len(verdicts) != 1 || verdicts[0].Status != "" {
					t.Errorf("verdicts %+v", verdicts)
				}
			})
		})
	}
}

// TestAnswerIsReadWithinBounds: a server that never ends its answer costs no memory.
func TestAnswerIsReadWithinBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const part, limit = 4 << 10, 72 << 10
		written := 0
		s := serve(t, answers{func(w http.ResponseWriter, _ *http.Request) {
			for written < 100*limit {
				if _, err := w.Write(make([]byte, part)); err != nil {
					return
				}
				written += part
			}
		}})
		_, err := s.client(t).Post(t.Context(), events(1))
		if err == nil || !strings.Contains(err.Error(), "larger than 73728 bytes") {
			t.Errorf("error %v", err)
		}
		synctest.Wait()
		if written > 2*limit { // what is on the way comes on top
			t.Errorf("the client read on for %d bytes", written)
		}
	})
}

func TestPostGivesUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		retryFor, deadline, within time.Duration
		tries                      int // at least
	}{
		"by default":        {0, time.Hour, time.Minute, 6},
		"as configured":     {5 * time.Second, time.Hour, 5 * time.Second, 4},
		"after one try":     {-1, time.Hour, 0, 1},
		"with its deadline": {0, 3 * time.Second, 3 * time.Second, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, begin := serve(t, answers{problem(503, "service.unavailable")}), time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
				defer cancel()
				_, err := s.client(t, func(config *client.Config) { config.RetryFor = c.retryFor }).Post(ctx, events(1))
				answer, ok := errors.AsType[*client.AnswerError](err)
				if !ok || answer.Code != "service.unavailable" || !strings.Contains(err.Error(), "gave up after") {
					t.Errorf("error %v", err)
				}
				if took, tries := time.Since(begin), len(s.got()); took > c.within || tries < c.tries {
					t.Errorf("%d tries in %s", tries, took)
				}
			})
		})
	}
}

func TestPostEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("enough")
		s := serve(t, answers{func(w http.ResponseWriter, r *http.Request) {
			problem(503, "service.unavailable", "Retry-After", "30")(w, r)
			time.AfterFunc(time.Second, func() { cancel(why) })
		}})
		begin := time.Now()
		if _, err := s.client(t).Post(ctx, events(1)); !errors.Is(err, why) || !strings.Contains(err.Error(), "503") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("ended after %s", took)
		}
	})
}

func TestWhatCannotBeSentIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, answers{accept}).client(t)
		for name, e := range map[string]struct {
			event client.Event
			want  error
		}{
			"array":    {client.Event{Data: []int{1}}, client.ErrData},
			"text":     {client.Event{Data: json.RawMessage(`"x"`)}, client.ErrData},
			"channel":  {client.Event{Data: map[string]any{"a": make(chan int)}}, new(json.UnsupportedTypeError)},
			"no UTF-8": {client.Event{Name: "\xff"}, client.ErrUTF8},
			"too big":  {client.Event{Data: map[string]string{"a": strings.Repeat("x", client.MaxRequestBytes)}}, client.ErrTooLarge},
		} {
			_, err := c.Post(t.Context(), []client.Event{event("good"), e.event})
			if unsupported := (*json.UnsupportedTypeError)(nil); !errors.Is(err, e.want) && !errors.As(err, &unsupported) {
				t.Errorf("%s: error %v, want %v", name, err, e.want)
			}
			if err == nil || !strings.HasPrefix(err.Error(), "event 1: ") {
				t.Errorf("%s: %v does not name the event", name, err)
			}
		}
	})
}
