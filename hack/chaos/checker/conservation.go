package checker

import (
	"maps"
	"slices"
)

// conservation holds the counters against the rows, and both against what clients were told: each accepted event ended
// as stored, duplicate, conflict or failed, and nothing ended that was not sent.
func (c *check) conservation() {
	stored, failed := map[string]int64{}, map[string]map[string]int64{}
	sessions := map[string]int64{}
	for _, row := range c.store.Events {
		stored[row.Application]++
		sessions[row.Session]++
	}
	for _, f := range c.store.Failures {
		if failed[f.Application] == nil {
			failed[f.Application] = map[string]int64{}
		}
		failed[f.Application][outcomeOf(f)]++
	}
	yes, perhaps := c.told()
	for _, app := range c.applications() {
		usage := c.store.Usage[app]
		c.equal(app, "stored", usage["stored"], stored[app])
		c.equal(app, "duplicate", usage["duplicate"], c.store.Duplicates[app])
		for _, outcome := range []string{"conflict", "failed", "refused"} {
			c.equal(app, outcome, usage[outcome], failed[app][outcome])
		}
		ended := usage["stored"] + usage["duplicate"] + usage["conflict"] + usage["failed"]
		if ended < yes[app] || ended > yes[app]+perhaps[app] {
			c.find(Conservation, "application %s: %d events were accepted, %d perhaps, and %d have ended", app, yes[app], perhaps[app], ended)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sessions)) {
		if c.store.Sessions[name] != sessions[name] {
			c.find(Conservation, "session %s counts %d events and has %d", name, c.store.Sessions[name], sessions[name])
		}
	}
}

func (c *check) equal(app, outcome string, counted, there int64) {
	if counted != there {
		c.find(Conservation, "application %s: %d are counted as %s, %d are there", app, counted, outcome, there)
	}
}

// outcomeOf is what a Failure was counted as.
func outcomeOf(f Failure) string {
	switch {
	case f.Stage == stageIngest:
		return "refused"
	case f.Code == codeConflict:
		return "conflict"
	}
	return "failed"
}

// told counts what clients know was accepted, and what may have been.
func (c *check) told() (yes, perhaps map[string]int64) {
	yes, perhaps = map[string]int64{}, map[string]int64{}
	for k, sent := range c.sent {
		for _, a := range sent.all {
			switch a.fate {
			case accepted:
				yes[k.application]++
			case doubtful:
				perhaps[k.application]++
			case rejected, refused:
			}
		}
	}
	return yes, perhaps
}

func (c *check) applications() []string {
	all := map[string]bool{}
	for k := range c.sent {
		all[k.application] = true
	}
	for app := range c.store.Usage {
		all[app] = true
	}
	return slices.Sorted(maps.Keys(all))
}
