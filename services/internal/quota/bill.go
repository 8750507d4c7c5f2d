package quota

import "time"

// bill is what Redis is told of a meter, and asked.
type bill struct {
	meter       *meter
	limit       Limit
	spent, span int64 // events, and the microseconds within which they were spent
	asked       int64 // events that are let through if Redis says so
	at          int64 // when it was made out
}

// answer is what Redis says to a bill.
type answer struct {
	level   int64 // of the one bucket
	total   int64 // events ever charged to it
	granted bool  // what was asked for
}

// bill takes what was spent off the meter. It is charged once: what becomes of a bill without an answer nobody knows,
// and the copy has it anyway. A meter that is on its own keeps it until Redis is known to answer.
func (m *meter) bill(asked int, now int64) bill {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := bill{meter: m, limit: m.limit, asked: int64(asked), at: now}
	if !m.alone {
		b.spent, b.span = m.spent, max(0, now-m.since)
		m.billed += m.spent
		m.spent = 0
	}
	return b
}

// unqueue is for who takes a meter from the queue.
func (m *meter) unqueue() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queued = false
}

// tell takes over what Redis answers to a bill. What was spent since is not in it, and what flowed in since may be: so
// that a client which is alone is never refused what the one bucket would let through. The lease is what bounds the
// others. An answer that comes after one to a later bill is old. queue is as with take.
func (m *meter) tell(b bill, a answer) (queue bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.billed -= b.spent
	mine := b.spent
	if a.granted {
		mine += b.asked
	}
	m.shares.count(mine, b.at)
	if m.known && b.at < m.toldAt {
		return false
	}
	m.shares.tell(a.total, m.known)
	m.copied = bucket{level: min(a.level-m.spent*unit, m.limit.full()), at: b.at}
	m.toldAt, m.known, m.alone = b.at, true, false
	return m.spent != 0 && m.enqueue()
}

// unanswered leaves a meter on its own after a bill without an answer. It lets through what was asked for by that,
// or says how long it takes until it would.
func (m *meter) unanswered(b bill, now int64) (wait time.Duration, queue bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.billed -= b.spent
	m.alone = true
	if b.asked > 0 {
		m.copied.level += b.asked * unit // take took it off
		_, wait = m.copied.take(m.adapt(b.limit), int(b.asked), now)
	}
	return wait, (m.spent != 0 || b.asked > 0) && m.enqueue()
}
