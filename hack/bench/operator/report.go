package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/hack/bench/build"
	"github.com/theeye-dev/theeye/hack/bench/proc"
)

// What the operator promises of 2,000 Applications.
const (
	goalSeconds = 60.0
	goalMiB     = 128.0
)

// report is everything that was counted.
type report struct {
	Machine      string    `json:"machine"`
	Applications int       `json:"applications"`
	Cold         *phase    `json:"cold"`
	Idle         *phase    `json:"idle"`
	Restart      *phase    `json:"restart"`
	Changes      []float64 `json:"change_seconds"`
	Secrets      int       `json:"secrets"`
	Candidates   int       `json:"candidate_secrets"`
	Wrong        []string  `json:"wrong,omitempty"` // counts that must not be so
}

func (r *report) describe(ctx context.Context, c *config) {
	r.Machine = fmt.Sprintf("%s, commit %s. %d cores (%s), %.0f MiB, Linux %s; %s. %s idle.",
		c.began.UTC().Format(time.RFC3339), build.Commit(ctx), runtime.NumCPU(), proc.CPUModel(),
		float64(proc.TotalMemory())/(1<<20), proc.Kernel(), runtime.Version(), c.idle)
}

// judge finds the counts that are wrong.
func (r *report) judge(applications int) {
	check := func(ok bool, format string, args ...any) {
		if !ok {
			r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...))
		}
	}
	check(r.Secrets == applications, "%d Secrets for %d Applications", r.Secrets, applications)
	check(r.Candidates == 0, "%d candidate Secrets are left", r.Candidates)
	check(r.Idle.API.writes() == 0, "%d writes to the API server while nothing changed", r.Idle.API.writes())
	check(r.Restart.API.writes() == 0, "%d writes to the API server after a restart", r.Restart.API.writes())
}

// verdict is an error when a count is wrong.
func (r *report) verdict() error {
	if len(r.Wrong) == 0 {
		return nil
	}
	return errors.New(strings.Join(r.Wrong, "; "))
}

// write shows the report as asked.
func (r *report) write(file string) error {
	if file != "-" {
		fmt.Print(r.markdown())
	}
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	text = append(text, '\n')
	if file == "-" {
		_, err = os.Stdout.Write(text)
	} else {
		err = os.WriteFile(file, text, 0o644) //nolint:gosec // for anyone to read
	}
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// markdown is the whole report as a page.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# TheEye: what %d Applications cost\n\n%s\n", r.Applications, r.Machine)
	b.WriteString("The API server, etcd, auth, Redis and PostgreSQL work on the same cores.\n\n")
	b.WriteString("| phase | what | measured | goal | met |\n|---|---|---|---|---|\n")
	r.coldRows(&b)
	r.idleRows(&b)
	r.restartRows(&b)
	slices.Sort(r.Changes)
	line(&b, "change", "from create to Secret, median", seconds(r.Changes[len(r.Changes)/2]), "", true)
	line(&b, "change", fmt.Sprintf("the longest of %d", len(r.Changes)), seconds(r.Changes[len(r.Changes)-1]), "≤ 5 s",
		r.Changes[len(r.Changes)-1] <= 5)
	b.WriteString("\n## Requests of the operator\n\n| to | what | cold | idle | restart |\n|---|---|---|---|---|\n")
	r.requestRows(&b)
	for _, wrong := range r.Wrong {
		fmt.Fprintf(&b, "\n**Wrong: %s.**\n", wrong)
	}
	return b.String()
}

func (r *report) coldRows(b *strings.Builder) {
	p := r.Cold
	line(b, "cold", "from the operator's start until all are Ready", seconds(p.Seconds), bound(goalSeconds, "s"), p.Seconds < goalSeconds)
	line(b, "cold", "peak memory of the operator", mebibytes(p.PeakMiB), bound(goalMiB, "MiB"), p.PeakMiB < goalMiB)
	line(b, "cold", "CPU time of the operator", seconds(p.CPU), "", true)
	line(b, "cold", "requests to the API server", r.each(p.API.Requests.total()), "", true)
	line(b, "cold", "of them refused", fmt.Sprint(p.API.Refused.total()), "", true)
	line(b, "cold", "requests to auth", r.each(p.Auth.total()), "", true)
}

func (r *report) idleRows(b *strings.Builder) {
	p := r.Idle
	none := func(what string, n int) { line(b, "idle", what, fmt.Sprint(n), "0", n == 0) }
	line(b, "idle", "requests to the API server, besides watches and leases", fmt.Sprint(p.API.Requests.total()), "next to none", true)
	none("writes to the API server", p.API.writes())
	none("of them to status", p.API.Requests["patch applications/status"])
	line(b, "idle", "watches begun, requests for the lease", fmt.Sprintf("%d, %d", p.API.Watches, p.API.Leases), "", true)
	line(b, "idle", "requests to auth", fmt.Sprint(p.Auth.total()), "next to none", true)
	line(b, "idle", "requests to persistence", fmt.Sprint(p.Persistence.total()), "", true)
	line(b, "idle", "CPU time of the operator", fmt.Sprintf("%s in %s", seconds(p.CPU), seconds(p.Seconds)), "", true)
}

func (r *report) restartRows(b *strings.Builder) {
	p := r.Restart
	line(b, "restart", "from the start until all were looked at", seconds(p.Seconds), "", true)
	line(b, "restart", "of that, until the lease of the killed one ended", seconds(p.Leading), "", true)
	line(b, "restart", "peak memory of the operator", mebibytes(p.PeakMiB), bound(goalMiB, "MiB"), p.PeakMiB < goalMiB)
	line(b, "restart", "CPU time of the operator", seconds(p.CPU), "", true)
	line(b, "restart", "requests to the API server, besides watches and leases", fmt.Sprint(p.API.Requests.total()), "", true)
	line(b, "restart", "writes to the API server", fmt.Sprint(p.API.writes()), "0", p.API.writes() == 0)
	line(b, "restart", "requests to auth", r.each(p.Auth.total()), "", true)
}

// requestRows say exactly what was asked.
func (r *report) requestRows(b *strings.Builder) {
	phases := []*phase{r.Cold, r.Idle, r.Restart}
	for _, kind := range []struct {
		to string
		of func(*phase) requests
	}{
		{"API server", func(p *phase) requests { return p.API.Requests }},
		{"API server, refused", func(p *phase) requests { return p.API.Refused }},
		{"API server, by auth and persistence", (*phase).reviews},
		{"auth", func(p *phase) requests { return p.Auth }},
		{"persistence", func(p *phase) requests { return p.Persistence }},
	} {
		var names []string
		for _, p := range phases {
			for what := range kind.of(p) {
				names = append(names, what)
			}
		}
		slices.Sort(names)
		for _, what := range slices.Compact(names) {
			fmt.Fprintf(b, "| %s | %s |", kind.to, what)
			for _, p := range phases {
				fmt.Fprintf(b, " %d |", kind.of(p)[what])
			}
			b.WriteString("\n")
		}
	}
}

// reviews are what auth and persistence asked of the API server because of the operator's requests.
func (p *phase) reviews() requests {
	all := newAsked()
	for _, a := range p.Reviews {
		all.add(a)
	}
	return all.Requests
}

func (r *report) each(n int) string {
	return fmt.Sprintf("%d (%.2f for each)", n, float64(n)/float64(r.Applications))
}

func seconds(s float64) string { return fmt.Sprintf("%.2f s", s) }

func mebibytes(m float64) string { return fmt.Sprintf("%.0f MiB", m) }

func bound(limit float64, unit string) string { return fmt.Sprintf("< %.0f %s", limit, unit) }

// line is a row of the table; a figure without a goal is neither met nor missed.
func line(b *strings.Builder, phase, what, measured, goal string, met bool) {
	verdict := "yes"
	switch {
	case goal == "" || goal == "next to none":
		verdict = ""
	case !met:
		verdict = "**no**"
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", phase, what, measured, goal, verdict)
}
