package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/build"
	"github.com/theeye-dev/theeye/hack/chaos/checker"
	"github.com/theeye-dev/theeye/hack/chaos/rig"
)

// run runs all seeds.
func (c *config) run(ctx context.Context) error {
	dir, err := c.workplace()
	if err != nil {
		return err
	}
	binaries := filepath.Join(dir, "bin")
	say("building the services into %s", binaries)
	if err := build.Services(ctx, build.Options{Dir: binaries, Race: c.race}); err != nil {
		return err //nolint:wrapcheck // says what
	}
	total := &summary{evidence: checker.Evidence{}}
	for i, seed := range c.seeds {
		begin := time.Now()
		say("seed %d (%d of %d)", seed, i+1, len(c.seeds))
		run := c.rig(seed, filepath.Join(dir, fmt.Sprintf("seed-%d", seed)), binaries, progress(begin))
		result, err := rig.Run(ctx, run)
		if err != nil {
			return fmt.Errorf("seed %d: %w; its files are in %s", seed, err, run.Dir)
		}
		total.add(seed, run.Dir, c, result)
		if len(result.Findings) == 0 && !c.keep {
			if err := os.RemoveAll(run.Dir); err != nil {
				return fmt.Errorf("remove files of seed %d: %w", seed, err)
			}
		}
	}
	return errors.Join(total.verdict(c), c.clear(dir, total))
}

func (c *config) rig(seed uint64, dir, binaries string, say func(string, ...any)) rig.Config {
	return rig.Config{
		Seed: seed, Duration: c.duration, Dir: dir, Binaries: binaries, Faults: c.faults, Clients: c.clients,
		Ingests: c.ingests, Persistences: c.persistences, Cluster: c.cluster, Replicas: c.replicas(), Say: say,
	}
}

// replicas of Redis that must have an event before it is accepted: as is documented for a cluster.
func (c *config) replicas() int {
	if c.cluster && !c.unreplicated {
		return 1
	}
	return 0
}

// workplace makes the directory of all runs.
func (c *config) workplace() (string, error) {
	if c.dir == "" {
		dir, err := os.MkdirTemp("", "theeye-chaos-")
		if err != nil {
			return "", fmt.Errorf("make directory: %w", err)
		}
		return dir, os.Chmod(dir, 0o711) //nolint:gosec // PostgreSQL's user has to pass it
	}
	dir, err := filepath.Abs(c.dir)
	if err != nil {
		return "", fmt.Errorf("find directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o711); err != nil { //nolint:gosec // see above
		return "", fmt.Errorf("make directory: %w", err)
	}
	return dir, nil
}

// clear removes what is left when nothing is worth keeping.
func (c *config) clear(dir string, total *summary) error {
	if c.dir != "" || c.keep || total.violations > 0 {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove directory: %w", err)
	}
	return nil
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// progress prints what happens in a run, with the time since its begin.
func progress(begin time.Time) func(string, ...any) {
	return func(format string, args ...any) {
		say("  %5.1f  %s", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
	}
}

// everyFault is how long all runs together must be for every fault to come up in each lane, at the slowest.
func (c *config) everyFault() time.Duration {
	const slowest = 9 * time.Second // a failpoint that is not reached, and a lull
	return time.Duration(len(c.catalogue())) * slowest
}
