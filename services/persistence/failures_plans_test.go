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
	for _, of := range []Scope{{All: true}, {Application: shop}, {Among: []uuid.UUID{shop, blog}}} {
		for _, code := range []string{"", "id.conflict", "field.missing", "none"} {
			for _, stage := range []string{"", "persistence"} {
				for _, state := range []string{"", stateOpen, stateDiscarded} {
					for _, timed := range []bool{false, true} {
						q := Query{Code: code, Stage: stage, State: state, Limit: limit}
						q.within(of)
						parts := max(len(of.Among), 1)
						if timed {
							q.From, q.To = p.day(2), p.day(4)
						}
						name := fmt.Sprintf("%v %q %q %q %t", of, code, stage, state, timed)
						kinds, err := p.store.failureKinds(t.Context(), &q)
						p.must(err)
						if q.byKind() {
							p.reads(name+", kinds", parts*(occurring+2), q.failureKindsSQL)
						}
						if q.byKind() && len(kinds) == 0 {
							continue
						}
						rows := (max(len(kinds), parts) + 1) * (limit + 1)
						for _, newest := range []bool{true, false} {
							p.reads(name, rows, func() (string, []any) { return q.failuresSQL(kinds, failureFields, newest, "") })
						}
					}
				}
			}
		}
	}
	p.reads("one", 1, func() (string, []any) {
		c := failureQuestion{id: uuid.New(), scope: Scope{Application: shop}}.conditions()
		return oneFailure + c.String(), c.args
	})
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
