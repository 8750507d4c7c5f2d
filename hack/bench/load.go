package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// loadConfig tells the generator what to do.
type loadConfig struct {
	Address       string        `json:"address"` // host:port
	Path          string        `json:"path"`
	Authorization string        `json:"authorization"`
	Batch         int           `json:"batch"` // events of a request
	Connections   int           `json:"connections"`
	WarmUp        time.Duration `json:"warm_up"`
	Duration      time.Duration `json:"duration"`
	MaxEvents     int           `json:"max_events"` // stop earlier after as many; 0: only by time
	Expect        string        `json:"expect"`     // what every answer's body must contain; empty: anything
}

// stallTimeout is how long after its end a phase waits for answers: a request that takes longer has failed.
const stallTimeout = 30 * time.Second

// load is a closed loop: every connection sends its next request when the answer to the last has come.
type load struct {
	config   loadConfig
	requests [][]byte
	conns    []*wireConn
}

// runLoad is the generator's process.
func runLoad(l *link) error {
	var config loadConfig
	if err := l.in.Decode(&config); err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	g, err := newLoad(config)
	if err != nil {
		return err
	}
	defer g.close()
	warm, err := g.phase(config.WarmUp)
	if err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	if err := l.awaitGo(warm.Events); err != nil {
		return err
	}
	measured, err := g.phase(config.Duration)
	if err != nil {
		return err
	}
	return l.finish(measured)
}

func newLoad(config loadConfig) (*load, error) {
	bodies, err := newBodies(config.Batch, time.Now())
	if err != nil {
		return nil, err
	}
	g := &load{config: config}
	for _, body := range bodies {
		g.requests = append(g.requests, newRequest(config.Address, config.Path, config.Authorization, body))
	}
	for range config.Connections {
		conn, err := dialWire(config.Address)
		if err != nil {
			g.close()
			return nil, err
		}
		g.conns = append(g.conns, conn)
	}
	return g, nil
}

func (g *load) close() {
	for _, conn := range g.conns {
		conn.close()
	}
}

// phase sends for a time, on all connections, and waits for the last answer. Any answer that is not as expected ends
// it with an error.
func (g *load) phase(duration time.Duration) (outcome, error) {
	p := phase{load: g, start: time.Now()}
	p.end = p.start.Add(duration)
	if g.config.MaxEvents > 0 {
		p.limit = int64(max(1, g.config.MaxEvents/g.config.Batch))
	}
	histograms, errs := make([]histogram, len(g.conns)), make([]error, len(g.conns))
	var all sync.WaitGroup
	for i := range g.conns {
		all.Go(func() {
			if errs[i] = p.loop(i, &histograms[i]); errs[i] != nil {
				p.failed.Store(true)
			}
		})
	}
	all.Wait()
	elapsed := time.Since(p.start)
	var total histogram
	for i := range histograms {
		total.add(&histograms[i])
	}
	return outcome{
		Requests: total.total, Events: total.total * uint64(g.config.Batch), Elapsed: elapsed,
		P50: total.quantile(0.5), P99: total.quantile(0.99),
	}, errors.Join(errs...)
}

type phase struct {
	*load
	start, end time.Time
	limit      int64 // requests; 0: none
	sent       atomic.Int64
	failed     atomic.Bool
}

// loop is one connection's part of a phase. Connections begin at different places of the pool.
func (p *phase) loop(number int, h *histogram) error {
	conn := p.conns[number]
	if err := conn.conn.SetDeadline(p.end.Add(stallTimeout)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	expect := []byte(p.config.Expect)
	next := number * len(p.requests) / len(p.conns)
	for start := time.Now(); start.Before(p.end) && !p.failed.Load(); next++ {
		if p.limit > 0 && p.sent.Add(1) > p.limit {
			break
		}
		status, body, err := conn.exchange(p.requests[next%len(p.requests)])
		if err != nil {
			return err
		}
		if status != http.StatusAccepted || !bytes.Contains(body, expect) {
			return fmt.Errorf("answer %d, want %d with %q: %.300s", status, http.StatusAccepted, expect, body)
		}
		now := time.Now()
		h.record(now.Sub(start))
		start = now
	}
	return nil
}
