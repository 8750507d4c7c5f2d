package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/theeye-dev/theeye/hack/servers"
)

const (
	// patience is how long a live process may fail to answer before it counts as hung: longer than any probe's own
	// time-out, and short enough that two of them fit the minute that a repair may take.
	patience = 12 * time.Second
	// startTimeout bounds a start on a busy machine. A server that says that it is still loading gets loadTimeout.
	startTimeout = 60 * time.Second
	loadTimeout  = 10 * time.Minute
	// replaceTimeout is what a process gets to stop before it is replaced, stopTimeout what down gives it: a service
	// drains for up to 15 s.
	replaceTimeout = 8 * time.Second
	stopTimeout    = 25 * time.Second
)

// part is one process of the installation.
type part struct {
	name  string
	find  func() int // its process id, or 0
	stale func(pid int) string
	// alive answers nil when the process answers; the error may wrap servers.ErrStarting.
	alive func(ctx context.Context, pid int) error
	// ready answers nil when a service and all it needs serve; nil for the servers, which are ready when alive.
	ready func(ctx context.Context) error
	start func(ctx context.Context) (pid int, err error)
	stop  syscall.Signal
}

// ensure makes a part run: what is well is left alone, what is dead, hung or outdated is started.
func (l *layout) ensure(ctx context.Context, p part) error {
	pid := p.find()
	if pid != 0 {
		if reason := p.unfit(ctx, pid); reason != "" {
			say("  %-12s process %d %s: replacing it", p.name, pid, reason)
			if err := end(ctx, p.stop, replaceTimeout, pid); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			pid = 0
		}
	}
	if pid == 0 {
		startCtx, cancel := context.WithTimeout(ctx, loadTimeout)
		defer cancel()
		var err error
		if pid, err = p.start(startCtx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		say("  %-12s started, process %d", p.name, pid)
	} else {
		say("  %-12s runs, process %d", p.name, pid)
	}
	return l.writePID(p.name, pid)
}

// unfit says why a live process must be replaced, or "".
func (p part) unfit(ctx context.Context, pid int) string {
	if reason := p.stale(pid); reason != "" {
		return reason
	}
	_ = syscall.Kill(pid, syscall.SIGCONT) // for one that was stopped and forgotten; nothing for any other
	deadline := time.Now().Add(patience)
	err := wait(ctx, patience, func(ctx context.Context) error {
		err := p.alive(ctx, pid)
		if !servers.Running(pid) {
			return nil // ended meanwhile: told below
		}
		return err
	})
	for errors.Is(err, servers.ErrStarting) && time.Now().Before(deadline.Add(loadTimeout)) {
		say("  %-12s process %d is alive and loading its data", p.name, pid)
		err = wait(ctx, patience, func(ctx context.Context) error { return p.alive(ctx, pid) })
	}
	switch {
	case !servers.Running(pid):
		return "ended"
	case err != nil && ctx.Err() == nil:
		return "does not answer"
	default:
		return ""
	}
}

func wait(ctx context.Context, timeout time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return servers.Await(ctx, nil, "", ask)
}

// end stops processes, by force after the time-out: being slow to stop is no failure then.
func end(ctx context.Context, signal syscall.Signal, timeout time.Duration, pids ...int) error {
	stopCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := servers.End(stopCtx, signal, pids...)
	if slices.ContainsFunc(pids, servers.Running) {
		return err
	}
	return nil
}
