package persistence

import (
	"slices"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

const (
	// maxListeners of one replica: below its connections (ops.DefaultConnections), so that reads find one.
	maxListeners = 1500
	// maxOwnListeners of one application with its own credential, or of one person, at one replica: a console for everybody
	// who works on it.
	maxOwnListeners = 100
	// takeAtOnce is how many messages a listener looks at while it holds the queue: microseconds.
	takeAtOnce = 256
)

// listeners counts who listens, by whose credential; uuid.Nil is for administrators.
type listeners struct {
	mu  sync.Mutex
	by  map[uuid.UUID]int
	all int
}

func (l *listeners) total() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(l.all)
}

// enter admits one more; leave must be called when it goes.
func (l *listeners) enter(own uuid.UUID) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= maxListeners {
		return nil, fault.New(fault.CodeOverloaded, "this replica has as many listeners as it takes; try again, or read GET /v1/events")
	}
	if own != uuid.Nil && l.by[own] >= maxOwnListeners {
		return nil, fault.New(fault.CodeManyListeners, "you have "+strconv.Itoa(maxOwnListeners)+" listeners here; end one of them first")
	}
	if l.by == nil {
		l.by = map[uuid.UUID]int{}
	}
	l.by[own]++
	l.all++
	return sync.OnceFunc(func() { l.leave(own) }), nil
}

func (l *listeners) leave(own uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.by[own]--; l.by[own] == 0 {
		delete(l.by, own)
	}
}

// choice says which messages a listener wants.
type choice struct {
	Query
	outcomes []Outcome // nil: all
}

// wants tells whether a message is among them.
func (c *choice) wants(m *message) bool {
	switch {
	case m.lost > 0:
		return true
	case c.Application != uuid.Nil && m.Application != c.Application,
		c.Among != nil && !among(c.Among, m.Application),
		c.SessionID != "" && m.SessionID != c.SessionID,
		c.Category != "" && m.Category != c.Category,
		c.Name != "" && m.Name != c.Name,
		c.outcomes != nil && !slices.Contains(c.outcomes, m.Outcome):
		return false
	case c.From.IsZero() && c.To.IsZero():
		return true
	case m.OccurredAt == 0:
		return false
	}
	occurred := time.UnixMicro(m.OccurredAt)
	return !occurred.Before(c.From) && (c.To.IsZero() || occurred.Before(c.To))
}

// ear is one listener's place in the queue.
type ear struct {
	tail *Tail
	next int64
	// after is where it has been already, at another replica that has read more.
	after place
	// unknown: it came back with a place that had left the queue, and nobody knows how much it has missed.
	unknown bool
}

// listen begins after a place, or for nil with what comes from now on.
func (t *Tail) listen(after *place) *ear {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := &ear{tail: t, next: t.first + int64(len(t.messages))}
	if after == nil {
		return e
	}
	if after.ms < uint64(t.now().Add(seenFor).UnixMilli()) { // else it is no place that anybody has given
		e.after = *after
	}
	i := sort.Search(len(t.messages), func(i int) bool { return after.before(t.messages[i].place) })
	e.next = t.first + int64(i)
	oldest := t.gone
	if i == 0 && len(t.messages) > 0 && oldest == (place{}) {
		oldest = t.messages[0].place // what was trimmed before this replica came: an id is of an entry that was there
	}
	e.unknown = i == 0 && after.before(oldest)
	return e
}

// taken is what a listener gets at once.
type taken struct {
	messages []message
	missed   int64 // messages that left the queue before it came to them, of all that there were
	unknown  bool  // there may be more, or none
	looked   place // everything up to here was looked at; zero: nothing was
	more     bool  // there is more at once
	ended    bool
	beat     <-chan struct{} // closed when there is news
}

// take returns the next messages that a listener wants.
func (e *ear) take(c *choice) taken {
	t := e.tail
	t.mu.Lock()
	defer t.mu.Unlock()
	got := taken{unknown: e.unknown, ended: t.ended, beat: t.beat}
	e.unknown = false
	if e.next < t.first {
		got.missed, e.next = t.first-e.next, t.first
	}
	queue := t.messages[e.next-t.first:]
	if len(queue) > takeAtOnce {
		queue, got.more = queue[:takeAtOnce], true
	}
	for i := range queue {
		if e.after.before(queue[i].place) && c.wants(&queue[i]) {
			got.messages = append(got.messages, queue[i])
		}
	}
	if n := len(queue); n > 0 {
		got.looked = queue[n-1].place
	}
	e.next += int64(len(queue))
	return got
}
