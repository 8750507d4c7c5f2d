package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/build"
	"github.com/theeye-dev/theeye/hack/chaos/nemesis"
	"github.com/theeye-dev/theeye/hack/chaos/rig"
)

// plant plants bugs, one after the other, and tells after how many seeds each was caught. One that is not caught within
// its seeds is an error: then the checker, or what is done, is too weak.
func (c *config) plant(ctx context.Context) error {
	if c.bugs == "list" {
		for _, bug := range build.Bugs() {
			say("%-22s %s (%s)", bug.Name, bug.Why, bug.Faults)
		}
		return nil
	}
	bugs, err := chooseBugs(c.bugs)
	if err != nil {
		return err
	}
	dir, err := c.workplace()
	if err != nil {
		return err
	}
	var errs []error
	var table []string
	for _, bug := range bugs {
		seeds, by, err := c.catch(ctx, &bug, filepath.Join(dir, bug.Name))
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), os.RemoveAll(dir))
		}
		if err != nil {
			errs = append(errs, err)
			by = "not caught"
		}
		table = append(table, fmt.Sprintf("%-22s %5d  %s", bug.Name, seeds, by))
	}
	say("\nbug                    seeds  caught as\n%s", strings.Join(table, "\n"))
	return errors.Join(append(errs, os.RemoveAll(dir))...)
}

func chooseBugs(names string) ([]build.Bug, error) {
	if names == "all" {
		return build.Bugs(), nil
	}
	var chosen []build.Bug
	for name := range strings.SplitSeq(names, ",") {
		at := slices.IndexFunc(build.Bugs(), func(b build.Bug) bool { return b.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("there is no bug %q", name)
		}
		chosen = append(chosen, build.Bugs()[at])
	}
	return chosen, nil
}

// catch runs seeds with a bug until something is found. Dir is removed with every run.
func (c *config) catch(ctx context.Context, bug *build.Bug, dir string) (seeds int, by string, err error) {
	say("bug %s: %s", bug.Name, bug.Why)
	binaries := filepath.Join(dir, "bin")
	if err := build.Services(ctx, build.Options{Dir: binaries, Race: c.race, Bug: bug}); err != nil {
		return 0, "", err //nolint:wrapcheck // says what
	}
	faults, err := nemesis.Choose(nemesis.Catalogue(), bug.Faults)
	if err != nil {
		return 0, "", err //nolint:wrapcheck // says what
	}
	for n := range bug.Seeds {
		run := c.rig(c.seeds[0]+uint64(n), filepath.Join(dir, fmt.Sprintf("seed-%d", n)), binaries, progress(time.Now()))
		run.Faults, run.RedisSettings = faults, bug.RedisSettings
		result, err := rig.Run(ctx, run)
		if err != nil {
			return n + 1, "", fmt.Errorf("bug %s: %w", bug.Name, err)
		}
		if len(result.Findings) > 0 {
			say("  caught: %d violations, the first: %s", len(result.Findings), result.Findings[0])
			return n + 1, kinds(result), nil
		}
	}
	return bug.Seeds, "", fmt.Errorf("bug %s was not caught within %d seeds", bug.Name, bug.Seeds)
}

// kinds are the invariants that were violated, and how often.
func kinds(r rig.Result) string {
	var names []string
	times := map[string]int{}
	for _, f := range r.Findings {
		name := string(f.Invariant)
		if times[name]++; times[name] == 1 {
			names = append(names, name)
		}
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%s ×%d", name, times[name])
	}
	return strings.Join(names, ", ")
}
