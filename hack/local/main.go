// Command local runs TheEye on this machine without Kubernetes: private instances of Redis and PostgreSQL and the three
// services on 127.0.0.1, with everything they keep under .local of the repository.
//
// It keeps no record of what it started beyond the pid files that people read. What runs is found in /proc by its
// program and directory, so a lost or stale file changes nothing; what should run follows from .local/env.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const usage = `usage: local up | down | clean

  up     start what is not running, or was built from other sources; try it; leave it running
  down   stop everything, keep the data
  clean  stop everything, remove the data
`

// timeout bounds a whole run: the first one compiles everything, and a long log takes Redis minutes to load.
const timeout = 15 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	err := run(ctx, os.Args[1:])
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "local:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	command := ""
	if len(args) == 1 {
		command = args[0]
	}
	actions := map[string]func(context.Context, *layout) error{"up": up, "down": down, "clean": clean}
	action, found := actions[command]
	switch {
	case command == "-h" || command == "--help":
		fmt.Print(usage)
		return nil
	case !found:
		return fmt.Errorf("%q is none of up, down and clean", args)
	}
	root, err := findRoot()
	if err != nil {
		return err
	}
	l, err := newLayout(root, filepath.Join(root, ".local"))
	if err != nil {
		return err
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return action(ctx, l)
}

// say prints a line of progress.
func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }
