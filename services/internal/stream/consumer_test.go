package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	nooptrace "go.opentelemetry.io/otel/trace/noop"

	"github.com/theeye-dev/theeye/api/event"
)

// handover is one call of a consumer's handler, which waits for the test's answer.
type handover struct {
	ctx     context.Context
	entries []Entry
	answer  chan error
}

// batches of the entries, sorted: the order of streams within one read is Redis' business.
func (h handover) batches() (batches []string) {
	for _, e := range h.entries {
		batches = append(batches, string(e.Batch))
	}
	slices.Sort(batches)
	return batches
}

// consumer is a Consumer whose handler the test plays.
type consumer struct {
	*Consumer
	f      *fixture
	meter  *meter
	handed chan handover
	errors chan string // what it logged
	stop   func()
}

// consumer starts a Consumer of two partitions.
func (f *fixture) consumer(name string) *consumer {
	f.Helper()
	c := &consumer{f: f, meter: newMeter(f), handed: make(chan handover), errors: make(chan string, 64)}
	metrics, err := NewConsumerMetrics(c.meter.provider.Meter(""))
	if err != nil {
		f.Fatal(err)
	}
	c.Consumer = &Consumer{
		Client: f.open(), Group: event.PersistenceGroup, Name: name, Partitions: 2, Log: slog.New(logTo{c.errors}),
		Tracer: nooptrace.NewTracerProvider().Tracer(""), Metrics: metrics,
		Handle: func(ctx context.Context, entries []Entry) error {
			h := handover{ctx, entries, make(chan error)}
			select {
			case c.handed <- h:
				return <-h.answer
			case <-f.Context().Done():
				return errors.New("the test is over")
			}
		},
	}
	c.stop = start(f, c.Run)
	return c
}

// logTo sends the messages of warnings and errors to a channel.
type logTo struct{ messages chan<- string }

func (logTo) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (l logTo) Handle(_ context.Context, r slog.Record) error  { l.messages <- r.Message; return nil }
func (l logTo) WithAttrs([]slog.Attr) slog.Handler             { return l }
func (l logTo) WithGroup(string) slog.Handler                  { return l }

// take receives one call of the handler and checks what is in it.
func (c *consumer) take(want ...string) handover {
	c.f.Helper()
	h := receive(c.f, "entries for the handler", c.handed)
	if diff := cmp.Diff(want, h.batches()); diff != "" {
		c.f.Errorf("handed over (-want +got):\n%s", diff)
	}
	return h
}

// awaitAcknowledged waits until nothing is pending in the group.
func (f *fixture) awaitAcknowledged() {
	f.Helper()
	f.await("acknowledgement", func() bool {
		return f.pending(stream0, event.PersistenceGroup)+f.pending(stream1, event.PersistenceGroup) == 0
	})
}

const (
	stream0 = "theeye:events:{0}"
	stream1 = "theeye:events:{1}"
)

var errStore = errors.New("the store is away")

// TestCommitThenAcknowledge follows entries that were there before any group.
func TestCommitThenAcknowledge(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(stream0, "1000-0", "a")
	f.add(stream0, "1000-1", "b")
	f.add(stream1, "2000-0", "c")
	c := f.consumer("replica")
	h := c.take("a", "b", "c")
	if n := f.pending(stream0, event.PersistenceGroup) + f.pending(stream1, event.PersistenceGroup); n != 3 {
		t.Errorf("%d pending while they are handled", n)
	}
	for _, e := range h.entries {
		if string(e.Batch) == "c" && (e.Stream != stream1 || e.ID != "2000-0" || !e.Time().Equal(time.UnixMilli(2000))) {
			t.Errorf("entry %+v", e)
		}
	}
	h.answer <- nil
	f.awaitAcknowledged()
	f.add(stream1, "*", "d")
	c.take("d").answer <- nil
	f.awaitAcknowledged()
	c.stop()
	if n := c.meter.value("messaging.client.consumed.messages"); n != 4 {
		t.Errorf("%v entries counted", n)
	}
}

// TestFailedEntriesComeAgain lets the store fail several times: the same entries come first, and what came later waits.
func TestFailedEntriesComeAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(stream0, "*", "a")
	f.add(stream1, "*", "b")
	c := f.consumer("replica")
	for range 3 {
		h := c.take("a", "b")
		f.add(stream0, "*", "later")
		h.answer <- errStore
	}
	h := c.take("a", "b")
	if n := f.pending(stream0, event.PersistenceGroup); n != 1 {
		t.Errorf("%d pending, want 1", n)
	}
	h.answer <- nil
	c.take("later", "later", "later").answer <- nil
	f.awaitAcknowledged()
	if n := c.meter.value("theeye.redeliveries"); n != 6 {
		t.Errorf("%v redeliveries counted", n)
	}
}

// TestPendingOfTheLastLife ends a consumer before it has acknowledged.
func TestPendingOfTheLastLife(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(stream0, "*", "a")
	c := f.consumer("replica")
	h := c.take("a")
	go c.stop()
	h.answer <- errStore
	c.stop()
	f.add(stream0, "*", "b")
	c = f.consumer("replica")
	c.take("a").answer <- nil
	c.take("b").answer <- nil
	f.awaitAcknowledged()
}

// TestManyPendingEntries has more of them than one read takes.
func TestManyPendingEntries(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := createGroups(t.Context(), f.client, event.PersistenceGroup, []string{stream0}); err != nil {
		t.Fatal(err)
	}
	const entries = 10 * firstCount
	for i := range entries {
		f.add(stream0, "*", fmt.Sprint(i))
	}
	f.readAs("replica")
	c := f.consumer("replica")
	for got := 0; got < entries; {
		h := receive(t, "entries", c.handed)
		got += len(h.entries)
		h.answer <- nil
	}
	f.awaitAcknowledged()
}

// readAs gives everything new in stream0 to a consumer.
func (f *fixture) readAs(consumer string) (ids []string) {
	f.Helper()
	read, err := f.client.XReadGroup(f.Context(), &redis.XReadGroupArgs{
		Group: event.PersistenceGroup, Consumer: consumer, Streams: []string{stream0, ">"}, Block: -1,
	}).Result()
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range read[0].Messages {
		ids = append(ids, m.ID)
	}
	return ids
}

// idle makes pending entries of a consumer as old as those of a dead one.
func (f *fixture) idle(consumer string, ids ...string) {
	f.Helper()
	args := []any{"XCLAIM", stream0, event.PersistenceGroup, consumer, 0}
	for _, id := range ids {
		args = append(args, id)
	}
	if err := f.client.Do(f.Context(), append(args, "IDLE", 60000)...).Err(); err != nil {
		f.Fatal(err)
	}
}

// TestEntriesOfTheDeadAreClaimed, and those of the living are not.
func TestEntriesOfTheDeadAreClaimed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := createGroups(t.Context(), f.client, event.PersistenceGroup, []string{stream0}); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 3 * firstCount {
		want = append(want, fmt.Sprintf("of the dead %02d", i))
		f.add(stream0, "*", want[i])
	}
	f.idle("dead", f.readAs("dead")...)
	f.add(stream0, "*", "of the living")
	f.readAs("living")
	f.add(stream0, "*", "new")
	c := f.consumer("heir")
	var got []string
	for !slices.Contains(got, "new") {
		h := receive(t, "entries", c.handed)
		got = append(got, h.batches()...)
		h.answer <- nil
	}
	if diff := cmp.Diff(append(want, "new"), got); diff != "" {
		t.Errorf("handed over (-want +got):\n%s", diff)
	}
	f.await("only the living's entry pending", func() bool { return f.pending(stream0, event.PersistenceGroup) == 1 })
	if n := c.meter.value("theeye.claims"); int(n) != len(want) {
		t.Errorf("%v claims counted", n)
	}
}

// TestClaimedEntriesComeAgain fails while handling what was a dead consumer's.
func TestClaimedEntriesComeAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := createGroups(t.Context(), f.client, event.PersistenceGroup, []string{stream0}); err != nil {
		t.Fatal(err)
	}
	f.add(stream0, "*", "a")
	f.idle("dead", f.readAs("dead")...)
	c := f.consumer("heir")
	c.take("a").answer <- errStore
	c.take("a").answer <- nil
	f.awaitAcknowledged()
}

// TestDeletedPendingEntriesAreCounted: somebody deleted what was not stored. It must show, and the handler must not be
// given an entry that has nothing in it.
func TestDeletedPendingEntriesAreCounted(t *testing.T) {
	t.Parallel()
	for _, owner := range []string{"replica", "dead"} {
		t.Run("of "+owner, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			if err := createGroups(t.Context(), f.client, event.PersistenceGroup, []string{stream0}); err != nil {
				t.Fatal(err)
			}
			f.add(stream0, "*", "deleted")
			f.add(stream0, "*", "kept")
			f.add(stream0, "*", "deleted")
			ids := f.readAs(owner)
			f.idle(owner, ids...)
			f.client.XDel(t.Context(), stream0, ids[0], ids[2])
			c := f.consumer("replica")
			c.take("kept").answer <- nil
			f.awaitAcknowledged()
			if message := receive(t, "an error in the log", c.errors); message != "pending entries were deleted from the stream" {
				t.Errorf("logged %q", message)
			}
			c.meter.await("theeye.entries.lost", 2)
		})
	}
}

func (m *meter) await(name string, want float64) {
	m.Helper()
	await(m, name, func() bool { return m.value(name) == want })
}

// TestUnknownEncoding hands over what this release cannot read: the store keeps it as a failure.
func TestUnknownEncoding(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := f.client.XAdd(t.Context(), &redis.XAddArgs{Stream: stream0, Values: []any{"v9", "?"}}).Err(); err != nil {
		t.Fatal(err)
	}
	c := f.consumer("replica")
	h := c.take("")
	if h.entries[0].Batch != nil {
		t.Errorf("batch %q", h.entries[0].Batch)
	}
	h.answer <- nil
	f.awaitAcknowledged()
}

func TestConsumerOutlivesFlush(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.consumer("replica")
	f.add(stream0, "*", "before")
	c.take("before").answer <- nil
	for i := range 2 { // while it waits, and while it handles
		if i == 1 {
			f.add(stream1, "*", "meanwhile")
			h := c.take("meanwhile")
			f.client.FlushAll(t.Context())
			h.answer <- nil
		} else {
			f.client.FlushAll(t.Context())
		}
		f.add(stream0, "*", "after")
		c.take("after").answer <- nil
	}
	f.awaitAcknowledged()
}

func TestConsumerOutlivesRedis(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(stream0, "*", "a")
	c := f.consumer("replica")
	h := c.take("a")
	if err := f.server.Kill(); err != nil {
		t.Fatal(err)
	}
	h.answer <- nil // committed, but the acknowledgement is lost
	if message := receive(t, "a warning", c.errors); message != "consuming interrupted" {
		t.Errorf("logged %q", message)
	}
	if err := f.server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.take("a").answer <- nil
	f.add(stream1, "*", "b")
	c.take("b").answer <- nil
	f.awaitAcknowledged()
}

// TestStopFinishesTheBatchInHand stops a consumer while its handler works.
func TestStopFinishesTheBatchInHand(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(stream0, "*", "a")
	c := f.consumer("replica")
	h := c.take("a")
	stopped := make(chan struct{})
	go func() { c.stop(); close(stopped) }()
	f.add(stream0, "*", "later")
	select {
	case <-stopped:
		t.Error("stopped before its batch was finished")
	case <-h.ctx.Done():
		t.Error("the batch in hand was cancelled")
	case h.answer <- nil:
	}
	receive(t, "the end", stopped)
	if n := f.pending(stream0, event.PersistenceGroup); n != 0 {
		t.Errorf("%d pending after a graceful stop", n)
	}
	c = f.consumer("replica")
	c.take("later").answer <- nil
	f.awaitAcknowledged()
}

// TestFullRedisIsDrained starts everyone who makes room on a Redis that has none, under names it has not heard.
func TestFullRedisIsDrained(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.producer(2)
	start(t, p.Run)
	for range 4 {
		if err := p.Publish(t.Context(), []byte("x"), ""); err != nil {
			t.Fatal(err)
		}
	}
	f.set("stream-node-max-entries", "1")
	f.set("maxmemory", "1")
	if err := p.Publish(t.Context(), []byte("x"), ""); !errors.Is(err, ErrRefused) {
		t.Fatal(err)
	}
	c := f.consumer("new here")
	c.take("x", "x", "x", "x").answer <- nil
	f.awaitAcknowledged()
	k, err := NewKeeper(f.open(), 2, f.log(), newMeter(t).provider.Meter(""))
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := k.Backlog().Length; n != 0 {
		t.Errorf("%d entries left", n)
	}
	f.set("maxmemory", "0")
	if err := p.Publish(t.Context(), []byte("again"), ""); err != nil {
		t.Fatal(err)
	}
	c.take("again").answer <- nil
}

// TestGather checks that small batches wait for company, and that it does not hold up the end.
func TestGather(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(stream0, "*", "a")
	c := &Consumer{
		Client: f.open(), Group: event.PersistenceGroup, Name: "replica", Partitions: 2, Log: f.log(), Gather: time.Hour,
		Tracer: nooptrace.NewTracerProvider().Tracer(""), Handle: func(context.Context, []Entry) error { return nil },
	}
	var err error
	if c.Metrics, err = NewConsumerMetrics(newMeter(t).provider.Meter("")); err != nil {
		t.Fatal(err)
	}
	stop := start(t, c.Run)
	f.await("the group", func() bool {
		groups, err := f.client.XInfoGroups(t.Context(), stream0).Result()
		return err == nil && len(groups) == 1 && groups[0].LastDeliveredID != "0-0"
	})
	f.awaitAcknowledged()
	stop()
}
