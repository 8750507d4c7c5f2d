package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/failpoint"
)

const (
	// readBlock is how long one read waits for news: never 0, which no context can interrupt.
	readBlock = time.Second
	// readBudget is about how many bytes one read asks for; COUNT is set from the size of the entries before.
	readBudget    = 4 << 20
	maxCount      = 256 // entries of one stream in one read
	firstCount    = 8   // before any size is known: entries may be several MiB
	errorPause    = 250 * time.Millisecond
	maxErrorPause = 5 * time.Second
)

// lane reads some of a consumer's streams: of one Redis all in one command, of a Redis Cluster each on its own, for they
// lie on different servers, of which one may be away while the others go on.
type lane struct {
	*Consumer
	streams []string
	claimed time.Time
}

// readAll reads every stream until the context ends, or until their number is another.
func (c *Consumer) readAll(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lanes := [][]string{c.keys}
	if _, ok := c.Client.(*redis.ClusterClient); ok {
		lanes = nil
		for _, key := range c.keys {
			lanes = append(lanes, []string{key})
		}
	}
	var wg sync.WaitGroup
	for _, streams := range lanes {
		l := &lane{Consumer: c, streams: streams}
		wg.Go(func() {
			l.run(ctx)
			cancel()
		})
	}
	wg.Wait()
}

// errRenumbered ends lanes: the number of streams has to be asked for again.
var errRenumbered = errors.New("the number of streams is another")

func (l *lane) run(ctx context.Context) {
	outage := outage{log: l.Log.With("streams", l.streams)}
	for ctx.Err() == nil {
		err := l.session(ctx, &outage)
		if errors.Is(err, errRenumbered) || ctx.Err() != nil {
			return // what a stop interrupts is no failure: it comes again as pending
		}
		outage.met(ctx, err)
	}
}

// session consumes until something fails. It begins with this consumer's own pending entries: those of its last life,
// or of an answer that got lost.
func (l *lane) session(ctx context.Context, outage *outage) error {
	if l.renumbered(ctx) {
		return errRenumbered
	}
	if err := createGroups(ctx, l.Client, l.Group, l.streams); err != nil {
		return err
	}
	if err := l.pending(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if time.Since(l.claimed) > claimInterval {
			if err := l.claim(ctx); err != nil {
				return err
			}
			l.claimed = time.Now()
		}
		entries, err := l.read(ctx, ">", readBlock)
		if err != nil {
			return err
		}
		outage.over(ctx)
		begin := time.Now()
		if err := l.process(ctx, entries); err != nil {
			return err
		}
		l.gather(ctx, begin, entries)
	}
	return nil
}

// renumbered tells whether the record of the streams' number is gone, or says another. Who has it may be away and the
// streams not.
func (l *lane) renumbered(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	n, err := l.Client.Get(ctx, event.PartitionsKey).Int()
	return errors.Is(err, redis.Nil) || err == nil && n != len(l.keys)
}

// gather waits until Gather after the batch's begin, unless there is enough to do already.
func (l *lane) gather(ctx context.Context, begin time.Time, entries []Entry) {
	if len(entries) >= maxCount || int(l.average.Load())*len(entries) > readBudget/8 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(l.Gather - time.Since(begin)):
	}
}

func (l *lane) count() int {
	average := int(l.average.Load())
	if average == 0 {
		return firstCount
	}
	return max(1, min(maxCount, readBudget/average/len(l.keys)))
}

// read asks for entries from id on every stream.
func (l *lane) read(ctx context.Context, id string, block time.Duration) (entries []Entry, err error) {
	ctx, cancel := context.WithTimeout(ctx, max(0, block)+readTimeout) // the client's own patience is longer
	defer cancel()
	args := make([]string, 0, 2*len(l.streams))
	args = append(args, l.streams...)
	for range l.streams {
		args = append(args, id)
	}
	streams, err := l.Client.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: l.Group, Consumer: l.Name, Streams: args, Count: int64(l.count()), Block: block,
	}).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("read streams: %w", err)
	}
	for _, s := range streams {
		entries = append(entries, entriesOf(s.Stream, s.Messages)...)
	}
	return entries, nil
}

func entriesOf(key string, messages []redis.XMessage) []Entry {
	entries := make([]Entry, 0, len(messages))
	for _, m := range messages {
		entry := Entry{Stream: key, ID: m.ID, deleted: m.Values == nil}
		if batch, ok := m.Values[event.FieldBatch].(string); ok {
			entry.Batch = []byte(batch)
		}
		entry.Traces, _ = m.Values[event.FieldTraces].(string)
		entries = append(entries, entry)
	}
	return entries
}

// process has entries committed and then acknowledges them. It ignores the end of ctx: a batch in hand is finished.
func (l *lane) process(ctx context.Context, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	failpoint.Hit(failpoint.Read)
	bytes := 0
	for _, e := range entries {
		bytes += len(e.Batch)
	}
	l.average.Store(max(1, (3*l.average.Load()+int64(bytes/len(entries)))/4))
	mine := turn{entries, make(chan error, 1)}
	l.turns <- mine
	if err := <-mine.done; err != nil {
		return err
	}
	work := context.WithoutCancel(ctx)
	if err := l.ack(work, entries); err != nil {
		return err
	}
	l.Metrics.entries.Add(work, int64(len(entries)))
	return nil
}

// outage is what keeps from consuming: one line in the log for each, and pauses that grow.
type outage struct {
	log   *slog.Logger
	pause time.Duration // 0: there is none
}

func (o *outage) met(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	if o.pause == 0 {
		o.log.WarnContext(ctx, "consuming interrupted", "error", err)
		o.pause = errorPause
	}
	select {
	case <-ctx.Done():
	case <-time.After(o.pause):
	}
	o.pause = min(2*o.pause, maxErrorPause)
}

func (o *outage) over(ctx context.Context) {
	if o.pause > 0 {
		o.pause = 0
		o.log.InfoContext(ctx, "consuming again")
	}
}
