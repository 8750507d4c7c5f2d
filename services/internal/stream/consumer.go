package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

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

// Entry is one entry of an event stream.
type Entry struct {
	Stream string
	ID     string
	Batch  []byte // event.DecodeBatch reads it; nil when the entry has no field that this release knows
	Traces string // traceparents, space-separated

	deleted bool // while it was pending: nothing but the id is left
}

// Handler commits entries; nil means that they may be acknowledged. Any error means that none may: they are handed
// over again, for ever, for an outage of the store is nobody's fault.
type Handler func(ctx context.Context, entries []Entry) error

// Consumer reads the event streams as one member of a group.
type Consumer struct {
	Client     redis.UniversalClient
	Group      string
	Name       string // stable for a replica: its pending entries come back to it
	Partitions int    // of a first start
	// Gather is how long the consumer lets entries collect after a small batch. A transaction has its cost, however
	// few events it stores.
	Gather  time.Duration
	Handle  Handler
	Log     *slog.Logger
	Tracer  trace.Tracer
	Metrics *ConsumerMetrics

	keys    []string
	average int // bytes of an entry
	claimed time.Time
	failing bool
}

// Run consumes until the context ends; the batch in hand is finished and acknowledged first.
func (c *Consumer) Run(ctx context.Context) error {
	pause := errorPause
	for ctx.Err() == nil {
		err := c.session(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // what a stop interrupts is no failure: it comes again as pending
		}
		if !c.failing {
			c.Log.WarnContext(ctx, "consuming interrupted", "error", err)
			c.failing = true
			pause = errorPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, maxErrorPause)
	}
	return nil
}

// session consumes until something fails. It begins with this consumer's own pending entries: those of its last life,
// or of an answer that got lost.
func (c *Consumer) session(ctx context.Context) error {
	keys, err := Partitions(ctx, c.Client, c.Partitions, c.Log)
	if err != nil {
		return err
	}
	if err := createGroups(ctx, c.Client, c.Group, keys); err != nil {
		return err
	}
	c.keys = keys
	if err := c.pending(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if time.Since(c.claimed) > claimInterval {
			if err := c.claim(ctx); err != nil {
				return err
			}
			c.claimed = time.Now()
		}
		entries, err := c.read(ctx, ">", readBlock)
		if err != nil {
			return err
		}
		c.recovered(ctx)
		begin := time.Now()
		if err := c.process(ctx, entries); err != nil {
			return err
		}
		c.gather(ctx, begin, entries)
	}
	return nil
}

func (c *Consumer) recovered(ctx context.Context) {
	if c.failing {
		c.failing = false
		c.Log.InfoContext(ctx, "consuming again")
	}
}

// gather waits until Gather after the batch's begin, unless there is enough to do already.
func (c *Consumer) gather(ctx context.Context, begin time.Time, entries []Entry) {
	if len(entries) >= maxCount || c.average*len(entries) > readBudget/8 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(c.Gather - time.Since(begin)):
	}
}

func (c *Consumer) count() int {
	if c.average == 0 {
		return firstCount
	}
	return max(1, min(maxCount, readBudget/c.average/len(c.keys)))
}

// read asks for entries from id on every stream. On a Redis Cluster every stream is asked alone, for their slots lie
// on different servers.
func (c *Consumer) read(ctx context.Context, id string, block time.Duration) ([]Entry, error) {
	groups := [][]string{c.keys}
	if _, ok := c.Client.(*redis.ClusterClient); ok && len(c.keys) > 1 {
		groups = nil
		for _, key := range c.keys {
			groups = append(groups, []string{key})
		}
		block = max(-1, block/time.Duration(len(c.keys)))
	}
	var entries []Entry
	for _, keys := range groups {
		args := make([]string, 0, 2*len(keys))
		args = append(args, keys...)
		for range keys {
			args = append(args, id)
		}
		streams, err := c.Client.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: c.Group, Consumer: c.Name, Streams: args, Count: int64(c.count()), Block: block,
		}).Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read streams: %w", err)
		}
		for _, s := range streams {
			entries = append(entries, entriesOf(s.Stream, s.Messages)...)
		}
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

// process commits entries and then acknowledges them. It ignores the end of ctx: a batch in hand is finished.
func (c *Consumer) process(ctx context.Context, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	failpoint.Hit(failpoint.Read)
	bytes, traces := 0, ""
	for _, e := range entries {
		bytes += len(e.Batch)
		if e.Traces != "" {
			traces += " " + e.Traces
		}
	}
	c.average = max(1, (3*c.average+bytes/len(entries))/4)
	begin := time.Now()
	work, span := c.Tracer.Start(context.WithoutCancel(ctx), "process theeye:events",
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(links(traces)...), trace.WithAttributes(
			attribute.String("messaging.system", "redis"),
			attribute.String("messaging.destination.name", "theeye:events"),
			attribute.String("messaging.consumer.group.name", c.Group),
			attribute.String("messaging.operation.type", "process"),
			attribute.Int("messaging.batch.message_count", len(entries))))
	defer span.End()
	if err := c.Handle(work, entries); err != nil {
		span.RecordError(err)
		return fmt.Errorf("handle entries: %w", err)
	}
	failpoint.Hit(failpoint.Committed)
	c.Metrics.duration.Record(work, time.Since(begin).Seconds())
	if err := c.ack(work, entries); err != nil {
		return err
	}
	c.Metrics.entries.Add(work, int64(len(entries)))
	return nil
}

// ack acknowledges committed entries. When it fails they come again as pending, and the store recognises them.
func (c *Consumer) ack(ctx context.Context, entries []Entry) error {
	ids := map[string][]string{}
	for _, e := range entries {
		ids[e.Stream] = append(ids[e.Stream], e.ID)
	}
	_, err := c.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for key, ids := range ids {
			p.XAck(ctx, key, c.Group, ids...)
		}
		return nil
	})
	return wrap("acknowledge entries", err)
}

// Time returns when Redis got the entry: its id begins with milliseconds.
func (e Entry) Time() time.Time {
	text, _, _ := strings.Cut(e.ID, "-")
	ms, _ := strconv.ParseInt(text, 10, 64)
	return time.UnixMilli(ms).UTC()
}
