package main

import (
	"strings"
	"testing"
)

func quietPhase() *phase { return &phase{API: newAsked()} }

func TestVerdict(t *testing.T) {
	t.Parallel()
	const applications = 70
	for name, c := range map[string]struct {
		change func(*report)
		says   string
		missed bool // a row says so
	}{
		"all well":              {func(*report) {}, "", false},
		"reads are no fault":    {func(r *report) { r.Idle.API.Requests["get secrets"] = 3 }, "", false},
		"a missed goal is none": {func(r *report) { r.Cold.Seconds, r.Cold.PeakMiB = 61, 200 }, "", true},
		"a Secret too few":      {func(r *report) { r.Secrets-- }, "69 Secrets for 70 Applications", false},
		"a candidate left":      {func(r *report) { r.Candidates++ }, "1 candidate", false},
		"a write when idle":     {func(r *report) { r.Idle.API.Requests["patch applications/status"] = 6 }, "6 writes to the API server while nothing changed", true},
		"a write at a restart":  {func(r *report) { r.Restart.API.Requests["create events"] = 1 }, "1 writes to the API server after a restart", true},
	} {
		r := &report{Applications: 50, Secrets: applications, Cold: quietPhase(), Idle: quietPhase(), Restart: quietPhase(), Changes: []float64{.2, .1, .3}}
		c.change(r)
		r.judge(applications)
		err := r.verdict()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		page := r.markdown()
		for says, want := range map[string]bool{
			c.says: true, "median | 0.20 s": true, "of 3 | 0.30 s | ≤ 5 s | yes": true, "**no**": c.missed,
		} {
			if strings.Contains(page, says) != want {
				t.Errorf("%s: %q in the page: %t\n%s", name, says, !want, page)
			}
		}
	}
}
