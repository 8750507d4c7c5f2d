package quota

import "time"

// bucket is a token bucket: what was left at a moment. Moments are microseconds since any beginning.
type bucket struct {
	level int64 // in units; below zero is a debt
	at    int64
}

// advance lets flow in what does until a moment. A clock that goes back changes nothing.
func (b *bucket) advance(l Limit, now int64) {
	b.level = min(b.level+l.refill(b.level, now-b.at), l.full()) // a limit that was lowered takes the rest away
	b.at = max(b.at, now)
}

// needed is the level at which n events are let through. More events than the bucket can hold need a full one, and leave
// a debt: else they would be refused for ever.
func needed(l Limit, n int) int64 { return min(int64(n), l.Burst) * unit }

// take lets n events through, or says how long it takes until it would.
func (b *bucket) take(l Limit, n int, now int64) (ok bool, wait time.Duration) {
	b.advance(l, now)
	need := needed(l, n)
	if b.level < need {
		return false, l.wait(b.level, need)
	}
	b.level -= int64(n) * unit
	return true, 0
}
