package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/hack/bench/flood/attack"
)

// report is what one run found.
type report struct {
	config              *config
	quiet, flood, after phase
	tally               attack.Tally
	peak                int64 // bytes
	accepted            int
	stored, hostile     count
}

// quantile of sorted times, in milliseconds.
func (p phase) quantile(q float64) float64 {
	return float64(p.took[min(len(p.took)-1, int(q*float64(len(p.took))))]) / float64(time.Millisecond)
}

func (r *report) markdown() string {
	var b strings.Builder
	c := r.config
	fmt.Fprintf(&b, "Seed %d; %d good clients, %g requests/s each, one event a request; %g hostile requests/s of each kind, "+
		"%d idle and %d slow connections, %g of each kind opened a second; %s a phase.\n\n", c.plan.Seed, c.clients, c.rate, c.plan.PerSecond, c.plan.Idle, 2*c.plan.Slow, c.plan.Connects, c.duration)
	b.WriteString("| good clients | requests | refused | unanswered | p50 ms | p99 ms | longest ms |\n|---|---:|---:|---:|---:|---:|---:|\n")
	for _, row := range []struct {
		name string
		phase
	}{{"quiet", r.quiet}, {"under flood", r.flood}, {"quiet again", r.after}} {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %.1f | %.1f | %.1f |\n", row.name, len(row.took), row.refused, row.unanswered,
			row.quantile(.5), row.quantile(.99), row.quantile(1))
	}
	fmt.Fprintf(&b, "\n| figure | measured | bound |\n|---|---:|---:|\n")
	fmt.Fprintf(&b, "| p99 under flood : quiet, before and after | %.2f | 2.00 |\n", r.ratio())
	fmt.Fprintf(&b, "| peak memory of ingest, MiB | %d | %d |\n", r.peak>>20, c.bound)
	fmt.Fprintf(&b, "| events of good clients stored | %d | %d |\n", r.stored.ids, r.accepted)
	fmt.Fprintf(&b, "| stored twice | %d | 0 |\n", r.stored.rows-r.stored.ids)
	fmt.Fprintf(&b, "| events of hostile clients stored | %d | 0 |\n", r.hostile.rows)
	b.WriteString("\n| hostile | answers |\n|---|---|\n")
	for _, kind := range slices.Sorted(maps.Keys(r.tally)) {
		var outcomes []string
		for _, outcome := range slices.Sorted(maps.Keys(r.tally[kind])) {
			outcomes = append(outcomes, fmt.Sprintf("%s: %d", outcome, r.tally[kind][outcome]))
		}
		fmt.Fprintf(&b, "| %s | %s |\n", kind, strings.Join(outcomes, ", "))
	}
	return b.String()
}

// ratio is how many times as long as in both quiet phases one of a hundred requests takes under flood.
func (r *report) ratio() float64 {
	quiet := phase{took: slices.Concat(r.quiet.took, r.after.took)}
	slices.Sort(quiet.took)
	return r.flood.quantile(.99) / quiet.quantile(.99)
}

// verdict is on what must hold on any machine.
func (r *report) verdict() error {
	var errs []error
	if r.peak > r.config.bound<<20 {
		errs = append(errs, errors.New("ingest had more memory than its bound"))
	}
	// A post whose answer was lost may have been stored, and its repeat is counted.
	if r.stored.rows != r.stored.ids || r.stored.ids != r.accepted || r.hostile.rows != 0 {
		errs = append(errs, errors.New("what is stored is not what was accepted"))
	}
	return errors.Join(errs...)
}
