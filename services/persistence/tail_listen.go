package persistence

import (
	"context"
	"errors"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

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

func newListeners() *seats {
	return &seats{
		most: maxListeners, own: maxOwnListeners,
		full: fault.New(fault.CodeOverloaded, "this replica has as many listeners as it takes; try again, or read GET /v1/events"),
		mine: fault.New(fault.CodeManyListeners, "you have "+strconv.Itoa(maxOwnListeners)+" listeners here; end one of them first"),
	}
}

// choice says which messages a listener wants.
type choice struct {
	Query
	outcomes []Outcome // nil: all
	looker   looker    // into data
}

// wants tells whether a message is among them, but for what is asked of its data.
func (c *choice) wants(m *message) bool {
	switch {
	case m.lost > 0:
		return true
	case m.told == nil,
		c.Application != uuid.Nil && m.Application != c.Application,
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
	// unknown: it came back with a place that has left the queue, or is none, and nobody knows how much it has missed.
	unknown bool
}

// listen begins after a place that a client says it has been told, or for nil with what comes from now on.
func (t *Tail) listen(ctx context.Context, after *place) (*ear, error) {
	if after == nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		return &ear{tail: t, next: t.first + int64(len(t.messages))}, nil
	}
	given := after.heartbeat(t.now())
	if !given && t.ahead(*after) {
		exists, err := t.exists(ctx, *after)
		if err != nil {
			return nil, err
		}
		return t.resume(*after, exists, !exists), nil
	}
	return t.resume(*after, given, false), nil
}

// resume goes on behind a place. given says that it was given out for all that is known here, none that it never was although
// it is beyond all that was read: with that what comes next has nothing to do.
func (t *Tail) resume(after place, given, none bool) *ear {
	t.mu.Lock()
	defer t.mu.Unlock()
	if none {
		return &ear{tail: t, next: t.first + int64(len(t.messages)), unknown: true}
	}
	i := sort.Search(len(t.messages), func(i int) bool { return after.before(t.messages[i].place) })
	return &ear{
		tail: t, next: t.first + int64(i), after: after,
		unknown: after.before(t.gone) || !given && !t.has(after, i),
	}
}

// ahead tells whether a place is in an entry that was not read here yet: another replica may be faster.
func (t *Tail) ahead(p place) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.read.before(place{ms: p.ms, n: p.n})
}

// has tells whether a place is one of the queue, whose first message behind it has an index. What is lost before an entry is
// told by those replicas only that have read less.
func (t *Tail) has(p place, i int) bool {
	switch {
	case p == t.gone, i > 0 && t.messages[i-1].place == p:
		return true
	case p.line == 0:
		return i < len(t.messages) && t.messages[i].inSameEntry(p)
	}
	return false
}

// exists asks Redis for a place.
func (t *Tail) exists(ctx context.Context, p place) (bool, error) {
	streams, err := t.client.XRead(ctx, &redis.XReadArgs{Streams: []string{TailKey, p.previous()}, Count: 1, Block: -1}).Result()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		return false, fault.Wrap(fault.CodeUnavailable, "the live tail cannot be followed now", err)
	}
	entry := streams[0].Messages[0]
	text, ours := entry.Values[tailTold].(string)
	return ours && entry.ID == p.entry() && p.line <= 1+strings.Count(text, "\n"), nil
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

// take returns the next messages that a listener wants. Data is looked into when nobody waits for it.
func (e *ear) take(c *choice) taken {
	got := e.choose(c)
	if len(c.Properties) > 0 {
		got.messages = slices.DeleteFunc(got.messages, func(m message) bool { return !c.looker.wants(c.Properties, &m) })
	}
	return got
}

// choose goes on in the queue.
func (e *ear) choose(c *choice) taken {
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
