package scale

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/history"
	"github.com/theeye-dev/theeye/hack/chaos/workload"
	"github.com/theeye-dev/theeye/hack/chaos/world"
)

// Config of one measurement.
type Config struct {
	Dir      string // must not be there yet
	Binaries string
	Cluster  bool // of Redis
	// RedisReplicas must have an event before it is accepted.
	RedisReplicas int
	Replicas      int // of ingest, and of persistence
	// Turnover has replicas of persistence stop and start again, one after the other, all the time.
	Turnover bool
	Duration time.Duration // of the load
	Clients  int
}

// Result of one measurement.
type Result struct {
	Accepted, Stored int64         // events
	Took             time.Duration // until the last was stored
	CPU              map[string]time.Duration
	Shares           []float64 // of the entries, of each replica of persistence
	Turnovers        int
	Redelivered      float64 // entries
	Claimed          float64 // entries
}

// patience bounds the start, and the rest after the load: what a stopped replica left is claimed after 30 s.
const patience = 2 * time.Minute

// Run measures.
func Run(ctx context.Context, c Config) (r Result, err error) {
	if err := os.Mkdir(c.Dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's user has to pass it
		return r, fmt.Errorf("make directory: %w", err)
	}
	w, err := world.New(ctx, world.Options{
		Dir: c.Dir, Binaries: c.Binaries, Ingests: c.Replicas, Persistences: c.Replicas, Cluster: c.Cluster, Replicas: c.RedisReplicas, Plain: true,
	})
	if err != nil {
		return r, err //nolint:wrapcheck // says what
	}
	defer func() { err = errors.Join(err, w.Close(ctx)) }()
	load, err := c.start(ctx, w)
	if err != nil {
		return r, err
	}
	counters := &world.Counters{}
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() { w.Watch(watching, counters); close(watched) }()
	err = c.measure(ctx, w, load, &r)
	stop()
	<-watched
	if err != nil {
		return r, err
	}
	r.Redelivered, r.Claimed = counters.Sum(world.Redeliveries), counters.Sum(world.Claims)
	r.Shares = shares(counters, w.Of(world.Persistence))
	return r, stored(ctx, w, &r)
}

// start starts everything, and returns what posts.
func (c *Config) start(ctx context.Context, w *world.World) (*load, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, s := range w.Of() {
		if err := s.Start(); err != nil {
			return nil, err //nolint:wrapcheck // says which
		}
	}
	file, err := history.Create(filepath.Join(c.Dir, "history.jsonl"))
	if err != nil {
		return nil, err //nolint:wrapcheck // says what
	}
	doors := w.Of(world.Ingest)
	clients := workload.New(workload.Options{
		Clients: 1, AuthURL: w.Of(world.Auth)[0].URL(), AdminToken: w.AdminToken, File: file, Now: time.Now,
		Doors: []workload.Door{{Name: doors[0].Name, URL: doors[0].URL()}},
	})
	err = errors.Join(clients.Register(ctx), w.AwaitReady(ctx, w.Of()...), file.Close())
	return newLoad(clients.Key(), doors, c.Clients), err
}

// measure loads until the time is over, and waits until everything is stored.
func (c *Config) measure(ctx context.Context, w *world.World, load *load, r *Result) error {
	before, err := spent(w)
	if err != nil {
		return err
	}
	begin := time.Now()
	busy, stop := context.WithTimeout(ctx, c.Duration)
	defer stop()
	turned, ended := make(chan error, 1), time.Duration(0)
	go func() {
		var err error
		if c.Turnover {
			r.Turnovers, ended, err = turnover(busy, w)
		}
		turned <- err
	}()
	r.Accepted, err = load.run(busy)
	if err := errors.Join(err, <-turned); err != nil {
		return err
	}
	resting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := w.AwaitRest(resting); err != nil {
		return err //nolint:wrapcheck // says what
	}
	r.Took = time.Since(begin)
	after, err := spent(w)
	r.CPU = map[string]time.Duration{}
	for kind, cpu := range after {
		r.CPU[kind] = cpu - before[kind]
	}
	r.CPU[string(world.Persistence)] += ended
	return err
}

// turnoverEvery is how long all replicas run between two stops.
const turnoverEvery = time.Second

// turnover stops each replica of persistence in order and starts it again, until the context ends. It answers how often, and
// what CPU time the processes had until then that ended.
func turnover(ctx context.Context, w *world.World) (times int, ended time.Duration, err error) {
	for replicas := w.Of(world.Persistence); ; times++ {
		timer := time.NewTimer(turnoverEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return times, ended, nil
		}
		replica := replicas[times%len(replicas)]
		cpu, err := cpuOf(replica.PID())
		if err != nil {
			return times, ended, err
		}
		ended += cpu
		if err := replica.Terminate(context.WithoutCancel(ctx)); err != nil {
			return times, ended, err //nolint:wrapcheck // says which
		}
	}
}

// stored counts what is in PostgreSQL: every accepted event once.
func stored(ctx context.Context, w *world.World, r *Result) error {
	conn, err := w.Database(ctx)
	if err != nil {
		return err //nolint:wrapcheck // says what
	}
	defer conn.Close(ctx) //nolint:errcheck // only read
	var ids int64
	if err := conn.QueryRow(ctx, "SELECT count(*), count(DISTINCT id) FROM persistence.events").Scan(&r.Stored, &ids); err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	if r.Stored != r.Accepted || ids != r.Accepted {
		return fmt.Errorf("%d events were accepted; %d are stored, of %d ids", r.Accepted, r.Stored, ids)
	}
	return nil
}
