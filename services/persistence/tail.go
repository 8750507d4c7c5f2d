package persistence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
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
	// tailAge is how long anything stays on the tail: what is erased, or its retention over, is gone from here as well by then.
	tailAge = time.Hour
	// trimEvery is how often what is too old is trimmed, by each replica.
	trimEvery = time.Minute
	// tailPause is between attempts while Redis does not answer.
	tailPause = 250 * time.Millisecond
)

// place is where a message stands on the tail: an entry of the stream, and a line of it.
type place struct {
	ms, n uint64
	line  int
}

func (p place) String() string { return fmt.Sprintf("%d-%d.%d", p.ms, p.n, p.line) }

func (p place) before(other place) bool {
	if p.ms != other.ms {
		return p.ms < other.ms
	}
	if p.n != other.n {
		return p.n < other.n
	}
	return p.line < other.line
}

// parsePlace reads what String wrote.
func parsePlace(text string) (p place, ok bool) {
	id, line, ok1 := strings.Cut(text, ".")
	ms, n, ok2 := strings.Cut(id, "-")
	var errs [3]error
	p.ms, errs[0] = strconv.ParseUint(ms, 10, 64)
	p.n, errs[1] = strconv.ParseUint(n, 10, 64)
	p.line, errs[2] = strconv.Atoi(line)
	return p, ok1 && ok2 && errors.Join(errs[:]...) == nil && p.line >= 0
}

// message is what one listener may be told. The zero traits are of one that everybody is told: that outcomes were lost.
type message struct {
	place
	traits
	told []byte // JSON in one line
	lost int64  // outcomes that could not be told, before this place
}

// Tail keeps the newest final outcomes of all replicas in memory, for any number of listeners: each is no more than a
// number in it, so that a slow one costs nothing, and is told how many it has missed.
type Tail struct {
	client redis.UniversalClient
	now    func() time.Time
	log    *slog.Logger
	limit  int // bytes

	writers map[string]int64 // what each is to count next; Run's alone
	trimmed time.Time        // when; Run's alone

	mu       sync.Mutex
	messages []message // a queue
	first    int64     // the number of the first of them, counted from the start of this replica
	bytes    int
	gone     place         // the newest place that has left the queue
	beat     chan struct{} // closed, and replaced, when there is news
	loaded   bool          // what was on the stream at the start is here
	fresh    time.Time     // up to then all is here
	ended    bool

	listeners listeners
}

// NewTail registers theeye_tail_listeners.
func NewTail(client redis.UniversalClient, now func() time.Time, log *slog.Logger, meter metric.Meter) (*Tail, error) {
	t := &Tail{client: client, now: now, log: log, limit: tailBytes, writers: map[string]int64{}, beat: make(chan struct{})}
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
		next, err := t.read(ctx, position)
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

// read takes what follows a position, and returns where it ends.
func (t *Tail) read(ctx context.Context, position string) (string, error) {
	block := tailBlock
	if !t.isLoaded() {
		block = -1 // what is there
	}
	begin := t.now()
	if begin.Sub(t.trimmed) > trimEvery {
		if err := t.client.XTrimMinID(ctx, TailKey, strconv.FormatInt(begin.Add(-tailAge).UnixMilli(), 10)).Err(); err != nil {
			return position, fmt.Errorf("trim tail: %w", err)
		}
		t.trimmed = begin
	}
	streams, err := t.client.XRead(ctx, &redis.XReadArgs{Streams: []string{TailKey, position}, Count: tailRead, Block: block}).Result()
	if errors.Is(err, redis.Nil) {
		t.add(nil, begin, true)
		return position, nil
	}
	if err != nil {
		return position, fmt.Errorf("read tail: %w", err)
	}
	var news []message
	for _, entry := range streams[0].Messages {
		news = append(news, t.messagesOf(entry)...)
		position = entry.ID
	}
	t.add(news, t.fresh, false) // there may be more
	return position, nil
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

// messagesOf decodes an entry. When its writer has counted further than what was read of it, what is between is lost.
func (t *Tail) messagesOf(entry redis.XMessage) []message {
	at, ok := parsePlace(entry.ID + ".0")
	writer, _ := entry.Values[tailWriter].(string)
	text, _ := entry.Values[tailTold].(string)
	count, err := strconv.ParseInt(fmt.Sprint(entry.Values[tailCount]), 10, 64)
	if !ok || err != nil {
		return nil // not ours
	}
	var messages []message
	if expected, known := t.writers[writer]; known && count > expected {
		messages = append(messages, message{place: at, lost: count - expected})
	}
	for line := range strings.Lines(text) {
		count++
		at.line++
		var m tailed
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			continue // of a release that writes otherwise
		}
		messages = append(messages, message{place: at, traits: m.traits, told: bytes.Clone(m.Told)})
	}
	t.writers[writer] = count
	return messages
}

// messageOverhead is what a message takes beside its text: its own fields, and the strings of its traits.
const messageOverhead = 256

// add appends news, drops what is too much or too old, and wakes who listens.
func (t *Tail) add(news []message, fresh time.Time, loaded bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fresh = fresh
	t.messages = append(t.messages, news...)
	for _, m := range news {
		t.bytes += len(m.told) + messageOverhead
	}
	drop := 0
	oldest := uint64(max(0, t.now().Add(-tailAge).UnixMilli()))
	for drop < len(t.messages) && (t.bytes > t.limit || t.messages[drop].ms < oldest) {
		t.bytes -= len(t.messages[drop].told) + messageOverhead
		t.gone = t.messages[drop].place
		drop++
	}
	clear(t.messages[:drop])
	t.messages = t.messages[drop:]
	t.first += int64(drop)
	if len(news) > 0 || loaded && !t.loaded {
		t.loaded = t.loaded || loaded
		close(t.beat)
		t.beat = make(chan struct{})
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
