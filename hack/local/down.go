package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/theeye-dev/theeye/hack/servers"
)

// down stops everything in the reverse order of the start, and then what a crash left behind.
func down(ctx context.Context, l *layout) error {
	say("stopping")
	for _, name := range slices.Backward(serviceNames) {
		if err := l.stop(ctx, name, syscall.SIGTERM, servers.Executing(l.binary(name))...); err != nil {
			return err
		}
	}
	if err := l.stop(ctx, "postgres", syscall.SIGINT, running(servers.PostgresPID(l.postgres))...); err != nil {
		return err
	}
	if err := servers.EndPostgresOrphans(ctx, l.postgres); err != nil {
		return err
	}
	return l.stop(ctx, "redis", syscall.SIGTERM, running(servers.RedisPID(l.path("redis")))...)
}

func running(pid int) []int {
	if pid == 0 {
		return nil
	}
	return []int{pid}
}

func (l *layout) stop(ctx context.Context, name string, signal syscall.Signal, pids ...int) error {
	if len(pids) > 0 {
		if err := end(ctx, signal, stopTimeout, pids...); err != nil {
			return fmt.Errorf("stop %s: %w", name, err)
		}
		say("  %-12s stopped, process %d", name, pids[0])
	}
	if err := os.Remove(l.pidFile(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove pid file: %w", err)
	}
	return nil
}

// clean stops everything and removes all that was kept.
func clean(ctx context.Context, l *layout) error {
	if err := down(ctx, l); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(l.postgres), os.RemoveAll(l.local)); err != nil {
		return fmt.Errorf("remove data: %w", err)
	}
	say("removed %s", l.local)
	return nil
}
