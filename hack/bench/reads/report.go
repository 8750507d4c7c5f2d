package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// report has a row for each question and a column for each size.
type report struct {
	*config
	commit string
	names  []string
	cells  map[string][]string
}

func newReport(c *config, commit string) *report {
	return &report{config: c, commit: commit, cells: map[string][]string{}}
}

func (r *report) add(name string, p50, p99 time.Duration) {
	r.tell(name, fmt.Sprintf("%.1f / %.1f", milliseconds(p50), milliseconds(p99)))
}

// tell writes the next cell of a row.
func (r *report) tell(name, cell string) {
	if _, ok := r.cells[name]; !ok {
		r.names = append(r.names, name)
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", name, cell)
	r.cells[name] = append(r.cells[name], cell)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// markdown is the table.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d samples each, p50 / p99 in ms, over HTTP\n\n| question |", r.commit, r.samples)
	for _, size := range r.sizes {
		fmt.Fprintf(&b, " %d events |", size)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(r.sizes)) + "\n")
	for _, name := range r.names {
		cells := r.cells[name]
		missing := strings.Repeat(" |", len(r.sizes)-len(cells)) // what is measured once is beside the last size
		b.WriteString("| " + name + " |" + missing + " " + strings.Join(cells, " | ") + " |\n")
	}
	return b.String()
}
