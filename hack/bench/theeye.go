package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/theeye-dev/theeye/hack/servers"
)

// drainTimeout bounds the wait for persistence; at its slowest it stores some thousand events in a second.
const drainTimeout = 5 * time.Minute

// theEye measures TheEye three times: what an event costs until its row is committed, all processes running and reading
// the stream while it fills; then what its acceptance alone costs, with persistence stopped; and the same with schemas.
func (s *stage) theEye(ctx context.Context) error {
	if err := s.storedTarget(ctx); err != nil {
		return err
	}
	if err := s.eye.stop(ctx, servicePersistence); err != nil {
		return err
	}
	if err := s.acceptedTarget(ctx, targetAccepted); err != nil {
		return err
	}
	if err := s.checkedTarget(ctx); err != nil {
		return err
	}
	// What was accepted must come out, too; and the freshness test wants an empty stream.
	if err := s.eye.start(ctx, servicePersistence); err != nil {
		return err
	}
	return s.drain(ctx)
}

func (s *stage) storedTarget(ctx context.Context) error {
	return s.run(ctx, s.target(targetStored, &target{
		settle: func(ctx context.Context, warmed uint64) error {
			s.sent += warmed
			if err := s.drain(ctx); err != nil {
				return err
			}
			return s.backend.rest(ctx)
		},
		finish: s.await,
		check: func(ctx context.Context, events uint64) error {
			s.sent += events
			return s.count(ctx)
		},
	}))
}

func (s *stage) acceptedTarget(ctx context.Context, name string) error {
	return s.run(ctx, s.target(name, &target{
		settle: func(ctx context.Context, warmed uint64) error {
			s.sent += warmed
			return s.backend.rest(ctx)
		},
		check: func(_ context.Context, events uint64) error {
			s.sent += events // counted when persistence runs again
			return nil
		},
	}))
}

// checkedTarget measures acceptance once more with a schema for every type of the events. Events that were accepted
// before ingest knew the schemas are counted: they will be stored.
func (s *stage) checkedTarget(ctx context.Context) error {
	accepted, err := s.eye.declare(ctx)
	s.sent += accepted
	if err != nil {
		return err
	}
	return errors.Join(s.acceptedTarget(ctx, targetChecked), s.eye.desire(ctx, desiredApplication()))
}

// target fills in what both have in common.
func (s *stage) target(name string, t *target) *target {
	t.name, t.generator = name, "part-load"
	t.config = s.load(s.eye.running[serviceIngest].public, s.eye.authorization(), `"rejected":0`)
	t.roles = s.eye.roles(s.backend.roles())
	if s.config.profiles != "" {
		t.during = func(ctx context.Context) { s.profile(ctx, name) }
	}
	return t
}

// await waits until persistence has stored all there is.
func (s *stage) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	return s.backend.drained(ctx)
}

// drain waits and looks that as many rows were stored as events were accepted.
func (s *stage) drain(ctx context.Context) error {
	if err := s.await(ctx); err != nil {
		return err
	}
	return s.count(ctx)
}

func (s *stage) count(ctx context.Context) error {
	stored, err := s.backend.stored(ctx)
	if err != nil {
		return err
	}
	if stored != s.sent {
		return fmt.Errorf("%d events were accepted, %d are stored", s.sent, stored)
	}
	return nil
}

// profile saves a CPU profile of every service that runs, as long as the load does.
func (s *stage) profile(ctx context.Context, name string) {
	seconds := max(1, int(s.config.duration.Seconds()))
	done := make(chan struct{})
	for service, running := range s.eye.running {
		go func() {
			defer func() { done <- struct{}{} }()
			url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", running.ops, seconds)
			profile, err := call(ctx, http.MethodGet, url, "", nil)
			if err == nil {
				file := fmt.Sprintf("%s-%s-batch-%d-round-%d.pprof", fileName(name), service, s.batch, s.round)
				err = os.WriteFile(filepath.Join(s.config.profiles, file), profile, 0o600)
			}
			if err != nil {
				s.config.progress("no profile of %s: %v", service, err)
			}
		}()
	}
	for range s.eye.running {
		<-done
	}
}

func tailOf(log string) string { return servers.Tail(log) }
