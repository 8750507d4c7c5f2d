package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/theeye-dev/theeye/hack/bench/proc"
)

// stage is one round at one batch size, on servers of its own: what the round before left behind costs nothing here.
type stage struct {
	config   *config
	batch    int
	round    int
	backend  *backend
	eye      *eye
	handlers []*child // baselines that run
	sent     uint64   // events that TheEye has accepted
	results  []result
}

// stageReport is what a stage found.
type stageReport struct {
	results    []result
	freshness  *freshness
	idleIngest float64 // MiB
}

// runStage measures every target once. Baselines come first, while TheEye is not running at all.
func runStage(ctx context.Context, c *config, round, batch int, fresh bool) (report stageReport, err error) {
	dir := filepath.Join(c.dir, fmt.Sprintf("round-%d-batch-%d", round, batch))
	s := &stage{config: c, batch: batch, round: round}
	defer func() { err = errors.Join(err, s.end(ctx, dir)) }()
	if s.backend, err = startBackend(ctx, dir); err != nil {
		return report, err
	}
	if err := s.baselines(ctx); err != nil {
		return report, err
	}
	c.progress("starting TheEye")
	if s.eye, err = startEye(ctx, c.binaries, dir, s.backend.redis.URL(), s.backend.postgres.URL()); err != nil {
		return report, err
	}
	if report.idleIngest, err = s.idle(ctx); err != nil {
		return report, err
	}
	if err := s.theEye(ctx); err != nil {
		return report, s.explain(err)
	}
	if fresh {
		if report.freshness, err = s.freshness(ctx); err != nil {
			return report, s.explain(err)
		}
	}
	report.results = s.results
	return report, nil
}

// end stops all and removes the servers' data; logs stay only when the bench keeps its directory.
func (s *stage) end(ctx context.Context, dir string) error {
	var errs []error
	for _, h := range s.handlers {
		errs = append(errs, h.close())
	}
	if s.eye != nil {
		errs = append(errs, s.eye.stopAll(ctx))
	}
	if s.backend != nil {
		errs = append(errs, s.backend.stop(ctx))
	}
	if !s.config.keep {
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}

// explain adds the logs of TheEye to an error: they are gone with the directory.
func (s *stage) explain(err error) error {
	for name, service := range s.eye.running {
		if tail := tailOf(service.log); tail != "" {
			err = fmt.Errorf("%w\nlog of %s:\n%s", err, name, tail)
		}
	}
	return err
}

// run measures one target and shows what it found.
func (s *stage) run(ctx context.Context, t *target) error {
	r, err := t.measure(ctx)
	if err != nil {
		return fmt.Errorf("%s, batch %d: %w", t.name, s.batch, err)
	}
	r.Batch, r.Round = s.batch, s.round
	s.results = append(s.results, r)
	s.config.progress("%-16s %9s ev/s  p50 %.2f ms  p99 %.2f ms  %.1f µs CPU per event", t.name,
		thousands(r.EventsPerSecond), r.P50, r.P99, r.TotalCPU)
	return nil
}

func (s *stage) load(address, authorization, expect string) loadConfig {
	return loadConfig{
		Address: address, Path: "/v1/events", Authorization: authorization, Batch: s.batch,
		Connections: s.config.connections, WarmUp: s.config.warmUp, Duration: s.config.duration,
		MaxEvents: s.config.maxEvents, Expect: expect,
	}
}

func (s *stage) baselines(ctx context.Context) error {
	for _, b := range []struct{ target, part, expect string }{
		{targetBare, "part-bare", ""},
		{targetXadd, "part-xadd", fmt.Sprintf(`{"accepted":%d}`, s.batch)},
	} {
		if err := s.baseline(ctx, b.target, b.part, b.expect); err != nil {
			return err
		}
	}
	settle := func(ctx context.Context, _ uint64) error { return s.backend.rest(ctx) }
	err := s.run(ctx, &target{
		name: targetCopy, generator: "part-copy", ownWork: true, roles: s.backend.roles()[1:], settle: settle,
		config: copyConfig{
			PostgresURL: s.backend.postgres.URL(), WarmUp: s.config.warmUp, Duration: s.config.duration,
			MaxEvents: s.config.maxEvents,
		},
	})
	if err != nil {
		return err
	}
	if _, err := s.backend.conn.Exec(ctx, copyDrop); err != nil {
		return fmt.Errorf("drop copied rows: %w", err)
	}
	return nil
}

func (s *stage) baseline(ctx context.Context, name, part, expect string) error {
	handler, err := startPart(ctx, part, baselineConfig{RedisURL: s.backend.redis.URL()})
	if err != nil {
		return err
	}
	s.handlers = append(s.handlers, handler)
	hello, err := handler.receive()
	if err != nil {
		return err
	}
	empty := func(ctx context.Context, _ uint64) error {
		if err := s.backend.client.Unlink(ctx, baselineStream).Err(); err != nil {
			return fmt.Errorf("drop baseline's stream: %w", err)
		}
		return s.backend.rest(ctx)
	}
	roles := meter{{name: roleApp, pid: handler.cmd.Process.Pid}}
	config := s.load(hello.Address, "Bearer none", expect)
	t := &target{name: name, generator: "part-load", config: config, settle: empty}
	if name == targetXadd {
		roles = append(roles, s.backend.roles()[0])
		t.check = s.checkBaseline
	} else {
		config.MaxEvents = 0 // it keeps nothing: time alone bounds it
		t.config = config
	}
	t.roles = roles
	if err := s.run(ctx, t); err != nil {
		return err
	}
	return errors.Join(empty(ctx, 0), handler.close())
}

// checkBaseline looks that there is an entry for every request.
func (s *stage) checkBaseline(ctx context.Context, events uint64) error {
	entries, err := s.backend.client.XLen(ctx, baselineStream).Uint64()
	if err != nil {
		return fmt.Errorf("count entries: %w", err)
	}
	if want := events / uint64(s.batch); entries != want {
		return fmt.Errorf("%d requests were answered 202, the stream has %d entries", want, entries)
	}
	return nil
}

// idle returns the memory of ingest before it had any load, in MiB.
func (s *stage) idle(ctx context.Context) (float64, error) {
	select { // its start is over, and what the start needed may have been given back
	case <-ctx.Done():
		return 0, ctx.Err() //nolint:wrapcheck // the bench was stopped
	case <-time.After(s.config.warmUp):
	}
	bytes, err := proc.Memory(s.eye.running[serviceIngest].PID(), "VmRSS")
	return mebibytes(bytes), err
}
