package quota

import (
	"math"
	"time"

	"github.com/theeye-dev/theeye/api/registry"
)

const (
	// burstSeconds is the default burst, in seconds of the rate: a client that sends once a second may be late by one.
	burstSeconds = 2
	// leaseParts is the part of the burst that a replica lets through ahead: so much less than what one client may send at
	// once that some replicas more don't matter. It is the least share of a replica that is on its own, too.
	leaseParts = 8
	// leaseTime is the other measure of a lease: with a small burst, settlements every settleInterval must not be waited for.
	leaseTime = 2 * settleInterval
)

// Limit is a rate in events per second and how many events may come at once. Both are at least 1.
type Limit struct{ Rate, Burst int64 }

// limitOf returns the limit that a policy sets, and whether it sets one.
func limitOf(p *registry.Policy) (Limit, bool) {
	if p.Limits == nil || p.Limits.EventsPerSecond == 0 {
		return Limit{}, false
	}
	return newLimit(p.Limits.EventsPerSecond, p.Limits.Burst), true
}

// newLimit returns a limit; burst 0 is the default of its rate.
func newLimit(rate, burst int) Limit {
	l := Limit{Rate: int64(rate), Burst: int64(burst)}
	if burst == 0 {
		l.Burst = min(burstSeconds*l.Rate, registry.MaxRate)
	}
	return l
}

// lease is how many events a replica lets through that Redis does not know of.
func (l Limit) lease() int64 {
	return max(1, l.Burst/leaseParts, l.Rate*int64(leaseTime)/int64(time.Second))
}

// part is the limit of a replica that is on its own and has a share of the application's events, between 0 and 1.
func (l Limit) part(share float64) Limit {
	return Limit{Rate: max(1, int64(share*float64(l.Rate))), Burst: max(1, int64(share*float64(l.Burst)))}
}

// unit is one event in the integers of a bucket: rate times microseconds is then exact.
const unit = int64(time.Second / time.Microsecond)

// full is the level of a bucket that holds all it can.
func (l Limit) full() int64 { return l.Burst * unit }

// refill returns what flows in within a time in microseconds, at most what leads from a level to the full bucket.
func (l Limit) refill(level, elapsed int64) int64 {
	missing := l.full() - level
	if missing <= 0 || elapsed <= 0 {
		return 0
	}
	if elapsed > missing/l.Rate { // before the product, which may not fit
		return missing
	}
	return elapsed * l.Rate
}

// wait returns how long it takes from one level to another.
func (l Limit) wait(from, to int64) time.Duration {
	if from >= to {
		return 0
	}
	microseconds := (to - from + l.Rate - 1) / l.Rate
	return time.Duration(min(microseconds, math.MaxInt64/int64(time.Microsecond))) * time.Microsecond
}
