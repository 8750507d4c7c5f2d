package checker

import (
	"maps"
	"slices"
	"strings"
)

// events holds every row against what was sent.
func (c *check) events() {
	c.rows = map[key][]Event{}
	elsewhere := map[string][]string{} // applications by id
	for k := range c.sent {
		elsewhere[k.id] = append(elsewhere[k.id], k.application)
	}
	sequences := map[string]key{}
	for _, row := range c.store.Events {
		k := key{row.Application, row.ID}
		if other, twice := sequences[row.Sequence]; twice {
			c.find(Duplicate, "sequence %s is that of %s and of %s", row.Sequence, other, k)
		}
		sequences[row.Sequence] = k
		c.rows[k] = append(c.rows[k], row)
		if n := len(c.rows[k]); n > 1 {
			c.find(Duplicate, "%s is stored %d times", k, n)
		}
		switch sent := c.sent[k]; {
		case sent == nil && len(elsewhere[row.ID]) > 0:
			c.find(Application, "%s was sent by %s", k, strings.Join(elsewhere[row.ID], " and "))
		case sent == nil:
			c.find(Phantom, "%s was never sent", k)
		default:
			c.row(k, row, sent)
		}
	}
}

// row holds one row against the requests that may have made it.
func (c *check) row(k key, row Event, sent *attempts) {
	may := append(sent.of(accepted), sent.of(doubtful)...)
	may = slices.DeleteFunc(may, func(a attempt) bool { return !a.item.Valid })
	if len(may) == 0 {
		c.find(Phantom, "%s is stored, and every request with it was refused", k)
		return
	}
	stored, err := contentOfRow(row)
	if err != nil {
		c.find(Payload, "%s cannot be read back: %v", k, err)
		return
	}
	if !slices.ContainsFunc(may, func(a attempt) bool { return a.means.same(stored) }) {
		c.find(Payload, "%s was sent as %.300s and is stored as %.300s", k, may[0].item.Original(), row.Data)
	}
}

// missing looks for accepted events without a row.
func (c *check) missing() {
	for _, k := range slices.SortedFunc(maps.Keys(c.sent), func(a, b key) int {
		return strings.Compare(a.application+a.id, b.application+b.id)
	}) {
		if yes := c.sent[k].of(accepted); len(yes) > 0 && len(c.rows[k]) == 0 {
			c.find(Lost, "%s was accepted (request %d) and is not stored", k, yes[0].intent.Send)
		}
	}
}

// visible holds what reads show against the rows.
func (c *check) visible() {
	shown := map[Shown]int{}
	for _, one := range c.store.Shown {
		if shown[one]++; shown[one] == 2 {
			c.find(Visible, "%s is shown twice", key{one.Application, one.ID})
		}
	}
	for _, row := range c.store.Events {
		one := Shown{row.Application, row.ID, row.Sequence}
		if shown[one] == 0 {
			c.find(Visible, "%s is stored and not shown", key{row.Application, row.ID})
		}
		delete(shown, one)
	}
	for one := range shown {
		c.find(Visible, "%s is shown and not stored", key{one.Application, one.ID})
	}
}
