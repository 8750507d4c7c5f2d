package persistence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/metric"
)

// TailKey is the stream of final outcomes in Redis, which every replica of persistence reads and writes.
const TailKey = "theeye:{tail}"

const (
	// tailBytes is about what the tail may take of Redis' memory, and of each replica's: some ten thousand events.
	tailBytes = 16 << 20
	// tailEntryBytes is about how large one entry gets: what is trimmed with it is lost to who comes back.
	tailEntryBytes = 128 << 10
	// tailEntries bounds the number of small entries, whose own cost is some hundred bytes.
	tailEntries = 20_000
	// announceTimeout is how long storing waits for the tail, for each MiB that is begun: many times what a busy Redis takes.
	announceTimeout = 500 * time.Millisecond
	// announceRest is for how long nothing is tried after a failure; twice as long after each further one, up to
	// maxAnnounceRest: storing is slowed down by a few percent.
	announceRest    = time.Second
	maxAnnounceRest = 16 * time.Second
)

// Announcer tells what became of events, after the commit and before the acknowledgement: what a crash in between leaves
// untold is delivered again, and told then. A tail that does not work fails nothing: what it lost is counted, and told
// with the next entry.
type Announcer struct {
	client redis.UniversalClient
	now    func() time.Time
	log    *slog.Logger
	writer string
	lost   metric.Int64Counter

	mu      sync.Mutex
	count   int64 // outcomes so far
	known   int64 // of them, what Redis has taken, and what was lost and is told
	average int   // bytes of an entry
	rest    time.Duration
	resting time.Time // until then
}

// NewAnnouncer registers theeye_tail_lost_total. replica names its entries, with a word of its own for each start.
func NewAnnouncer(client redis.UniversalClient, replica string, now func() time.Time, log *slog.Logger, meter metric.Meter) (*Announcer, error) {
	lost, err := meter.Int64Counter("theeye.tail.lost", metric.WithDescription("Outcomes that listeners of the live tail could not be told."))
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	lost.Add(context.Background(), 0)
	return &Announcer{client: client, now: now, log: log, writer: replica + " " + uuid.NewString(), lost: lost}, nil
}

// tailEntry is what goes into the stream at once.
type tailEntry struct {
	before int64 // the writer's count
	lines  []byte
}

// Announce appends what became of records to the tail. It never fails.
func (a *Announcer) Announce(ctx context.Context, settled []*record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.count
	entries := a.entries(settled)
	if len(entries) == 0 {
		return
	}
	err := errResting
	if !a.now().Before(a.resting) {
		err = a.append(ctx, entries)
		a.tire(ctx, err)
	}
	if err != nil {
		a.lost.Add(ctx, a.count-before)
		return
	}
	a.known = a.count
}

// tire takes a rest after a failure, and logs the first of several.
func (a *Announcer) tire(ctx context.Context, err error) {
	if err == nil {
		a.rest = 0
		return
	}
	if a.rest == 0 {
		a.log.WarnContext(ctx, "live tail cannot be written", "error", err)
	}
	a.rest = min(max(announceRest, 2*a.rest), maxAnnounceRest)
	a.resting = a.now().Add(a.rest)
}

// errResting is why nothing is tried.
var errResting = errors.New("the tail failed a moment ago")

// entries encodes what is to be told, and counts it.
func (a *Announcer) entries(settled []*record) (entries []tailEntry) {
	for _, r := range settled {
		m, ok := told(r)
		if !ok {
			continue
		}
		line, err := m.line()
		if err != nil {
			continue // what was made here is JSON
		}
		if n := len(entries); n == 0 || len(entries[n-1].lines)+len(line) > tailEntryBytes {
			entries = append(entries, tailEntry{before: a.count})
		}
		e := &entries[len(entries)-1]
		e.lines = append(append(e.lines, line...), '\n')
		a.count++
	}
	return entries
}

// append writes entries in one round trip, and trims what is beyond tailBytes by the size of entries of late.
func (a *Announcer) append(ctx context.Context, entries []tailEntry) error {
	size := 0
	for _, e := range entries {
		size += len(e.lines)
	}
	ctx, cancel := context.WithTimeout(ctx, announceTimeout*time.Duration(1+size>>20))
	defer cancel()
	_, err := a.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, e := range entries {
			known := e.before
			if i == 0 { // what is between is lost, and told with this entry
				known = a.known
			}
			a.average = max(1, (3*a.average+len(e.lines))/4)
			p.XAdd(ctx, &redis.XAddArgs{
				Stream: TailKey, MaxLen: int64(min(tailEntries, max(1, tailBytes/max(a.average, len(e.lines))))), Approx: true,
				Values: []any{tailWriter, a.writer, tailCount, e.before, tailKnown, known, tailTold, bytes.TrimSuffix(e.lines, []byte("\n"))},
			})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("append to tail: %w", err)
	}
	return nil
}
