package workload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/history"
)

// Door is a replica of ingest as clients reach it.
type Door struct{ Name, URL string }

// Options of a workload.
type Options struct {
	Seed       uint64
	Clients    int
	Doors      []Door
	AuthURL    string // of auth's admin API
	AdminToken string
	File       *history.File
	// Now gives the clients' time, of which the timestamps of events are made.
	Now func() time.Time
}

// applications of a workload: enough for a batch of persistence to hold several.
const applications = 3

// Workload posts events.
type Workload struct {
	options Options
	client  *http.Client
	apps    []*application
	sends   atomic.Int64
	acked   atomic.Int64
	failure atomic.Pointer[error] // of the workload itself; the run is worth nothing then
}

// clientTimeout bounds a request, so that a lost answer is told from a slow one: more than ingest's patience with Redis.
const clientTimeout = 7 * time.Second

// New returns a Workload.
func New(o Options) *Workload {
	transport := &http.Transport{MaxIdleConnsPerHost: 2 * o.Clients, IdleConnTimeout: time.Minute}
	return &Workload{options: o, client: &http.Client{Transport: transport, Timeout: clientTimeout}}
}

// Acked is how many events were accepted so far.
func (w *Workload) Acked() int64 { return w.acked.Load() }

// Sent is how many requests were begun so far.
func (w *Workload) Sent() int64 { return w.sends.Load() }

// Run posts until busy ends, and rotates credentials meanwhile; then it posts again what clients are in doubt about,
// until calm ends or nothing is. It answers what kept the workload itself from working.
func (w *Workload) Run(busy, calm context.Context) error {
	defer w.client.CloseIdleConnections()
	var wg sync.WaitGroup
	for i := range w.options.Clients {
		c := &client{Workload: w, random: w.random(uint64(i)), number: i}
		wg.Go(func() {
			c.run(busy)
			c.settle(calm)
		})
	}
	wg.Go(func() { w.rotate(busy, w.random(rotation)) })
	wg.Wait()
	if err := w.failure.Load(); err != nil {
		return *err
	}
	if w.acked.Load() == 0 {
		return errors.New("not one event was accepted")
	}
	return nil
}

// rotation is the stream of random numbers for what is no client.
const rotation = 1 << 32

func (w *Workload) random(stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(w.options.Seed, stream)) //nolint:gosec // it has to follow from the seed
}

// write writes a line down; without it nothing may go on.
func (w *Workload) write(l history.Line) bool {
	if err := w.options.File.Write(l); err != nil {
		err = fmt.Errorf("workload: %w", err)
		w.failure.CompareAndSwap(nil, &err)
		return false
	}
	return true
}

// pause waits, or until the context ends, which it tells by false.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
