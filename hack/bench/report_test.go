package main

import (
	"strings"
	"testing"
	"time"
)

func TestMedians(t *testing.T) {
	t.Parallel()
	r := &report{IdleIngestMiB: 20, Machine: machine{Rounds: 3, Duration: 10 * time.Second}}
	for round, cpu := range []float64{30, 10, 20} {
		for _, name := range targetOrder {
			r.add(stageReport{results: []result{{
				Target: name, Batch: 1, Round: round + 1, TotalCPU: cpu, EventsPerSecond: 1000 * cpu,
				CPU: map[string]float64{serviceIngest: cpu}, Peak: map[string]float64{serviceIngest: cpu},
			}}, freshness: &freshness{Rate: 500, P50: 1, P99: 100 * cpu, Samples: 5}})
		}
	}
	r.summarize([]int{1})
	m, ok := r.find(targetStored, 1)
	if !ok || m.TotalCPU != 20 || m.CPU[serviceIngest] != 20 || m.Peak[serviceIngest] != 30 {
		t.Errorf("got %+v", m)
	}
	if r.Freshness.P99 != 2000 || r.Freshness.Samples != uint64(3*5*len(targetOrder)) {
		t.Errorf("freshness %+v", r.Freshness)
	}
	page := r.markdown()
	for _, want := range []string{
		"medians of 3 rounds", "## Batch 1", "20.0 [10.0–30.0]", "TheEye accepted : decode + XADD",
		"TheEye accepted, schemas on : TheEye accepted",
		"≤ 1,000 ms", "2,000 ms", "**no**", "20,000",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

func TestTableIsAligned(t *testing.T) {
	t.Parallel()
	table := table{head: []string{"target", "µs"}}
	table.add("a", "1,000")
	table.add("longer name", "–")
	want := "" +
		"| target      |    µs |\n" +
		"|-------------|------:|\n" +
		"| a           | 1,000 |\n" +
		"| longer name |     – |\n"
	if got := table.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]string{0: "0", 999.4: "999", 1234567: "1,234,567", -1000: "-1,000", 999999.6: "1,000,000"} {
		if got := thousands(f); got != want {
			t.Errorf("thousands(%v) is %s, want %s", f, got, want)
		}
	}
	for f, want := range map[float64]string{0.171: "0.17", 12.34: "12.3", 123.4: "123", 12345: "12,345"} {
		if got := short(f); got != want {
			t.Errorf("short(%v) is %s, want %s", f, got, want)
		}
	}
	if got := fileName(targetStored); got != "theeye-stored" {
		t.Error(got)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	c, err := parseFlags([]string{"-short", "-batches=1,10"})
	if err != nil || c.rounds != 1 || c.duration != 2*time.Second || len(c.batches) != 2 || c.batches[1] != 10 {
		t.Errorf("got %+v, %v", c, err)
	}
	for _, bad := range []string{"-rounds=0", "-batches=0", "-batches=x", "-duration=-1s", "-fresh-rate=0", "argument"} {
		if _, err := parseFlags([]string{bad}); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
