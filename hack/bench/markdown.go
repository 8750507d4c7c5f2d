package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// markdown is the whole report as a page.
func (r *report) markdown() string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "# TheEye: what an event costs\n\n")
	fmt.Fprintf(&b, "%s, commit %s. %d cores (%s), %s MiB, Linux %s; %s, Redis %s, PostgreSQL %s.\n", m.Time.Format(time.RFC3339),
		m.Commit, m.Cores, m.CPU, thousands(m.MemoryMiB), m.Kernel, m.Go, m.Redis, m.Postgres)
	fmt.Fprintf(&b, "Durability: %s.\n", m.Durability)
	rounds := "one round"
	if m.Rounds > 1 {
		rounds = fmt.Sprintf("medians of %d rounds", m.Rounds)
	}
	fmt.Fprintf(&b, "Closed loop, %d kept connections, events of %d bytes, at most %s for each target, %s. "+
		"The load generator runs on the same cores and is in no CPU figure. "+
		"Peaks are the most of all rounds, of PostgreSQL its largest process with the shared buffers it touched.\n",
		m.Connections, m.EventBytes, m.Duration, rounds)
	if m.Profiled {
		b.WriteString("**Profiles were taken meanwhile: CPU figures are too high.**\n")
	}
	for _, batch := range r.batches() {
		fmt.Fprintf(&b, "\n## Batch %d\n\n%s\n%s\n%s", batch, r.speedTable(batch), r.cpuTable(batch), r.ratios(batch))
	}
	fmt.Fprintf(&b, "\n## Targets\n\n%s", r.goalTable())
	return b.String()
}

func (r *report) batches() []int {
	var batches []int
	for _, m := range r.Medians {
		if !slices.Contains(batches, m.Batch) {
			batches = append(batches, m.Batch)
		}
	}
	return batches
}

// speedTable has what a client sees. Raw COPY has no requests: its "request" is one COPY.
func (r *report) speedTable(batch int) string {
	t := table{head: []string{"target", "requests/s", "events/s", "p50 ms", "p99 ms"}}
	for _, name := range targetOrder {
		if m, ok := r.find(name, batch); ok {
			label := name
			if name == targetCopy {
				label += fmt.Sprintf(" (%s rows at once)", thousands(copyRows))
			}
			t.add(label, thousands(m.RequestsPerSecond), thousands(m.EventsPerSecond), short(m.P50), short(m.P99))
		}
	}
	return t.String()
}

// cpuTable has what the machine pays: CPU µs per event of every process, and the most memory it had.
func (r *report) cpuTable(batch int) string {
	t := table{head: []string{"CPU µs per event (peak MiB)", "app or ingest", "persistence", "auth", "Redis", "PostgreSQL", "total"}}
	for _, name := range targetOrder {
		m, ok := r.find(name, batch)
		if !ok {
			continue
		}
		row := []string{name}
		app := roleApp
		if _, isEye := m.CPU[serviceIngest]; isEye {
			app = serviceIngest
		}
		for _, role := range []string{app, servicePersistence, serviceAuth, roleRedis, rolePostgres} {
			row = append(row, cpuCell(m, role))
		}
		t.add(append(row, short(m.TotalCPU)+r.spread(name, batch))...)
	}
	return t.String()
}

func cpuCell(m result, role string) string {
	cpu, ok := m.CPU[role]
	if !ok {
		return "–"
	}
	return fmt.Sprintf("%s (%s)", short(cpu), thousands(m.Peak[role]))
}

// spread shows the least and the most total of several rounds.
func (r *report) spread(name string, batch int) string {
	var totals []float64
	for _, one := range r.Rounds {
		if one.Target == name && one.Batch == batch {
			totals = append(totals, one.TotalCPU)
		}
	}
	if len(totals) < 2 { //nolint:mnd // one has no spread
		return ""
	}
	return fmt.Sprintf(" [%s–%s]", short(slices.Min(totals)), short(slices.Max(totals)))
}

// ratios are what stays true on another machine.
func (r *report) ratios(batch int) string {
	t := table{head: []string{"ratio", "CPU per event", "events/s"}}
	for _, pair := range [][2]string{{targetAccepted, targetXadd}, {targetChecked, targetAccepted}, {targetStored, targetCopy}} {
		ours, ok1 := r.find(pair[0], batch)
		theirs, ok2 := r.find(pair[1], batch)
		if ok1 && ok2 {
			t.add(pair[0]+" : "+pair[1], fmt.Sprintf("%.2f", ours.TotalCPU/theirs.TotalCPU),
				fmt.Sprintf("%.2f", ours.EventsPerSecond/theirs.EventsPerSecond))
		}
	}
	return t.String()
}

// Bounds that TheEye set itself.
const (
	storedSingle   = 150.0 // CPU µs per stored event at batch 1
	storedBatch    = 70.0  // at batch 100
	idleBound      = 64.0  // MiB of ingest
	loadedBound    = 256.0 // MiB of ingest
	freshnessBound = 1000.0
)

// goalTable holds the figures against TheEye's own bounds.
func (r *report) goalTable() string {
	t := table{head: []string{"goal", "bound", "measured", "met"}}
	goal := func(name string, bound, measured float64, unit string) {
		met := "yes"
		if measured > bound {
			met = "**no**"
		}
		t.add(name, "≤ "+short(bound)+" "+unit, short(measured)+" "+unit, met)
	}
	peak := 0.0
	for _, batch := range r.batches() {
		accepted, ok := r.find(targetAccepted, batch)
		xadd, ok2 := r.find(targetXadd, batch)
		if ok && ok2 {
			goal(fmt.Sprintf("accepted, batch %d: no more than decode + XADD", batch), xadd.TotalCPU, accepted.TotalCPU, "µs")
		}
		stored, ok := r.find(targetStored, batch)
		if bound, known := map[int]float64{1: storedSingle, 100: storedBatch}[batch]; ok && known {
			goal(fmt.Sprintf("stored, batch %d", batch), bound, stored.TotalCPU, "µs")
		}
		peak = max(peak, accepted.Peak[serviceIngest], stored.Peak[serviceIngest])
	}
	goal("memory of ingest, idle", idleBound, r.IdleIngestMiB, "MiB")
	goal("memory of ingest, loaded", loadedBound, peak, "MiB")
	if f := r.Freshness; f != nil {
		goal(fmt.Sprintf("readable after the 202, p99 (%d ev/s, %s samples; p50 %s ms, longest %s ms)", f.Rate,
			thousands(float64(f.Samples)), short(f.P50), short(f.Max)), freshnessBound, f.P99, "ms")
	}
	return t.String()
}
