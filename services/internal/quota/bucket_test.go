package quota

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/theeye-dev/theeye/api/registry"
)

// drawLimit draws limits of all sizes, small ones often.
func drawLimit(t *rapid.T) Limit {
	figure := rapid.OneOf(rapid.Int64Range(1, 50), rapid.Int64Range(1, math.MaxInt32))
	return Limit{Rate: figure.Draw(t, "rate"), Burst: figure.Draw(t, "burst")}
}

// TestBucketNeverGivesMore: whatever is asked for and whenever, what was let through is at most the burst and what
// flowed in, and one request that was larger than the burst.
func TestBucketNeverGivesMore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := drawLimit(t)
		b := bucket{level: l.full()}
		var now, taken, beyond int64
		for range rapid.IntRange(1, 100).Draw(t, "requests") {
			now += rapid.OneOf(rapid.Int64Range(0, 10), rapid.Int64Range(0, 10*unit)).Draw(t, "pause")
			n := rapid.IntRange(1, 5000).Draw(t, "events")
			ok, wait := b.take(l, n, now)
			if !ok {
				if wait <= 0 {
					t.Fatalf("refused, to wait %s", wait)
				}
				continue
			}
			taken += int64(n) * unit
			beyond = max(beyond, int64(n)-l.Burst)
			if limit := l.full() + now*l.Rate + beyond*unit; taken > limit {
				t.Fatalf("%d was let through of %d", taken, limit)
			}
			if b.level > l.full() {
				t.Fatalf("level %d of %d", b.level, l.full())
			}
		}
	})
}

// TestBucketWaits: after the wait that a refusal tells the same request is let through, and a microsecond sooner not;
// also one that is larger than the burst.
func TestBucketWaits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := drawLimit(t)
		b := bucket{level: rapid.Int64Range(-10_000*unit, l.full()).Draw(t, "level"), at: 7}
		n := rapid.IntRange(1, 5000).Draw(t, "events")
		before, sooner := b, b
		ok, wait := b.take(l, n, 7)
		if ok {
			return
		}
		if ok, _ := sooner.take(l, n, 7+wait.Microseconds()-1); ok {
			t.Fatalf("let through before %s", wait)
		}
		if ok, again := before.take(l, n, 7+wait.Microseconds()); !ok {
			t.Fatalf("after %s another %s", wait, again)
		}
	})
}

// TestClockThatGoesBack gives nothing twice.
func TestClockThatGoesBack(t *testing.T) {
	t.Parallel()
	l := Limit{Rate: 10, Burst: 10}
	b := bucket{level: 0, at: 5 * unit}
	for _, now := range []int64{4 * unit, 5 * unit, 3 * unit, 5 * unit} {
		if b.advance(l, now); b.level != 0 {
			t.Fatalf("at %d: level %d", now, b.level)
		}
	}
	if b.advance(l, 6*unit); b.level != 10*unit {
		t.Errorf("level %d after a second", b.level)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	limits := func(rate, burst int) *registry.Policy {
		return &registry.Policy{Limits: &registry.Limits{EventsPerSecond: rate, Burst: burst}}
	}
	for _, c := range []struct {
		name   string
		policy *registry.Policy
		want   Limit
	}{
		{"nothing", &registry.Policy{}, Limit{}},
		{"burst alone", limits(0, 10), Limit{}},
		{"rate alone", limits(500, 0), Limit{500, 1000}},
		{"both", limits(500, 3), Limit{500, 3}},
		{"largest", limits(registry.MaxRate, 0), Limit{math.MaxInt32, math.MaxInt32}},
	} {
		if got, limited := limitOf(c.policy); got != c.want || limited != (c.want != Limit{}) {
			t.Errorf("%s: %+v, %t", c.name, got, limited)
		}
	}
	largest := Limit{math.MaxInt32, math.MaxInt32}
	if got := largest.refill(-largest.full(), math.MaxInt64); got != 2*largest.full() {
		t.Errorf("after ages %d flowed in", got)
	}
	if got := (Limit{1, 1}).wait(-math.MaxInt64/2, unit); got <= 0 {
		t.Errorf("a long wait is %s", got)
	}
	for _, c := range []struct {
		limit Limit
		want  int64
	}{{Limit{500, 1000}, 125}, {Limit{500, 3}, 100}, {Limit{1, 1}, 1}, {Limit{1, 8000}, 1000}, {largest, 429496729}} {
		if got := c.limit.lease(); got != c.want {
			t.Errorf("%+v leases %d", c.limit, got)
		}
	}
	if got := (Limit{500, 3}).part(.25); got != (Limit{125, 1}) {
		t.Errorf("a quarter is %+v", got)
	}
	if got := (Limit{3, 1}).wait(0, unit); got != 333334*time.Microsecond {
		t.Errorf("a third of a second is %s", got)
	}
}
