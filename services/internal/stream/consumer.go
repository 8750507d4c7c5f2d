package stream

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/theeye-dev/theeye/services/internal/failpoint"
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

	keys    []string     // of all streams
	average atomic.Int64 // bytes of an entry
	turns   chan turn
}

// turn is what a lane has read, on its way through the handler.
type turn struct {
	entries []Entry
	done    chan error // of the handler
}

// Run consumes until the context ends; the batch in hand is finished and acknowledged first.
func (c *Consumer) Run(ctx context.Context) error {
	c.turns = make(chan turn)
	committed := make(chan struct{})
	go func() {
		defer close(committed)
		c.commit(ctx)
	}()
	defer func() {
		close(c.turns)
		<-committed
	}()
	outage := outage{log: c.Log}
	for ctx.Err() == nil {
		keys, err := Partitions(ctx, c.Client, c.Partitions, c.Log)
		if err != nil {
			outage.met(ctx, err)
			continue
		}
		outage.over(ctx)
		c.keys = keys
		c.readAll(ctx)
	}
	return nil
}

// commit hands what lanes have read to the handler, until no lane is left. What waits meanwhile goes together: a
// transaction has its cost, however few events it stores.
func (c *Consumer) commit(ctx context.Context) {
	for first := range c.turns {
		turns := []turn{first}
		entries := first.entries
		for waiting := true; waiting && len(entries)*int(c.average.Load()) < readBudget; {
			select {
			case t, ok := <-c.turns:
				if waiting = ok; ok {
					turns, entries = append(turns, t), append(entries, t.entries...)
				}
			default:
				waiting = false
			}
		}
		err := c.handle(ctx, entries)
		for _, t := range turns {
			t.done <- err
		}
	}
}

// handle commits entries. It ignores the end of ctx: a batch in hand is finished.
func (c *Consumer) handle(ctx context.Context, entries []Entry) error {
	var traces strings.Builder
	for _, e := range entries {
		if e.Traces != "" {
			traces.WriteString(" " + e.Traces)
		}
	}
	begin := time.Now()
	work, span := c.Tracer.Start(context.WithoutCancel(ctx), "process theeye:events",
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(links(traces.String())...), trace.WithAttributes(
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
	return nil
}

// ack acknowledges committed entries. When it fails they come again as pending, and the store recognises them.
func (c *Consumer) ack(ctx context.Context, entries []Entry) error {
	ids := map[string][]string{}
	for _, e := range entries {
		ids[e.Stream] = append(ids[e.Stream], e.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout) // a cluster's client tries again by itself
	defer cancel()
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
