package persistence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/metric"
)

const (
	// tailBlock is how long one read waits for news: never 0, which no context can interrupt.
	tailBlock = time.Second
	// tailRead is how many entries are read at once: 8 MiB of the largest.
	tailRead = 64
	// tailAge is how long anything stays on the tail: what is due by its retention is gone from here as well by then.
	tailAge = time.Hour
	// trimEvery is how often what is too old is trimmed, by each replica.
	trimEvery = time.Minute
	// tailPause is between attempts while Redis does not answer.
	tailPause = 250 * time.Millisecond
)

// message is what one listener may be told. The zero traits are of one that everybody is told: that outcomes were lost.
// What was erased, or cannot be read, is nothing but a place.
type message struct {
	place
	traits
	told []byte // JSON in one line; nil: nobody is told
	lost int64  // outcomes that could not be told, before this place
}

// blank leaves nothing but the place.
func (m *message) blank() { *m = message{place: m.place} }

// Tail keeps the newest final outcomes of all replicas in memory, for any number of listeners: each is no more than a
// number in it, so that a slow one costs nothing, and is told how many it has missed.
type Tail struct {
	client redis.UniversalClient
	now    func() time.Time
	log    *slog.Logger
	limit  int // bytes

	// Of Run alone:
	writers map[string]int64 // what each is to count next
	trimmed time.Time        // when
	opening opening          // what the stream began with
	unsaid  unsaid           // what was erased of late
	late    []place          // what came although it was erased, and is in Redis yet

	mu       sync.Mutex
	messages []message // a queue
	first    int64     // the number of the first of them, counted from the start of this replica
	bytes    int
	gone     place         // up to here something may be missing
	read     place         // the entry that was read last
	beat     chan struct{} // closed, and replaced, when there is news
	loaded   bool          // what was on the stream at the start is here
	fresh    time.Time     // up to then all is here
	ended    bool

	listeners *seats
}

// NewTail registers theeye_tail_listeners.
func NewTail(client redis.UniversalClient, now func() time.Time, log *slog.Logger, meter metric.Meter) (*Tail, error) {
	t := &Tail{client: client, now: now, log: log, limit: tailBytes, writers: map[string]int64{}, beat: make(chan struct{}), unsaid: newUnsaid(), listeners: newListeners()}
	_, err := meter.Int64ObservableGauge("theeye.tail.listeners", metric.WithDescription("Listeners of the live tail of this replica."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error { o.Observe(t.listeners.total()); return nil }))
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return t, nil
}

// Run follows the stream from its beginning until the context ends, and then ends all listening.
func (t *Tail) Run(ctx context.Context) error {
	defer t.end()
	position, failing := "0-0", false
	for ctx.Err() == nil {
		next, err := t.next(ctx, position)
		if err == nil {
			position, failing = next, false
			continue
		}
		if !failing && ctx.Err() == nil {
			t.log.WarnContext(ctx, "live tail cannot be followed", "error", err)
		}
		failing = true
		select {
		case <-ctx.Done():
		case <-time.After(tailPause):
		}
	}
	return nil
}

// next takes what follows a position, and returns where it ends.
func (t *Tail) next(ctx context.Context, position string) (string, error) {
	block := tailBlock
	if !t.isLoaded() {
		block = -1 // what is there
	}
	begin := t.now()
	if err := t.trim(ctx, begin); err != nil {
		return position, err
	}
	streams, err := t.client.XRead(ctx, &redis.XReadArgs{Streams: []string{TailKey, position}, Count: tailRead, Block: block}).Result()
	if errors.Is(err, redis.Nil) {
		t.add(news{fresh: begin, all: true})
		return position, nil
	}
	if err != nil {
		return position, fmt.Errorf("read tail: %w", err)
	}
	entries := streams[0].Messages
	came := t.news(entries)
	came.fresh, came.all = begin, len(entries) < tailRead
	if !came.all {
		came.fresh = t.followed()
	}
	t.add(came)
	t.eraseLate(ctx)
	return entries[len(entries)-1].ID, nil
}

// trim takes off the stream what is too old.
func (t *Tail) trim(ctx context.Context, now time.Time) error {
	if now.Sub(t.trimmed) <= trimEvery {
		return nil
	}
	if err := t.client.XTrimMinID(ctx, TailKey, placeAt(now.Add(-tailAge)).entry()).Err(); err != nil {
		return fmt.Errorf("trim tail: %w", err)
	}
	t.unsaid.forget(now.Add(-tailAge))
	t.trimmed = now
	return nil
}

func (t *Tail) isLoaded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.loaded
}

// followed is when all was here that there was.
func (t *Tail) followed() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fresh
}

// stale tells whether that is too long ago for anybody to be told something.
func (t *Tail) stale(now time.Time) bool { return now.Sub(t.followed()) > staleTail }

// messageOverhead is what a message takes beside its text: its own fields, and the strings of its traits.
const messageOverhead = 256

// news is what was read at once.
type news struct {
	messages []message
	unsaid   unsaid // what was erased, of what came before
	read     place
	fresh    time.Time // up to then all is here
	all      bool      // there is no more on the stream
}

// add appends news, drops what is too much or too old, and wakes who listens.
func (t *Tail) add(came news) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fresh = came.fresh
	if t.read.before(came.read) {
		t.read = came.read
	}
	t.messages = append(t.messages, came.messages...)
	for _, m := range came.messages {
		t.bytes += len(m.told) + messageOverhead
	}
	t.blank(came.unsaid)
	opened := came.all && !t.loaded
	if opened {
		t.raise(t.opening.gone(t.now()))
		t.loaded = true
	}
	t.drop(t.now().Add(-tailAge))
	if len(came.messages) > 0 || !came.unsaid.none() || opened {
		close(t.beat)
		t.beat = make(chan struct{})
	}
}

// blank takes out of memory what was erased. Nothing moves: listeners are numbers in the queue.
func (t *Tail) blank(erased unsaid) {
	if erased.none() {
		return
	}
	for i := range t.messages {
		if m := &t.messages[i]; erased.covers(m) {
			t.bytes -= len(m.told)
			m.blank()
		}
	}
}

// drop takes the oldest messages out of memory.
func (t *Tail) drop(before time.Time) {
	drop, oldest := 0, placeAt(before)
	for drop < len(t.messages) && (t.bytes > t.limit || t.messages[drop].ms < oldest.ms) {
		t.bytes -= len(t.messages[drop].told) + messageOverhead
		t.raise(t.messages[drop].place)
		drop++
	}
	clear(t.messages[:drop])
	t.messages = t.messages[drop:]
	t.first += int64(drop)
}

// raise notes up to where something may be missing.
func (t *Tail) raise(gone place) {
	if t.gone.before(gone) {
		t.gone = gone
	}
}

// end wakes who listens for the last time.
func (t *Tail) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	close(t.beat)
	t.beat = make(chan struct{})
}
