package checker_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/hack/chaos/checker"
	"github.com/theeye-dev/theeye/hack/chaos/history"
)

func TestEvidenceOf(t *testing.T) {
	t.Parallel()
	w := newWorld()
	sound(w)
	w.history.Add(history.Line{Fault: &history.Fault{Name: "kill", Effect: "killed"}})
	w.history.Add(history.Line{Fault: &history.Fault{Name: "kill", Error: "nobody there"}})
	want := checker.Evidence{
		string(history.New): 11, string(history.Forged): 1, checker.Acknowledged: 6, checker.RejectedEvents: 2, checker.InDoubt: 3,
		checker.Conflicts: 1, checker.Duplicates: 1, checker.Rotations: 1, "struck: kill": 2, "took effect: kill": 1,
	}
	if diff := cmp.Diff(want, checker.EvidenceOf(w.history, w.store)); diff != "" {
		t.Error(diff)
	}
}

func TestVacuous(t *testing.T) {
	t.Parallel()
	full := checker.Evidence{"struck: kill": 3, "took effect: kill": 1}
	for _, name := range []string{
		checker.Acknowledged, checker.RejectedEvents, checker.Conflicts, checker.Duplicates, checker.InDoubt, checker.Redelivered,
		checker.Rotations, string(history.AfterAck), string(history.AfterDoubt), string(history.AtOnce), string(history.Conflicting),
		string(history.Hostile), string(history.Forged),
	} {
		full[name] = 1
	}
	quiet := maps.Clone(full)
	for _, name := range []string{"struck: kill", "took effect: kill", checker.InDoubt, checker.Redelivered, checker.Rotations, string(history.AfterDoubt)} {
		delete(quiet, name)
	}
	with := func(change checker.Evidence) checker.Evidence {
		e := maps.Clone(full)
		maps.Copy(e, change)
		return e
	}
	for name, c := range map[string]struct {
		evidence checker.Evidence
		wanted   []string
		missing  []string
	}{
		"full":             {full, []string{"kill"}, nil},
		"without faults":   {quiet, nil, nil},
		"nothing":          {checker.Evidence{}, nil, []string{checker.Conflicts, checker.Duplicates, checker.Acknowledged, checker.RejectedEvents, string(history.Hostile), string(history.AfterAck), string(history.AtOnce), string(history.Conflicting), string(history.Forged)}},
		"fault not struck": {full, []string{"freeze", "kill"}, []string{"took effect: freeze"}},
		"no effect":        {with(checker.Evidence{"took effect: kill": 0}), nil, []string{"took effect: kill"}},
		"no effect twice":  {with(checker.Evidence{"took effect: kill": 0, "struck: kill": 2}), nil, nil},
		"nothing claimed":  {with(checker.Evidence{"took effect: rename-consumer": 3}), nil, []string{checker.Claimed}},
		"no redelivery":    {with(checker.Evidence{checker.Redelivered: 0}), nil, []string{checker.Redelivered}},
		"no doubt":         {with(checker.Evidence{checker.InDoubt: 0}), nil, []string{checker.InDoubt}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := c.evidence.Vacuous(c.wanted)
			slices.Sort(c.missing)
			if diff := cmp.Diff(c.missing, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
