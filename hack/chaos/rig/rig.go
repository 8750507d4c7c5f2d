// Package rig runs one seed: it starts an installation, lets clients post and the nemesis strike, waits until all is at
// rest again, and holds what is stored against what the clients were told.
package rig

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/checker"
	"github.com/theeye-dev/theeye/hack/chaos/history"
	"github.com/theeye-dev/theeye/hack/chaos/nemesis"
	"github.com/theeye-dev/theeye/hack/chaos/workload"
	"github.com/theeye-dev/theeye/hack/chaos/world"
)

// Config of one run.
type Config struct {
	Seed     uint64
	Duration time.Duration // of the faults
	Dir      string        // for history, store and logs; must not be there yet
	Binaries string
	Faults   []nemesis.Fault
	Clients  int
	// RedisSettings replace durable ones; the services then take them.
	RedisSettings map[string]string
	// Args are added to those of a kind of service.
	Args map[world.Kind][]string
	// Prepare is done before anything but Redis and PostgreSQL is started; nil: nothing.
	Prepare func(ctx context.Context, w *world.World) error
	// Instead is done instead of the faults, while clients post; nil: the faults.
	Instead      func(ctx context.Context, w *world.World) error
	Ingests      int
	Persistences int
	Cluster      bool // of Redis
	Replicas     int  // of Redis that must have an event before it is accepted
	Say          func(format string, args ...any)
}

// Result of a run.
type Result struct {
	Findings []checker.Finding
	Evidence checker.Evidence
	Took     time.Duration
	// Recovery is how long it took, after the last fault, until everything was stored.
	Recovery time.Duration
}

const (
	// spares is how many replicas of persistence are added when somebody scales: 2 to 4.
	spares = 2
	// firstAcks is how many events are accepted before the first persistence is started: they are in the streams before
	// any consumer has ever asked.
	firstAcks = 20
	// calmTime bounds the resends after the last fault.
	calmTime = 30 * time.Second
	// restTime is what the installation has to come to rest: claiming what a dead consumer left takes 30 s alone.
	restTime = 90 * time.Second
)

// invariants of the run itself, beside the checker's.
const (
	Recovery checker.Invariant = "recovery" // it comes to rest with no hand laid on
	Process  checker.Invariant = "process"  // no service ends by itself, races or panics
)

// Run runs one seed. An error says that the run is worth nothing; what is wrong with the services is in the result.
func Run(ctx context.Context, c Config) (result Result, err error) {
	begin := time.Now()
	file, w, err := c.prepare(ctx)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, file.Close(), w.Close(ctx)) }()
	if c.Prepare != nil {
		if err := c.Prepare(ctx, w); err != nil {
			return result, err
		}
	}
	load, err := c.open(ctx, w, file)
	if err != nil {
		return result, err
	}
	counters := &world.Counters{}
	watching, stopWatching := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() { w.Watch(watching, counters); close(watched) }()
	result.Findings, result.Recovery, err = c.disturb(ctx, w, load, file)
	stopWatching()
	<-watched
	if err != nil {
		return result, err
	}
	err = c.judge(ctx, w, file, counters, &result)
	result.Took = time.Since(begin)
	return result, err
}

// open starts everything but persistence and registers the clients.
func (c *Config) open(ctx context.Context, w *world.World, file *history.File) (*workload.Workload, error) {
	ctx, cancel := context.WithTimeout(ctx, restTime)
	defer cancel()
	auth, doors := w.Of(world.Auth)[0], w.Of(world.Ingest)
	options := workload.Options{
		Seed: c.Seed, Clients: c.Clients, AuthURL: auth.URL(), AdminToken: w.AdminToken, File: file, Now: time.Now,
	}
	for _, s := range append(doors, auth) {
		if err := s.Start(); err != nil {
			return nil, err //nolint:wrapcheck // says which
		}
	}
	for _, s := range doors {
		options.Doors = append(options.Doors, workload.Door{Name: s.Name, URL: s.URL()})
	}
	load := workload.New(options)
	if err := load.Register(ctx); err != nil {
		return nil, err //nolint:wrapcheck // says what
	}
	return load, w.AwaitReady(ctx, doors...) //nolint:wrapcheck // says which
}

// disturb lets clients post and the nemesis strike, and waits for the end of both and for rest.
func (c *Config) disturb(ctx context.Context, w *world.World, load *workload.Workload, file *history.File) (found []checker.Finding, took time.Duration, err error) {
	busy, stop := context.WithCancel(ctx)
	defer stop()
	calm, stopCalm := context.WithCancel(ctx)
	defer stopCalm()
	loaded := make(chan error, 1)
	go func() { loaded <- load.Run(busy, calm) }()
	if err := c.begin(ctx, w, load); err != nil {
		stop()
		stopCalm()
		return nil, 0, errors.Join(err, <-loaded)
	}
	err = c.strike(ctx, w, file)
	healed := time.Now()
	stop()
	timer := time.AfterFunc(calmTime, stopCalm)
	err = errors.Join(err, <-loaded)
	timer.Stop()
	if err != nil {
		return nil, 0, err
	}
	rest, cancelRest := context.WithTimeout(ctx, restTime)
	defer cancelRest()
	if err := w.AwaitRest(rest); err != nil {
		found = append(found, checker.Finding{Invariant: Recovery, Detail: err.Error()})
	}
	return found, time.Since(healed), ctx.Err() //nolint:wrapcheck // the caller's own
}

// strike does what is done to the installation.
func (c *Config) strike(ctx context.Context, w *world.World, file *history.File) error {
	if c.Instead != nil {
		return c.Instead(ctx, w)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Duration)
	defer cancel()
	n := &nemesis.Nemesis{World: w, File: file, Seed: c.Seed, Faults: c.possible(w), Say: c.Say}
	n.Run(ctx)
	return nil
}

// begin starts persistence once there is something to store, and waits until it stores.
func (c *Config) begin(ctx context.Context, w *world.World, load *workload.Workload) error {
	ctx, cancel := context.WithTimeout(ctx, restTime)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for load.Acked() < firstAcks {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("only %d events were accepted: %w", load.Acked(), ctx.Err())
		}
	}
	first := w.Of(world.Persistence)[:c.Persistences]
	for _, s := range first {
		if err := s.Start(); err != nil {
			return err //nolint:wrapcheck // says which
		}
	}
	return w.AwaitReady(ctx, first...) //nolint:wrapcheck // says which
}

// possible are the faults that can be done here.
func (c *Config) possible(w *world.World) (faults []nemesis.Fault) {
	for _, f := range c.Faults {
		if f.Needs == nil || f.Needs(w) {
			faults = append(faults, f)
		} else {
			c.Say("%-24s cannot be done here", f.Name)
		}
	}
	return faults
}

func (c *Config) prepare(ctx context.Context) (*history.File, *world.World, error) {
	if err := makeDir(c.Dir); err != nil {
		return nil, nil, err
	}
	file, err := history.Create(filepath.Join(c.Dir, historyFile))
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // says what
	}
	w, err := world.New(ctx, c.installation())
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, w, nil
}
