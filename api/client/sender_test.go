package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/client"
)

// sender makes a Sender that is closed with the test.
func sender(t *testing.T, c *client.Client, config client.SenderConfig) *client.Sender {
	t.Helper()
	s := c.NewSender(config)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Close(ctx) // whatever is left: the test has said what it expects
	})
	return s
}

func send(t *testing.T, s *client.Sender, n int) {
	t.Helper()
	for range n {
		if err := s.Send(t.Context(), event("placed")); err != nil {
			t.Fatal(err)
		}
	}
}

func closed(t *testing.T, s *client.Sender) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestBatchEndsByCountBytesOrTime(t *testing.T) {
	t.Parallel()
	text := map[string]string{"text": strings.Repeat("x", 1000)}
	for name, c := range map[string]struct {
		config client.SenderConfig
		events int
		data   any
		want   []int           // events of each request
		after  []time.Duration // when each came
	}{
		"count":     {client.SenderConfig{MaxEvents: 3}, 7, nil, []int{3, 3, 1}, []time.Duration{0, 0, time.Second}},
		"bytes":     {client.SenderConfig{MaxBytes: 4000}, 7, text, []int{3, 3, 1}, []time.Duration{0, 0, time.Second}},
		"too large": {client.SenderConfig{MaxBytes: 100}, 2, text, []int{1, 1}, []time.Duration{0, 0}},
		"time":      {client.SenderConfig{MaxDelay: 5 * time.Second}, 7, nil, []int{7}, []time.Duration{5 * time.Second}},
		"default":   {client.SenderConfig{}, 501, nil, []int{500, 1}, []time.Duration{0, time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server, begin := serve(t, answers{accept}), time.Now()
				c.config.Concurrency = 1
				s := sender(t, server.client(t), c.config)
				for range c.events {
					e := event("placed")
					e.Data = c.data
					if err := s.Send(t.Context(), e); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Minute) //nolint:forbidigo // of the bubble
				var counts []int
				var after []time.Duration
				for _, r := range server.got() {
					counts, after = append(counts, len(r.content)), append(after, r.at.Sub(begin))
				}
				if !slices.Equal(counts, c.want) || !slices.Equal(after, c.after) {
					t.Errorf("requests of %v events after %v, want %v after %v", counts, after, c.want, c.after)
				}
				if got, want := s.Stats(), (client.Stats{Accepted: uint64(c.events)}); got != want {
					t.Errorf("stats %+v, want %+v", got, want)
				}
			})
		})
	}
}

// TestSenderKeepsEventsOverObstacles: also where a Post returns, for somebody may mend it.
func TestSenderKeepsEventsOverObstacles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := answers{
			broken, problem(503, "service.starting"), problem(401, "credential.invalid"), problem(403, "application.suspended"),
			page(404), page(400), page(200), page(301), accept,
		}
		server := serve(t, script)
		var troubles []string
		var results []client.Result
		s := sender(t, server.client(t), client.SenderConfig{
			GiveUpAfter: -1, // never
			OnTrouble:   func(err error, _ time.Duration) { troubles = append(troubles, err.Error()) },
			OnResult:    func(r client.Result) { results = append(results, r) },
		})
		send(t, s, 3)
		closed(t, s)
		if len(troubles) != 8 || !strings.Contains(troubles[3], "403 application.suspended") {
			t.Errorf("troubles %q", troubles)
		}
		if got, want := s.Stats(), (client.Stats{Accepted: 3, Retries: 8}); got != want {
			t.Errorf("stats %+v, want %+v", got, want)
		}
		if len(results) != 3 || results[2].Verdict.Status != client.Accepted || results[2].Err != nil ||
			results[2].Event.ID != server.got()[0].ids()[2] || string(results[2].Event.Data.(json.RawMessage)) != `{"n":1}` {
			t.Errorf("results %+v", results)
		}
	})
}

// TestOneBadRequestHarmsNoOther: what TheEye itself says can never pass is not tried again.
func TestOneBadRequestHarmsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := serve(t, answers{problem(400, "request.malformed"), func(w http.ResponseWriter, r *http.Request) {
			receipt(w, r, func(id string) map[string]any {
				return map[string]any{"id": id, "status": "rejected", "code": "field.length"}
			})
		}, accept})
		var got []string
		s := sender(t, server.client(t), client.SenderConfig{MaxEvents: 2, Concurrency: 1, OnResult: func(r client.Result) {
			text := string(r.Verdict.Status) + r.Verdict.Code
			if r.Err != nil {
				text = r.Err.Error()
			}
			got = append(got, text)
		}})
		send(t, s, 6)
		closed(t, s)
		bad, rejected := "answered 400 request.malformed: some detail", "rejectedfield.length"
		if diff := cmp.Diff([]string{bad, bad, rejected, rejected, "accepted", "accepted"}, got); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
		if got, want := s.Stats(), (client.Stats{Accepted: 2, Rejected: 2, Undelivered: 2}); got != want {
			t.Errorf("stats %+v, want %+v", got, want)
		}
	})
}

func TestSenderGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, begin := serve(t, answers{problem(503, "service.unavailable")}), time.Now()
		var lost []client.Result
		s := sender(t, server.client(t), client.SenderConfig{
			GiveUpAfter: time.Hour, OnResult: func(r client.Result) { lost = append(lost, r) },
		})
		send(t, s, 2)
		closed(t, s) // nothing is left: it was told
		if took := time.Since(begin); took > time.Hour || took < time.Hour-30*time.Second {
			t.Errorf("gave up after %s", took)
		}
		if len(lost) != 2 || !strings.Contains(lost[1].Err.Error(), "gave up after") || s.Stats().Undelivered != 2 {
			t.Errorf("lost %+v", lost)
		}
	})
}

func TestFullQueue(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]client.SenderConfig{
		"events": {QueueEvents: 4}, "bytes": {QueueBytes: 4 * 200}, // an event takes some 190
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := serve(t, answers{problem(503, "service.starting", "Retry-After", "100"), accept})
				s := sender(t, server.client(t), config)
				send(t, s, 4)
				if err := s.TrySend(event("placed")); !errors.Is(err, client.ErrQueueFull) {
					t.Errorf("TrySend answers %v", err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := s.Send(ctx, event("placed"))
				if !errors.Is(err, client.ErrQueueFull) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Send answers %v", err)
				}
				begin := time.Now()
				send(t, s, 1) // waits for the second try
				if waited := time.Since(begin); waited < 30*time.Second || waited > 50*time.Second {
					t.Errorf("Send waited %s", waited)
				}
				if err := s.TrySend(event("placed")); err != nil {
					t.Errorf("with room, TrySend answers %v", err)
				}
				closed(t, s)
				if got := s.Stats(); got.Accepted != 6 || got.Queued != 0 || got.QueuedBytes != 0 {
					t.Errorf("stats %+v", got)
				}
			})
		})
	}
}

// TestEventLargerThanTheQueue goes alone, instead of waiting for ever.
func TestEventLargerThanTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := serve(t, answers{accept})
		s := sender(t, server.client(t), client.SenderConfig{QueueBytes: 100})
		send(t, s, 3)
		closed(t, s)
		if n := len(server.got()); n != 3 || s.Stats().Accepted != 3 {
			t.Errorf("%d requests, %+v", n, s.Stats())
		}
	})
}

func TestFlush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := func(wait time.Duration) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(wait) //nolint:forbidigo // of the bubble
				accept(w, r)
			}
		}
		server, begin := serve(t, answers{slow(10 * time.Second), slow(20 * time.Second)}), time.Now()
		s := sender(t, server.client(t), client.SenderConfig{MaxDelay: time.Hour, MaxEvents: 2})
		if err := s.Flush(t.Context()); err != nil || time.Since(begin) != 0 {
			t.Errorf("with nothing to do: %v after %s", err, time.Since(begin))
		}
		send(t, s, 3) // a full batch, and one that waits
		var flushes sync.WaitGroup
		flushes.Go(func() {
			if err := s.Flush(t.Context()); err != nil || s.Stats().Accepted < 3 || time.Since(begin) != 20*time.Second {
				t.Errorf("flushed after %s with %+v: %v", time.Since(begin), s.Stats(), err)
			}
		})
		synctest.Wait()
		send(t, s, 1) // not the flush's
		flushes.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := s.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("flush answers %v", err)
		}
		closed(t, s)
		if n := s.Stats().Accepted; n != 4 {
			t.Errorf("%d accepted", n)
		}
	})
}

// TestResultsAreToldOneAtATime: callbacks need no lock.
func TestResultsAreToldOneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := serve(t, answers{accept})
		inside, told := false, 0
		s := sender(t, server.client(t), client.SenderConfig{MaxEvents: 1, Concurrency: 4, OnResult: func(client.Result) {
			if inside {
				t.Error("two results at once")
			}
			inside = true
			time.Sleep(time.Second) //nolint:forbidigo // of the bubble
			inside = false
			told++
		}})
		send(t, s, 8)
		closed(t, s)
		if told != 8 {
			t.Errorf("%d results", told)
		}
	})
}
