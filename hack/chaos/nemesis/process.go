package nemesis

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/world"
)

// processFaults are about the services as processes.
func processFaults() []Fault {
	var faults []Fault
	for _, kind := range []world.Kind{world.Ingest, world.Persistence, world.Auth} {
		faults = append(faults,
			Fault{Name: "kill-" + string(kind), On: Service, Do: func(ctx context.Context, s *Strike) (string, error) { return s.kill(ctx, kind) }},
			Fault{Name: "freeze-" + string(kind), On: Service, Do: func(ctx context.Context, s *Strike) (string, error) { return s.freeze(ctx, kind) }},
		)
	}
	return append(faults,
		Fault{Name: "freeze-until-claimed", On: Service, Lasts: untilClaimed, Do: freezeUntilClaimed},
		Fault{Name: "rolling-restart", On: Service, Do: rolling},
		Fault{Name: "scale", On: Service, Do: scale},
		Fault{Name: "rename-consumer", On: Service, Do: rename},
	)
}

// kill ends a service by SIGKILL.
func (s *Strike) kill(ctx context.Context, kind world.Kind) (string, error) {
	service, err := s.service(kind)
	if err != nil {
		return "", err
	}
	pid := service.PID()
	if err := service.Kill(); err != nil {
		return "", err //nolint:wrapcheck // says which process
	}
	return fmt.Sprintf("process %d killed", pid), s.ready(ctx, service)
}

// ready waits until a service is there again, as far as other faults let it be.
func (s *Strike) ready(ctx context.Context, service *world.Service) error {
	ctx, cancel := context.WithTimeout(ctx, s.Hold)
	defer cancel()
	_ = s.World.AwaitReady(ctx, service) // while something else is broken it cannot be
	return nil
}

// freeze stops a process for a while, as a long pause of a virtual machine does: its connections stay, its clocks jump.
func (s *Strike) freeze(ctx context.Context, kind world.Kind) (string, error) {
	service, err := s.service(kind)
	if err != nil {
		return "", err
	}
	pid := service.PID()
	if err := service.Signal(syscall.SIGSTOP); err != nil {
		return "", err //nolint:wrapcheck // says which process
	}
	pause(ctx, s.Hold)
	if service.PID() != pid {
		return "", fmt.Errorf("%s was started anew meanwhile", service.Name)
	}
	return fmt.Sprintf("process %d stood still", pid), service.Signal(syscall.SIGCONT) //nolint:wrapcheck // says which process
}

// untilClaimed is longer than what counts as dead: 30 s, looked for every 5 s.
const untilClaimed = 37 * time.Second

// freezeUntilClaimed stops a replica of persistence with entries in hand until others have stored them: when it goes on,
// it stores them once more.
func freezeUntilClaimed(ctx context.Context, s *Strike) (string, error) {
	service, err := s.service(world.Persistence)
	if err != nil {
		return "", err
	}
	reached, err := s.reach(ctx, service, "read", "stop")
	if err != nil || !reached {
		return "", err
	}
	before, err1 := s.World.PendingOf(ctx, service.Replica())
	pause(ctx, s.Hold)
	after, err2 := s.World.PendingOf(ctx, service.Replica())
	err = errors.Join(err1, err2, service.Signal(syscall.SIGCONT))
	return effect(int(before-after), "%d of %d entries were claimed from %s", before-after, before, service.Name), err
}

// rolling restarts every replica of ingest and persistence in order, one at a time, as a rollout does.
func rolling(ctx context.Context, s *Strike) (string, error) {
	restarted := 0
	for _, service := range s.World.Running(world.Ingest, world.Persistence) {
		if !s.take(service.Name) {
			continue
		}
		err := service.Terminate(ctx)
		if err == nil {
			err = s.ready(ctx, service)
		}
		s.release()
		if err != nil {
			return "", err //nolint:wrapcheck // says which
		}
		restarted++
	}
	if restarted == 0 {
		return "", errNobody
	}
	return fmt.Sprintf("%d restarted", restarted), nil
}

// takeEvery is how often a target is asked for that another strike has.
const takeEvery = 20 * time.Millisecond

// scale adds the spare replicas of persistence for a while.
func scale(ctx context.Context, s *Strike) (string, error) {
	if !s.take("replicas of persistence") {
		return "", errNobody
	}
	before := len(s.World.Running(world.Persistence))
	var spares []*world.Service
	for _, one := range s.World.Of(world.Persistence) {
		if !one.Running() {
			spares = append(spares, one)
		}
	}
	for _, one := range spares {
		if err := one.Start(); err != nil {
			return "", err //nolint:wrapcheck // says which
		}
	}
	during := len(s.World.Running(world.Persistence))
	pause(ctx, s.Hold)
	for _, one := range spares {
		for !s.take(one.Name) && pause(ctx, takeEvery) { // a second SIGTERM would end it at once
			continue
		}
		if err := one.Stop(ctx); err != nil {
			return "", err //nolint:wrapcheck // says which
		}
	}
	if during == before {
		return "", nil
	}
	return fmt.Sprintf("%d replicas instead of %d", during, before), nil
}

// rename kills a replica of persistence, with entries in hand, and has it come again under a name that no consumer ever
// had: what it leaves is nobody's until somebody claims it.
func rename(ctx context.Context, s *Strike) (string, error) {
	service, err := s.service(world.Persistence)
	if err != nil {
		return "", err
	}
	before := service.Replica()
	after := fmt.Sprintf("%s-%d", service.Name, service.Starts())
	if _, err := s.reach(ctx, service, "read", "stop"); err != nil { // with entries in hand
		return "", err
	}
	if err := service.Rename(after); err != nil {
		return "", err //nolint:wrapcheck // says which process
	}
	left, err := s.World.PendingOf(ctx, before)
	if err != nil {
		return "", err //nolint:wrapcheck // says what
	}
	return effect(int(left), "%s is now %s, and left %d entries", before, after, left), s.ready(ctx, service)
}
