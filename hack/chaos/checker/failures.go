package checker

import (
	"cmp"
	"maps"
	"slices"
)

// Codes of Failures that the checker knows; api/problems.md has all.
const codeConflict = "id.conflict"

// stageIngest is the stage of what was refused at the door.
const stageIngest = "ingest"

// refusal is what Failures are expected for: the same text refused for the same reason, at the door or behind it.
type refusal struct {
	application, original, code, stage string
}

// span is how many there may be.
type span struct{ least, most int }

// failures holds the Failures against what was refused in answers, and against what lost to another content.
func (c *check) failures() {
	expected := c.expected()
	got := map[refusal]int{}
	sequences := map[string]bool{}
	for _, f := range c.store.Failures {
		if sequences[f.Sequence] {
			c.find(Duplicate, "Failure %s is there twice", f.Sequence)
		}
		sequences[f.Sequence] = true
		got[refusal{f.Application, string(f.Original), f.Code, f.Stage}]++
	}
	for _, r := range slices.SortedFunc(maps.Keys(got), byText) {
		if _, ok := expected[r]; !ok {
			c.unexpected(r)
		}
	}
	for _, r := range slices.SortedFunc(maps.Keys(expected), byText) {
		switch n, want := got[r], expected[r]; {
		case n < want.least && r.stage == stageIngest:
			c.find(Lost, "%d of %d refusals (%s) of %.200s are Failures", n, want.least, r.code, r.original)
		case n < want.least:
			c.find(Conflict, "%d of %d that lost to another content are Failures: %.200s", n, want.least, r.original)
		case n > want.most:
			c.find(Duplicate, "%d Failures (%s, %s), at most %d can be, of %.200s", n, r.code, r.stage, want.most, r.original)
		}
	}
}

func byText(a, b refusal) int {
	return cmp.Or(cmp.Compare(a.application, b.application), cmp.Compare(a.original, b.original), cmp.Compare(a.code, b.code),
		cmp.Compare(a.stage, b.stage))
}

// unexpected is a Failure that no request explains.
func (c *check) unexpected(r refusal) {
	for _, sent := range c.sent {
		for _, a := range sent.all {
			if a.item.Original() != r.original || a.intent.Application != r.application {
				continue
			}
			if a.item.Valid {
				c.find(Harmed, "%s became a Failure (%s, %s): %.200s", key{r.application, a.item.ID}, r.code, r.stage, r.original)
				return
			}
			if a.fate == doubtful {
				return // refused at the door, and the answer got lost: its code is known to nobody
			}
		}
	}
	c.find(Phantom, "a Failure (%s, %s) of what was never sent so: %.200s", r.code, r.stage, r.original)
}

// expected counts the Failures that there must be at least, and can be at most.
func (c *check) expected() map[refusal]span {
	all := map[refusal]span{}
	add := func(r refusal, least int) {
		s := all[r]
		all[r] = span{s.least + least, s.most + 1}
	}
	for k, sent := range c.sent {
		for _, a := range sent.all {
			r := refusal{k.application, a.item.Original(), a.code, stageIngest}
			if a.fate == rejected {
				add(r, 1)
			}
			if !a.item.Valid {
				continue
			}
			lost := refusal{k.application, a.item.Original(), codeConflict, "persistence"}
			switch other := c.otherwise(k, a); {
			case a.fate == accepted && other:
				add(lost, 1)
			case a.fate == doubtful && other:
				add(lost, 0)
			}
			if a.fate == doubtful && c.repeated(a) { // refused within its own request, and the answer got lost
				add(refusal{k.application, a.item.Original(), codeConflict, stageIngest}, 0)
			}
		}
		c.spread(k, sent, all)
	}
	return all
}

// spread lets every doubtful request that was once answered with a refusal have it once more.
func (c *check) spread(k key, sent *attempts, all map[refusal]span) {
	known := map[refusal]bool{}
	for _, a := range sent.of(rejected) {
		known[refusal{k.application, a.item.Original(), a.code, stageIngest}] = true
	}
	for r := range known {
		for _, a := range sent.of(doubtful) {
			if a.item.Original() == r.original && !c.repeated(a) {
				s := all[r]
				s.most++
				all[r] = s
			}
		}
	}
}

// otherwise tells whether an id is stored with other content than an attempt's.
func (c *check) otherwise(k key, a attempt) bool {
	for _, row := range c.rows[k] {
		if stored, err := contentOfRow(row); err == nil && a.means.same(stored) {
			return false
		}
	}
	return len(c.rows[k]) > 0
}

// repeated tells whether an earlier event of the same request has the same id.
func (c *check) repeated(a attempt) bool {
	n := 0
	for _, item := range a.intent.Items {
		if item.ID == a.item.ID {
			n++
		}
	}
	return n > 1
}
