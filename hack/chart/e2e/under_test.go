package main

import (
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/hack/chart/e2e/load"
)

// sound is a run as it should end.
func sound() load.Report {
	return load.Report{
		Progress: load.Progress{Sent: 12, Acked: 10, Refused: 2, Statuses: map[string]int{"202": 10, "503": 3, "403": 2}, Errors: map[string]int{}},
		Readback: load.Readback{Read: 10},
	}
}

func TestJudge(t *testing.T) {
	tests := map[string]struct {
		spoil func(*load.Report)
		says  string
	}{
		"sound":            {func(*load.Report) {}, ""},
		"lost":             {func(r *load.Report) { r.Readback.Missing, r.Readback.Read = 1, 9 }, "Missing:1"},
		"twice":            {func(r *load.Report) { r.Readback.Duplicated = 1 }, "Duplicated:1"},
		"another's":        {func(r *load.Report) { r.Readback.Foreign = 1 }, "Foreign:1"},
		"refused and kept": {func(r *load.Report) { r.Readback.Refused = 1 }, "Refused:1"},
		"miscounted":       {func(r *load.Report) { r.Readback.Miscounted = -1 }, "Miscounted:-1"},
		"500":              {func(r *load.Report) { r.Statuses["500"] = 1 }, "1 requests were answered 500"},
		"401":              {func(r *load.Report) { r.Statuses["401"] = 4 }, "4 requests were answered 401"},
		"never answered":   {func(r *load.Report) { r.Pending = 1 }, "1 events never got"},
		"rejected":         {func(r *load.Report) { r.Rejected = 1 }, "1 good events"},
		"more than sent":   {func(r *load.Report) { r.Readback.Read = 11 }, "10 events were accepted, and 11"},
		"maybe stored":     {func(r *load.Report) { r.Readback.Read, r.Readback.Unacked = 11, 1 }, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			report := sound()
			test.spoil(&report)
			err := judge(report, []string{"202", "503", "403"})
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want: %q", err, test.says)
			}
		})
	}
}

func TestConnections(t *testing.T) {
	report := sound()
	if err := connections(report); err != nil {
		t.Error(err)
	}
	report.Errors["reset"] = 1
	if err := connections(report); err == nil || !strings.Contains(err.Error(), "connection reset: 1") {
		t.Error(err)
	}
}
