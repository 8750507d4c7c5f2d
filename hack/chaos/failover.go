package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/build"
	"github.com/theeye-dev/theeye/hack/chaos/failover"
)

// failOver fails over in one setting after the other, for each seed, and tells what it cost. That a setting loses
// something which must not, and that anything is there twice, is an error.
func (c *config) failOver(ctx context.Context) error {
	if c.failover == "list" {
		for _, s := range failover.Settings() {
			say("%-31s %s", s.Name, s.Why)
		}
		return nil
	}
	settings, err := failover.Choose(c.failover)
	if err != nil {
		return err //nolint:wrapcheck // says what
	}
	dir, err := c.workplace()
	if err != nil {
		return err
	}
	binaries := filepath.Join(dir, "bin")
	if err := build.Services(ctx, build.Options{Dir: binaries, Race: c.race}); err != nil {
		return err //nolint:wrapcheck // says what
	}
	var table []string
	var errs []error
	for _, s := range settings {
		for _, seed := range c.seeds {
			run := c.rig(seed, filepath.Join(dir, fmt.Sprintf("%s-%d", s.Name, seed)), binaries, progress(time.Now()))
			r, err := failover.Run(ctx, run, s)
			if err != nil {
				return fmt.Errorf("seed %d: %w; its files are in %s", seed, err, run.Dir)
			}
			line := fmt.Sprintf("%-31s %4d %12d %6d %10d %7d %6d %11.1f s %8.1f s", s.Name, seed, r.Acknowledged, r.Lost, r.Duplicated, r.Refused, len(r.Others),
				r.Unavailable.Seconds(), r.Recovery.Seconds())
			say("%s", line)
			table = append(table, line)
			if r.Duplicated > 0 || s.Lossless && r.Lost+len(r.Others) > 0 {
				errs = append(errs, fmt.Errorf("%s, seed %d: %d lost, %d duplicated, %v; its files are in %s", s.Name, seed, r.Lost, r.Duplicated, r.Others, run.Dir))
			} else if !c.keep {
				errs = append(errs, os.RemoveAll(run.Dir))
			}
		}
	}
	say("\nsetting                         seed acknowledged   lost duplicated refused others unavailable  recovery\n%s", strings.Join(table, "\n"))
	return errors.Join(errs...)
}
