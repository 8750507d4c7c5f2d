package checker

import (
	"cmp"
	"maps"
	"slices"
)

// order reads every session as the service does, by (occurred_at, sequence), and expects the order in which its client
// sent it. The client said when: what several replicas say can cross.
func (c *check) order() {
	numbers := map[key]place{}
	for k, sent := range c.sent {
		for _, a := range sent.all {
			if a.item.Session != "" {
				numbers[k] = place{a.item.Session, a.item.N}
			}
		}
	}
	sessions := map[string][]Event{}
	for _, row := range c.store.Events {
		if p, ok := numbers[key{row.Application, row.ID}]; ok && p.session == row.Session { // else another content won
			sessions[p.session] = append(sessions[p.session], row)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sessions)) {
		rows := sessions[name]
		slices.SortFunc(rows, func(a, b Event) int {
			return cmp.Or(a.OccurredAt.Compare(b.OccurredAt), cmp.Compare(a.Sequence, b.Sequence))
		})
		last := -1
		for _, row := range rows {
			n := numbers[key{row.Application, row.ID}].n
			if n < last {
				c.find(Order, "session %s reads %d after %d", name, n, last)
			}
			last = n
		}
	}
}

// place is an event's place in what its client did.
type place struct {
	session string
	n       int
}
