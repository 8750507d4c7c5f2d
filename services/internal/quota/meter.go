package quota

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

// staleAfter is how old what Redis has told may be before the next event asks again at once: what other replicas have
// spent since is not in it. A meter in steady use is settled more often.
const staleAfter = 2 * settleInterval

// id names a bucket: an application has one for events with its credentials and one for public events.
type id struct {
	application uuid.UUID
	public      bool
}

// key is where Redis has a bucket. Both of an application are in one slot of a cluster.
func (i id) key() string {
	key := KeyPrefix + "{" + i.application.String() + "}"
	if i.public {
		key += ":public"
	}
	return key
}

// KeyPrefix begins the keys of all buckets in Redis.
const KeyPrefix = "theeye:limits:"

// meter is a bucket as this replica knows it.
type meter struct {
	id id

	mu     sync.Mutex
	limit  Limit
	policy string // RateLimit-Policy
	copied bucket // what is left, at least
	spent  int64  // events that are in no bill yet; below zero: given back
	since  int64  // when the first of them was spent
	billed int64  // events in bills that are not answered yet
	toldAt int64  // when the bill was made out that Redis answered last
	known  bool   // Redis has answered ever
	alone  bool   // it did not, the last time
	queued bool   // is to be settled
	used   int64  // when it was last asked for
	shares shares
}

// newMeter returns a meter of which Redis has not told yet: taken for full, so that nobody waits.
func newMeter(i id, l Limit, now int64) *meter {
	m := &meter{id: i, copied: bucket{level: l.full(), at: now}}
	m.adapt(l)
	return m
}

// adapt follows the policy: what was let through before stays spent. It returns the limit that counts now.
func (m *meter) adapt(l Limit) Limit {
	if m.limit != l {
		m.limit, m.policy = l, policyField(m.id, l)
	}
	if m.alone {
		return l.part(m.shares.own())
	}
	return l
}

// outcome is a meter's answer to a request.
type outcome struct {
	wait   time.Duration // refused: this long until it would be let through
	ask    bool          // Redis decides; the events are off the copy already
	queue  bool          // the meter is to be settled, which it was not before
	urgent bool          // and that cannot wait
}

// take lets n events through, refuses them, or wants Redis asked for them.
func (m *meter) take(l Limit, n int, now int64) (o outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used = now
	ok, wait := m.copied.take(m.adapt(l), n, now)
	switch {
	case !ok:
		o.wait = wait
	case !m.alone && m.spent+m.billed+int64(n) > l.lease():
		o.ask = true
	default:
		o.queue = m.spend(int64(n), now)
		o.urgent = !m.alone && (!m.known || now-m.toldAt > staleAfter.Microseconds() || 2*m.spent >= l.lease())
	}
	return o
}

// charge takes n events off, whether they are there or not.
func (m *meter) charge(l Limit, n, now int64) (queue bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used = now
	m.copied.advance(m.adapt(l), now)
	m.copied.level -= n * unit
	return m.spend(n, now)
}

// giveBack undoes a take.
func (m *meter) giveBack(n int, now int64) (queue bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.copied.level += int64(n) * unit
	return m.spend(-int64(n), now)
}

// spend notes what Redis is to be told.
func (m *meter) spend(n, now int64) (queue bool) {
	if m.spent == 0 {
		m.since = now
	}
	m.spent += n
	return m.enqueue()
}

func (m *meter) enqueue() (queue bool) {
	queue = !m.queued
	m.queued = true
	return queue
}

// state returns the level by a policy as it is now, and the RateLimit-Policy.
func (m *meter) state(l Limit, now int64) (level int64, policy string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.copied.advance(m.adapt(l), now)
	return m.copied.level, m.policy
}

// idle tells whether a meter knows nothing that a new one would not.
func (m *meter) idle(now int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.copied.advance(m.limit, now)
	return !m.queued && m.billed == 0 && m.copied.level == m.limit.full() && now-m.used > keepMeters.Microseconds()
}
