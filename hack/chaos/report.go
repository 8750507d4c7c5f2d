package main

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/checker"
	"github.com/theeye-dev/theeye/hack/chaos/nemesis"
	"github.com/theeye-dev/theeye/hack/chaos/rig"
)

// summary is what all runs together have shown.
type summary struct {
	runs, violations int
	evidence         checker.Evidence
	slowest          time.Duration // recovery
}

// shown is how many violations of a run are printed; the others are in its files.
const shown = 10

func (s *summary) add(seed uint64, dir string, c *config, r rig.Result) {
	s.runs++
	s.violations += len(r.Findings)
	s.evidence.Add(r.Evidence)
	s.slowest = max(s.slowest, r.Recovery)
	say("seed %d: %d events acknowledged, %d requests in doubt, %d entries delivered again, %d claimed, %d conflicts, at rest after %.1f s: %d violations",
		seed, r.Evidence[checker.Acknowledged], r.Evidence[checker.InDoubt], r.Evidence[checker.Redelivered],
		r.Evidence[checker.Claimed], r.Evidence[checker.Conflicts], r.Recovery.Seconds(), len(r.Findings))
	for i, f := range r.Findings {
		if i == shown {
			say("  … and %d more", len(r.Findings)-shown)
			break
		}
		say("  %s", f)
	}
	if len(r.Findings) > 0 {
		say("  history, store and logs: %s\n  judge again: make chaos ARGS='-check %s'\n  replay: %s", dir, dir, c.command(seed))
	}
}

// command repeats one seed.
func (c *config) command(seed uint64) string {
	var args []string
	if c.race {
		args = append(args, "-race")
	}
	if c.cluster {
		args = append(args, "-cluster")
	}
	if c.unreplicated {
		args = append(args, "-unreplicated")
	}
	command := fmt.Sprintf("make chaos SEEDS=%d DURATION=%s", seed, c.duration)
	if len(args) > 0 {
		command += fmt.Sprintf(" ARGS='%s'", strings.Join(args, " "))
	}
	return command
}

// verdict prints the figures and tells what is wrong.
func (s *summary) verdict(c *config) error {
	faults, took := s.evidence.Struck()
	var strikes int64
	say("\nfault                     struck  took effect")
	for _, name := range faults {
		n := s.evidence["struck: "+name]
		strikes += n
		say("%-24s %7d %12d", name, n, took[name])
	}
	kills := s.kills(took)
	say("\n%d runs of %s: %d faults (%d kills), %d events acknowledged, %d requests in doubt, %d duplicates recognised, %d conflicts reported, slowest recovery %.1f s: %d violations",
		s.runs, c.duration, strikes, kills, s.evidence[checker.Acknowledged], s.evidence[checker.InDoubt],
		s.evidence[checker.Duplicates], s.evidence[checker.Conflicts], s.slowest.Seconds(), s.violations)
	if kills > 0 && s.violations == 0 {
		// No loss in n tries: with 95 % confidence less than 3/n (the rule of three).
		say("a kill loses something with a probability below %.2g %% (95 %% confidence)", math.Min(100, 300/float64(kills)))
	}
	var errs []error
	if s.violations > 0 {
		errs = append(errs, fmt.Errorf("%d violations", s.violations))
	}
	if vacuous := s.evidence.Vacuous(c.wanted()); len(vacuous) > 0 {
		errs = append(errs, fmt.Errorf("too little was tried: none of %q", vacuous))
	}
	return errors.Join(errs...)
}

// wanted are the faults that have to have come up: all, when there was time for all.
func (c *config) wanted() []string {
	if !c.all || time.Duration(len(c.seeds))*c.duration < c.everyFault() {
		return nil
	}
	return nemesis.Possible(c.catalogue(), c.duration)
}

// kills is how often a process was ended by SIGKILL.
func (s *summary) kills(took map[string]int64) (n int64) {
	for _, name := range nemesis.Kills() {
		n += took[name]
	}
	return n
}
