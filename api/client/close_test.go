package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/client"
)

func TestCloseTellsWhatWasNotDelivered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := serve(t, answers{accept, problem(503, "service.unavailable", "Retry-After", "60")})
		results := map[string]int{}
		s := sender(t, server.client(t), client.SenderConfig{MaxEvents: 2, Concurrency: 1, OnResult: func(r client.Result) { results[r.Event.ID]++ }})
		send(t, s, 7) // 2 accepted, 2 on their way, 3 waiting
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begin := time.Now()
		err := s.Close(ctx)
		undelivered, ok := errors.AsType[*client.UndeliveredError](err)
		if !ok || len(undelivered.Events) != 5 || !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 10*time.Second {
			t.Fatalf("after %s: %v", time.Since(begin), err)
		}
		if n := s.Stats().Retries; n != 1 {
			t.Errorf("%d waits: that Close ends them is no trouble", n)
		}
		if !strings.HasPrefix(err.Error(), "5 events were not delivered: ") {
			t.Errorf("error %q", err)
		}
		if len(results) != 7 {
			t.Errorf("results of %d events", len(results))
		}
		if again := s.Close(t.Context()); !errors.Is(again, err) && again.Error() != err.Error() {
			t.Errorf("closed again: %v", again)
		}
		if err := s.Send(t.Context(), event("late")); !errors.Is(err, client.ErrClosed) {
			t.Errorf("then Send answers %v", err)
		}
		// What was left can be kept, and sent later as it is.
		kept, err := json.Marshal(undelivered.Events)
		if err != nil {
			t.Fatal(err)
		}
		var again []client.Event
		if err := json.Unmarshal(kept, &again); err != nil {
			t.Fatal(err)
		}
		later := serve(t, answers{accept})
		if _, err := later.client(t).Post(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		first, second := server.got()[1].content, later.got()[0].content[:2]
		for i := range first {
			delete(first[i], "sent_at")
			delete(second[i], "sent_at")
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("sent later (-first +second):\n%s", diff)
		}
	})
}

func TestCloseWaitsForNoMoreEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := sender(t, serve(t, answers{accept}).client(t), client.SenderConfig{})
		send(t, s, 3)
		closed(t, s)
		if took := time.Since(begin); took != 0 || s.Stats().Accepted != 3 {
			t.Errorf("after %s %+v", took, s.Stats())
		}
	})
}

func TestCloseWakesWhoWaitsForRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := serve(t, answers{problem(503, "service.unavailable", "Retry-After", "60")})
		s := sender(t, server.client(t), client.SenderConfig{QueueEvents: 1})
		send(t, s, 1)
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if err := s.Send(t.Context(), event("placed")); !errors.Is(err, client.ErrClosed) {
				t.Errorf("Send answers %v", err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = s.Close(ctx)
		waiting.Wait()
	})
}

// TestManyGoroutinesUseOneSender: while what they share fails now and then, every event has one result and no id is
// used twice. The callback sends, too.
func TestManyGoroutinesUseOneSender(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const goroutines, each = 16, 100
		server := serve(t, slices.Concat(
			slices.Repeat(answers{accept, broken, problem(503, "service.overloaded"), page(413)}, 40), answers{accept},
		))
		c := server.client(t)
		results := map[string]int{}
		var s *client.Sender
		s = sender(t, c, client.SenderConfig{
			MaxEvents: 7, QueueEvents: 50, Concurrency: 4,
			OnResult: func(r client.Result) {
				results[r.Event.ID]++
				if r.Err != nil && r.Event.Name != "apology" {
					if err := s.TrySend(event("apology")); err != nil && !errors.Is(err, client.ErrQueueFull) {
						t.Error(err)
					}
				}
			},
		})
		var senders sync.WaitGroup
		for g := range goroutines {
			senders.Go(func() {
				for n := range each {
					e := event("placed")
					e.SessionID = strconv.Itoa(g)
					if err := s.Send(t.Context(), e); err != nil {
						t.Error(err)
					}
					if n == each/2 {
						if _, err := c.Post(t.Context(), events(2)); err != nil && !strings.Contains(err.Error(), "413") {
							t.Error(err)
						}
						if err := s.Flush(t.Context()); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		senders.Wait()
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		closed(t, s)
		stats := s.Stats()
		if total := stats.Accepted + stats.Undelivered; int(total) != len(results) || len(results) < goroutines*each || stats.Retries == 0 {
			t.Errorf("%d results, %+v", len(results), stats)
		}
		for id, n := range results {
			if n != 1 {
				t.Errorf("%s has %d results", id, n)
			}
		}
	})
}

// TestTimestampsTellTheOrder of one client's events, of a Post and a Sender, however fast they come.
func TestTimestampsTellTheOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := serve(t, answers{accept})
		c := server.client(t)
		s := sender(t, c, client.SenderConfig{Concurrency: 1})
		for range 100 {
			send(t, s, 1)
		}
		closed(t, s)
		if _, err := c.Post(t.Context(), events(100)); err != nil {
			t.Fatal(err)
		}
		var last string
		for _, r := range server.got() {
			for _, e := range r.content {
				at := fmt.Sprint(e["timestamp"])
				if at <= last {
					t.Errorf("%s comes after %s", at, last)
				}
				last = at
			}
		}
	})
}
