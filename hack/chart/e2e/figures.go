package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/hack/chart/e2e/load"
)

// figures is what the suite measures on its way, for people to read.
type figures struct {
	ready  time.Duration // from helm install to all pods Ready
	idle   map[string]uint64
	loaded map[string]uint64 // the highest of each pod
	sizes  map[string]int64
	runs   []load.Report
	steps  []took
	total  int // events counted at the end
}

type took struct {
	name string
	time time.Duration
}

func newFigures() figures { return figures{loaded: map[string]uint64{}, sizes: map[string]int64{}} }

func (f *figures) step(name string, t time.Duration) { f.steps = append(f.steps, took{name, t}) }
func (f *figures) run(r load.Report)                 { f.runs = append(f.runs, r) }

func (f *figures) peak(memory map[string]uint64) {
	for pod, bytes := range memory {
		f.loaded[pod] = max(f.loaded[pod], bytes)
	}
}

// report is all of it as Markdown; "" when there is nothing to tell.
func (s *suite) report() string {
	f := s.figures
	if len(f.runs) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "From `helm install` with no values to all pods Ready: %.1f s.\n\n", f.ready.Seconds())
	f.writeMemory(&b)
	f.writeSizes(&b)
	f.writeRuns(&b)
	fmt.Fprint(&b, "| step | seconds |\n|---|---|\n")
	for _, step := range f.steps {
		fmt.Fprintf(&b, "| %s | %.1f |\n", step.name, step.time.Seconds())
	}
	return b.String()
}

func (f *figures) writeMemory(b *strings.Builder) {
	const mebibyte = 1 << 20
	fmt.Fprint(b, "| pod | memory idle, MiB | at most under 2,000 events/s, MiB |\n|---|---|---|\n")
	for _, pod := range slices.Sorted(maps.Keys(f.loaded)) {
		fmt.Fprintf(b, "| %s | %.1f | %.1f |\n", pod, float64(f.idle[pod])/mebibyte, float64(f.loaded[pod])/mebibyte)
	}
}

func (f *figures) writeSizes(b *strings.Builder) {
	const megabyte = 1e6
	fmt.Fprint(b, "\n| image | compressed, MB |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(f.sizes)) {
		fmt.Fprintf(b, "| %s | %.1f |\n", name, float64(f.sizes[name])/megabyte)
	}
}

func (f *figures) writeRuns(b *strings.Builder) {
	fmt.Fprint(b, "\n| under load | sent | lost | twice | answers and broken connections, in requests | unknown outcomes, settled | longest pause, s | p50, p99 ms |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range f.runs {
		fmt.Fprintf(b, "| %s | %d | %d | %d | %s | %d, %d | %.1f | %.1f, %.1f |\n", r.Run, r.Sent, r.Readback.Missing, r.Readback.Duplicated,
			counts(r.Progress), r.Unknown, r.Settled, r.Gap/1000, r.P50, r.P99)
	}
	fmt.Fprintln(b)
}
