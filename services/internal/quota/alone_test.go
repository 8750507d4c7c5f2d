package quota

import (
	"testing"
	"time"
)

// lost has a meter's bill not answered.
func lost(m *meter, asked int, now int64) (wait time.Duration) {
	wait, _ = m.unanswered(m.bill(asked, now), now)
	return wait
}

// drain takes single events until one is refused.
func drain(m *meter, l Limit, now int64) (taken int) {
	for m.take(l, 1, now).wait == 0 {
		taken++
	}
	return taken
}

// TestAloneByItsShare: without Redis a replica lets through the part of the limit that it had of the traffic; one that a
// client sticks to all of it, one that had none a little.
func TestAloneByItsShare(t *testing.T) {
	t.Parallel()
	l := Limit{Rate: 800, Burst: 800}
	for _, c := range []struct{ mine, others, want int }{{400, 0, 800}, {300, 100, 600}, {0, 400, 100}, {0, 0, 100}} {
		m, other := newMeter(id{}, l, 0), newMeter(id{}, l, 0)
		redis := one{bucket: bucket{level: l.full()}}
		redis.exchange(m, 0)
		for range 4 {
			redis.take(other, l, c.others/4, 0)
			redis.exchange(other, 0)
			redis.take(m, l, c.mine/4, 0)
			redis.exchange(m, 0)
		}
		lost(m, 0, 0)
		drain(m, l, 10*unit)
		if got := drain(m, l, 11*unit); got != c.want {
			t.Errorf("after %d of %d: %d a second, want %d", c.mine, c.mine+c.others, got, c.want)
		}
	}
}

// TestShareIsOfLately: a client that moved to another replica is found there within seconds.
func TestShareIsOfLately(t *testing.T) {
	t.Parallel()
	l := Limit{Rate: 100, Burst: 100}
	redis := one{bucket: bucket{level: l.full()}}
	m, other := newMeter(id{}, l, 0), newMeter(id{}, l, 0)
	for second := range int64(20) {
		now := second*unit + second
		from := m
		if second < 10 {
			from = other
		}
		redis.take(from, l, 100, now)
		redis.exchange(m, now)
	}
	if got := m.shares.own(); got < .95 {
		t.Errorf("share %g", got)
	}
}

// TestAskedInVain: a request that Redis was asked for is decided on by the replica, and its events are not off twice.
func TestAskedInVain(t *testing.T) {
	t.Parallel()
	l := Limit{Rate: 8, Burst: 80}
	m := newMeter(id{}, l, 0)
	if o := m.take(l, 40, 0); !o.ask {
		t.Fatal("Redis is not asked for more than a lease")
	}
	if wait := lost(m, 40, 0); wait != 0 { // more than the share's burst of 10: from a full bucket
		t.Errorf("asked in vain, it waits %s", wait)
	}
	if wait := m.take(l, 1, 0).wait; wait != 31*time.Second { // at 1 a second
		t.Errorf("the next waits %s", wait)
	}
}

// TestBackTogether: what was spent without Redis is charged when it answers again, once.
func TestBackTogether(t *testing.T) {
	t.Parallel()
	l := Limit{Rate: 80, Burst: 80}
	m := newMeter(id{}, l, 0)
	redis := one{bucket: bucket{level: l.full()}}
	m.take(l, 2, 0)
	lost(m, 0, 0)
	if got := drain(m, l, 0); got != 10 {
		t.Fatalf("%d let through alone", got)
	}
	lost(m, 0, 0)
	m.unqueue()
	b := m.bill(0, 0)
	if b.spent != 0 {
		t.Errorf("a probe has %d events", b.spent)
	}
	if queue := m.tell(b, redis.settle(b, 0)); !queue {
		t.Error("what was spent is not queued")
	}
	redis.exchange(m, 0)
	if redis.level != 70*unit || redis.total != 10 {
		t.Errorf("level %d, charged %d", redis.level, redis.total)
	}
	if got := m.take(l, 10, 0); got.wait != 0 || got.ask {
		t.Errorf("together again: %+v", got)
	}
}

// TestLateAnswers change nothing when a later one has come.
func TestLateAnswers(t *testing.T) {
	t.Parallel()
	l := Limit{Rate: 1, Burst: 80}
	m := newMeter(id{}, l, 0)
	redis := one{bucket: bucket{level: l.full()}}
	m.take(l, 5, 0)
	first := m.bill(0, 0)
	late := redis.settle(first, 0)
	m.take(l, 5, 1)
	redis.exchange(m, 1)
	m.tell(first, late)
	if level, _ := m.state(l, 1); level != 70*unit+1 {
		t.Errorf("level %d", level)
	}
	if o := m.take(l, 10, 1); o.ask {
		t.Error("what is answered still counts as under way")
	}
}
