package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// freshness is how long after its 202 an event can be read, under a moderate load.
type freshness struct {
	Rate    int     `json:"events_per_second"`
	Samples uint64  `json:"samples"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Max     float64 `json:"max_ms"`
}

const (
	sampleEvery   = 10                   // one event in ten is looked for: the reads are a load, too
	readEvery     = 2 * time.Millisecond // how exact a sample is
	freshTimeout  = 30 * time.Second
	freshInFlight = 256 // open requests at most: an open loop must not become a flood of goroutines
)

// freshTest posts single events at a fixed rate, whatever the answers take (an open loop), and looks for some of them.
type freshTest struct {
	post, sessions, authorization string
	events                        []wireEvent
	prefix                        string
	accepted                      atomic.Uint64

	mu        sync.Mutex
	histogram histogram
	errs      []error
}

func (s *stage) freshness(ctx context.Context) (*freshness, error) {
	events, err := newEvents(poolEvents, time.Now())
	if err != nil {
		return nil, err
	}
	t := &freshTest{
		post:          "http://" + s.eye.running[serviceIngest].public + "/v1/events",
		sessions:      "http://" + s.eye.running[servicePersistence].public + "/v1/sessions/",
		authorization: s.eye.authorization(), events: events, prefix: fmt.Sprintf("fresh-%d-%d", s.round, s.batch),
	}
	t.run(ctx, s.config.freshRate, s.config.duration)
	s.sent += t.accepted.Load()
	if err := errors.Join(append(t.errs, ctx.Err())...); err != nil {
		return nil, fmt.Errorf("freshness: %w", err)
	}
	if err := s.drain(ctx); err != nil {
		return nil, fmt.Errorf("freshness: %w", err)
	}
	f := &freshness{
		Rate: s.config.freshRate, Samples: t.histogram.total, P50: milliseconds(t.histogram.quantile(0.5)),
		P99: milliseconds(t.histogram.quantile(0.99)), Max: milliseconds(t.histogram.max),
	}
	s.config.progress("readable after   p50 %.1f ms  p99 %.1f ms at %d ev/s", f.P50, f.P99, f.Rate)
	return f, nil
}

func (t *freshTest) run(ctx context.Context, rate int, duration time.Duration) {
	var open sync.WaitGroup
	slots := make(chan struct{}, freshInFlight)
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	total := int(duration.Seconds() * float64(rate))
	for i := 0; i < total && ctx.Err() == nil; i++ {
		<-ticker.C
		slots <- struct{}{}
		open.Go(func() {
			defer func() { <-slots }()
			if err := t.one(ctx, i); err != nil {
				t.mu.Lock()
				defer t.mu.Unlock()
				t.errs = append(t.errs, err)
			}
		})
	}
	open.Wait()
}

// one posts an event; every so often the event has a session of its own, which is then asked for until it is there.
func (t *freshTest) one(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, freshTimeout)
	defer cancel()
	e := t.events[i%len(t.events)]
	sample := i%sampleEvery == 0
	if sample {
		e.SessionID = fmt.Sprintf("%s-%d", t.prefix, i)
	}
	if _, err := call(ctx, http.MethodPost, t.post, t.authorization, e, http.StatusAccepted); err != nil {
		return err
	}
	accepted := time.Now()
	t.accepted.Add(1)
	if !sample {
		return nil
	}
	if err := t.awaitSession(ctx, e.SessionID); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.histogram.record(time.Since(accepted))
	return nil
}

func (t *freshTest) awaitSession(ctx context.Context, session string) error {
	ticker := time.NewTicker(readEvery)
	defer ticker.Stop()
	for {
		body, err := call(ctx, http.MethodGet, t.sessions+session, t.authorization, nil, http.StatusOK, http.StatusNotFound)
		if err != nil {
			return err
		}
		var answer struct {
			Events json.RawMessage `json:"events"`
		}
		if json.Unmarshal(body, &answer) == nil && len(answer.Events) > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("session %s is not readable: %w", session, ctx.Err())
		case <-ticker.C:
		}
	}
}
