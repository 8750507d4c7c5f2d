package client

import (
	"slices"
	"sync"
	"time"
)

// queue holds a Sender's events until they have their results. Events are numbered as they come.
type queue struct {
	limits SenderConfig

	mu           sync.Mutex
	waiting      []queued // in no batch yet, oldest first
	waitingBytes int
	held, bytes  int           // with those that are on their way: what the bounds are for
	next         uint64        // number of the next event
	flush        uint64        // events below wait for no company
	flying       []uint64      // number of the first event of every batch on its way
	closed       bool          // takes no more
	changed      chan struct{} // closed and made anew when something was released
}

type queued struct {
	item
	since time.Time
}

// batch is what goes out together.
type batch struct {
	items  []item
	bytes  int
	number uint64 // of the first event
	since  time.Time
}

func newQueue(limits SenderConfig) *queue {
	return &queue{limits: limits, changed: make(chan struct{})}
}

// put takes an item in. When there is no room it answers ErrQueueFull, and a channel that is closed when there may be.
// rouse says that take may have something to do.
func (q *queue) put(it item, now time.Time) (rouse bool, changed <-chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := it.size()
	switch {
	case q.closed:
		return false, nil, ErrClosed
	case q.held == 0: // whatever its size: an event larger than the bound must not wait for ever
	case q.held >= q.limits.QueueEvents, q.bytes+size > q.limits.QueueBytes:
		return false, q.changed, ErrQueueFull
	}
	q.waiting = append(q.waiting, queued{it, now})
	q.waitingBytes += size
	q.held, q.bytes, q.next = q.held+1, q.bytes+size, q.next+1
	return len(q.waiting) == 1 || q.full(), nil, nil
}

// full tells whether a batch need not wait for more events.
func (q *queue) full() bool {
	return len(q.waiting) >= q.limits.MaxEvents || q.waitingBytes >= q.limits.MaxBytes
}

// take cuts the next batch. Without one it tells how long to wait for it, negative: until an event comes; or that there
// will be none any more.
func (q *queue) take(now time.Time) (b *batch, wait time.Duration, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return nil, -1, q.closed
	}
	first := q.next - uint64(len(q.waiting))
	since := q.waiting[0].since
	if wait = q.limits.MaxDelay - now.Sub(since); wait > 0 && !q.closed && !q.full() && first >= q.flush {
		return nil, wait, false
	}
	b = &batch{number: first, since: since, items: make([]item, 0, min(len(q.waiting), q.limits.MaxEvents))}
	for i := range q.waiting {
		size := q.waiting[i].size()
		if i > 0 && (i == q.limits.MaxEvents || b.bytes+size >= q.limits.MaxBytes) {
			break
		}
		b.items, b.bytes = append(b.items, q.waiting[i].item), b.bytes+size
	}
	q.waiting = slices.Delete(q.waiting, 0, len(b.items))
	q.waitingBytes -= b.bytes
	q.flying = append(q.flying, first)
	return b, 0, false
}

// release makes room: the batch has its results.
func (q *queue) release(b *batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held, q.bytes = q.held-len(b.items), q.bytes-b.bytes
	q.change()
}

// land ends a batch: its results were told.
func (q *queue) land(b *batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.flying = slices.DeleteFunc(q.flying, func(number uint64) bool { return number == b.number })
	q.change()
}

func (q *queue) change() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// hurry lets no event that is here wait for others, and returns the number below which all are.
func (q *queue) hurry() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.flush = q.next
	return q.next
}

// landed is nil when every event below a number has its result, else closed when that may have changed.
func (q *queue) landed(number uint64) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	oldest := q.next - uint64(len(q.waiting))
	for _, first := range q.flying {
		oldest = min(oldest, first)
	}
	if oldest >= number {
		return nil
	}
	return q.changed
}

// close takes no more events; those that are here go out at once.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.change()
}

func (q *queue) size() (events, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held, q.bytes
}
