package nemesis

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/world"
)

// points are the services' failpoints (services/internal/failpoint) and whose they are.
var points = []struct {
	name string
	kind world.Kind
}{
	{"appended", world.Ingest},
	{"read", world.Persistence},
	{"before-commit", world.Persistence},
	{"committed", world.Persistence},
	{"dead-letter", world.Persistence},
	{"trim", world.Persistence},
	{"partition", world.Persistence},
	{"publish", world.Auth},
	{"published", world.Auth},
}

// failpointFaults end or stop a process at a named place.
func failpointFaults() []Fault {
	var faults []Fault
	for _, p := range points {
		faults = append(faults, Fault{Name: "kill-at-" + p.name, On: Service, Do: func(ctx context.Context, s *Strike) (string, error) {
			return s.killAt(ctx, p.kind, p.name)
		}})
	}
	return append(faults,
		Fault{Name: "stop-at-committed", On: Service, Do: func(ctx context.Context, s *Strike) (string, error) {
			return s.stopAt(ctx, world.Persistence, "committed")
		}},
		Fault{Name: "stop-at-appended", On: Service, Do: func(ctx context.Context, s *Strike) (string, error) {
			return s.stopAt(ctx, world.Ingest, "appended")
		}},
		Fault{Name: "clock-step", On: Service, Do: clockStep},
	)
}

// reachTime is how long a failpoint is waited for: trimming comes every two seconds, a change of credentials every three.
const reachTime = 8 * time.Second

// killAt has a service die at a place.
func (s *Strike) killAt(ctx context.Context, kind world.Kind, point string) (string, error) {
	service, err := s.service(kind)
	if err != nil {
		return "", err
	}
	if point == "partition" { // somebody has to make one
		if err := s.detach(ctx); err != nil {
			return "", err
		}
	}
	reached, err := s.reach(ctx, service, point, "kill")
	if point == "partition" {
		err = errors.Join(err, s.awaitAttached(ctx))
	}
	if err != nil || !reached {
		return "", err
	}
	return service.Name + " died at " + point, s.ready(ctx, service)
}

// reach arms a failpoint and waits until a service comes there.
func (s *Strike) reach(ctx context.Context, service *world.Service, point, order string) (bool, error) {
	if err := service.Arm(point, order); err != nil {
		return false, err //nolint:wrapcheck // says what
	}
	for deadline := time.Now().Add(reachTime); time.Now().Before(deadline); {
		if service.Reached(point) {
			return true, nil
		}
		pause(ctx, 10*time.Millisecond)
	}
	return !service.Disarm(point), nil
}

// stopAt has a service stand still at a place for a while, as one that is swapped out there.
func (s *Strike) stopAt(ctx context.Context, kind world.Kind, point string) (string, error) {
	service, err := s.service(kind)
	if err != nil {
		return "", err
	}
	reached, err := s.reach(ctx, service, point, "stop")
	if err != nil || !reached {
		return "", err
	}
	pause(ctx, s.Hold)
	return service.Name + " stood still at " + point, service.Signal(syscall.SIGCONT) //nolint:wrapcheck // says which
}

// maxStep is how wrong a clock is set at most: less than what makes an event too old or too far ahead.
const maxStep = 4 * time.Minute

// clockStep sets the clock of a service wrong, forward or back, and right again.
func clockStep(ctx context.Context, s *Strike) (string, error) {
	service, err := s.service(world.Ingest, world.Persistence)
	if err != nil {
		return "", err
	}
	step := time.Duration(s.Random.Int64N(int64(2*maxStep))) - maxStep
	if err := service.Arm("clock", step.String()); err != nil {
		return "", err //nolint:wrapcheck // says what
	}
	pause(ctx, s.Hold)
	if !service.Disarm("clock") {
		return "", fmt.Errorf("the clock of %s was set right by somebody else", service.Name)
	}
	return fmt.Sprintf("the clock of %s was wrong by %s", service.Name, step.Round(time.Second)), nil
}
