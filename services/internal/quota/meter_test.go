package quota

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// one is the one bucket in Redis, as settle.lua keeps it: TestScript holds them together.
type one struct {
	bucket
	total int64
}

func (o *one) settle(b bill, now int64) answer {
	span := max(0, min(b.span, now-o.at))
	o.advance(b.limit, now-span)
	o.level = min(o.level+span*b.limit.Rate-b.spent*unit, b.limit.full())
	o.at = max(o.at, now)
	o.total += b.spent
	granted := b.asked > 0 && o.level >= needed(b.limit, int(b.asked))
	if granted {
		o.level -= b.asked * unit
		o.total += b.asked
	}
	return answer{o.level, o.total, granted}
}

// exchange settles a meter at a moment.
func (o *one) exchange(m *meter, now int64) {
	m.unqueue()
	b := m.bill(0, now)
	m.tell(b, o.settle(b, now))
}

// take is Allowance.Take with a Redis that answers at once.
func (o *one) take(m *meter, l Limit, n int, now int64) (wait time.Duration, urgent bool) {
	got := m.take(l, n, now)
	if !got.ask {
		return got.wait, got.urgent
	}
	b := m.bill(n, now)
	a := o.settle(b, now)
	m.tell(b, a)
	if a.granted {
		return 0, false
	}
	return l.wait(a.level, needed(l, n)), false
}

// underWay is an answer that has not come yet.
type underWay struct {
	meter  *meter
	bill   bill
	answer answer
}

// TestStickyClient: what one bucket would let through, a client gets from the replica that it sticks to, however late
// settlements come and answers to them; and all of it is charged, but nothing twice.
func TestStickyClient(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := Limit{Rate: rapid.Int64Range(1, 1000).Draw(t, "rate"), Burst: rapid.Int64Range(1, 1000).Draw(t, "burst")}
		m := newMeter(id{}, l, 0)
		exact, redis := bucket{level: l.full()}, one{bucket: bucket{level: l.full()}}
		var now int64
		var under []underWay
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += rapid.Int64Range(0, unit/5).Draw(t, "pause")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0, 1:
				n := rapid.IntRange(1, 100).Draw(t, "events")
				reference := exact
				wanted, _ := reference.take(l, n, now)
				wait, _ := redis.take(m, l, n, now)
				if wanted && wait > 0 {
					t.Fatalf("%d events are refused at %d", n, now)
				}
				if wait == 0 {
					exact.advance(l, now)
					exact.level -= int64(n) * unit
				}
			case 2:
				b := m.bill(0, now)
				under = append(under, underWay{m, b, redis.settle(b, now)})
			case 3:
				for _, u := range under {
					m.tell(u.bill, u.answer)
				}
				under = nil
			}
		}
		redis.exchange(m, now)
		exact.advance(l, now)
		if redis.level < exact.level {
			t.Fatalf("the one bucket has %d, and should have %d", redis.level, exact.level)
		}
	})
}

// TestLeaseBoundsReplicas: together replicas exceed the limit by a lease each at most, however many there are, whatever
// they are asked for, and whenever settlements come and answers to them.
func TestLeaseBoundsReplicas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := Limit{Rate: rapid.Int64Range(1, 1000).Draw(t, "rate"), Burst: rapid.Int64Range(1, 1000).Draw(t, "burst")}
		meters := make([]*meter, rapid.IntRange(1, 6).Draw(t, "replicas"))
		for i := range meters {
			meters[i] = newMeter(id{}, l, 0)
		}
		redis := one{bucket: bucket{level: l.full()}}
		replica := rapid.SampledFrom(meters)
		var now, taken, beyond int64
		var under []underWay
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			now += rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, unit)).Draw(t, "pause")
			m := replica.Draw(t, "replica")
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			default:
				n := rapid.OneOf(rapid.IntRange(1, 10), rapid.IntRange(1, 2000)).Draw(t, "events")
				if wait, _ := redis.take(m, l, n, now); wait == 0 {
					taken, beyond = taken+int64(n), max(beyond, int64(n)-l.Burst)
				}
			case 4:
				b := m.bill(0, now)
				under = append(under, underWay{m, b, redis.settle(b, now)})
			case 5:
				for _, u := range under {
					u.meter.tell(u.bill, u.answer)
				}
				under = nil
			}
		}
		if limit := (l.full()+now*l.Rate)/unit + 1 + beyond + int64(len(meters))*l.lease(); taken > limit {
			t.Fatalf("%d were let through of %d", taken, limit)
		}
	})
}

// TestReplicasFindTheEnd has replicas begin with a full bucket and spend single events, settling when it is urgent: none
// exceeds it by more than its lease, and all of it is there for them.
func TestReplicasFindTheEnd(t *testing.T) {
	t.Parallel()
	const replicas, burst = 4, 8000
	l := Limit{Rate: 1, Burst: burst}
	redis := one{bucket: bucket{level: l.full()}}
	meters := make([]*meter, replicas)
	for i := range meters {
		meters[i] = newMeter(id{}, l, 0)
	}
	taken := 0
	for refused := 0; refused < replicas; {
		refused = 0
		for _, m := range meters {
			wait, urgent := redis.take(m, l, 1, 0)
			if wait > 0 {
				refused++
			} else {
				taken++
			}
			if urgent {
				redis.exchange(m, 0)
			}
		}
	}
	if taken < burst || taken > burst+replicas*int(l.lease()) {
		t.Errorf("%d events were let through of %d", taken, burst)
	}
}

func TestUrgency(t *testing.T) {
	t.Parallel()
	l := Limit{Rate: 1, Burst: 80} // a lease of 10
	m := newMeter(id{}, l, 0)
	redis := one{bucket: bucket{level: l.full()}}
	check := func(what string, n int, now time.Duration, ask, queue, urgent bool) {
		t.Helper()
		o := m.take(l, n, now.Microseconds())
		if got, want := []bool{o.ask, o.queue, o.urgent}, []bool{ask, queue, urgent}; !slices.Equal(got, want) {
			t.Errorf("%s: ask, queue, urgent %t, want %t", what, got, want)
		}
	}
	check("never told", 1, 0, false, true, true)
	check("queued already", 1, 0, false, false, true)
	redis.exchange(m, 0)
	check("little of much", 4, 0, false, true, false)
	check("half a lease", 1, 0, false, false, true)
	check("the rest of it", 5, 0, false, false, true)
	check("more than it", 1, 0, true, false, false)
	redis.exchange(m, 0)
	check("told long ago", 1, staleAfter+1000, false, true, true)
	check("refused", 80, staleAfter+1000, false, false, false)
	m.bill(0, 0)
	check("beside what is under way", 10, staleAfter+1000, true, false, false)
}

// TestPolicyChanges apply to the next event; what was spent stays spent.
func TestPolicyChanges(t *testing.T) {
	t.Parallel()
	m := newMeter(id{application: uuid.UUID{1}}, Limit{Rate: 1, Burst: 10}, 0)
	redis := one{bucket: bucket{level: 10 * unit}}
	take := func(l Limit, n int) time.Duration {
		wait, _ := redis.take(m, l, n, 0)
		return wait
	}
	if wait := take(Limit{Rate: 1, Burst: 10}, 10); wait != 0 {
		t.Fatalf("a full bucket asks to wait %s", wait)
	}
	if wait := take(Limit{Rate: 1, Burst: 10}, 1); wait != time.Second {
		t.Errorf("wait %s", wait)
	}
	if wait := take(Limit{Rate: 100, Burst: 10}, 1); wait != 10*time.Millisecond {
		t.Errorf("at the higher rate wait %s", wait)
	}
	if level, policy := m.state(Limit{Rate: 1, Burst: 5}, 60*unit); level != 5*unit || policy != `"application";q=5;qu="events";w=5` {
		t.Errorf("with a smaller bucket: level %d, %s", level, policy)
	}
	m.take(Limit{Rate: 1, Burst: 8}, 1, 60*unit)
	if m.idle(200 * unit) {
		t.Error("what was not settled is forgotten")
	}
	redis.exchange(m, 60*unit)
	if m.idle(60*unit) || !m.idle(200*unit) {
		t.Error("kept too long, or not long enough")
	}
}
