package persistence

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
)

// TestPlansOfFailures reads the plan of every mix of filters: kinds are found by a few probes, and a page reads as many rows
// of each kind as it shows.
func TestPlansOfFailures(t *testing.T) {
	t.Parallel()
	p := newPlanned(t)
	const limit, occurring = 10, 9 // kinds at most
	for _, application := range []uuid.UUID{uuid.Nil, shop} {
		for _, code := range []string{"", "id.conflict", "field.missing", "none"} {
			for _, stage := range []string{"", "persistence"} {
				for _, state := range []string{"", stateOpen, stateDiscarded} {
					for _, timed := range []bool{false, true} {
						q := Query{Application: application, Code: code, Stage: stage, State: state, Limit: limit}
						if timed {
							q.From, q.To = p.day(2), p.day(4)
						}
						name := fmt.Sprintf("%s %q %q %q %t", application, code, stage, state, timed)
						kinds, err := p.store.failureKinds(t.Context(), &q)
						p.must(err)
						if q.byKind() {
							p.reads(name+", kinds", occurring+2, q.failureKindsSQL)
						}
						if q.byKind() && len(kinds) == 0 {
							continue
						}
						rows := (max(len(kinds), 1) + 1) * (limit + 1)
						for _, newest := range []bool{true, false} {
							p.reads(name, rows, func() (string, []any) { return q.failuresSQL(kinds, failureFields, newest, "") })
						}
					}
				}
			}
		}
	}
	p.reads("one", 1, func() (string, []any) { return oneFailure, []any{uuid.New(), shop} })
}

// reads checks that a question reads so many rows at most.
func (p *planned) reads(what string, rows int, ask func() (string, []any)) {
	p.Helper()
	for kind, explain := range map[string]func(string, []any) plan{"these": p.explain, "any": p.explainAny} {
		if got := explain(ask()); got.rows > rows {
			p.Errorf("%s, for %s arguments: %d rows, want at most %d:\n%s", what, kind, got.rows, rows, got.text)
		}
	}
}
