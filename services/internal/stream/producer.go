package stream

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/failpoint"
)

const (
	// maxQueuedBytes bounds what waits for Redis: beyond it ingest is overloaded and says so at once.
	maxQueuedBytes = 64 << 20
	// maxQueued bounds the requests that wait, so that the queue itself costs little.
	maxQueued = 16 << 10
	// maxEntryBytes is when a shared entry is full. A larger request travels alone.
	maxEntryBytes = 1 << 20
	// maxTraces of one entry: OpenTelemetry's default limit of links of a span.
	maxTraces = 128
	// publishBudget is how long one entry is tried before its requests are answered 503, and how long a request may
	// wait in the queue: behind a dead Redis no Publish takes more than two budgets.
	publishBudget = 5 * time.Second
	retryPause    = 20 * time.Millisecond
	// restTime is how long a partition of a Redis Cluster is left alone whose master does not take entries: one that
	// hangs costs the time-out of an answer, and a replica takes over after some such times.
	restTime = 5 * time.Second
)

// Errors of Publish. After ErrUnavailable and a context's end the outcome is unknown; after ErrOverloaded and
// ErrRefused nothing was appended.
var (
	ErrOverloaded  = errors.New("too much waits for redis")
	ErrRefused     = errors.New("redis refused to append")
	ErrUnavailable = errors.New("redis did not confirm in time")
	ErrStopped     = errors.New("the producer has stopped")
)

// Producer appends encoded requests to the event streams. Requests that wait at the same moment share an entry: while
// one XADD is under way the next entry gathers, so that under load one fsync and one round trip serve many, and alone
// a request waits for nobody. There is no timer.
type Producer struct {
	client   redis.UniversalClient
	want     int
	replicas int // that must have an entry
	log      *slog.Logger
	tracer   trace.Tracer
	metrics  *ProducerMetrics

	budget time.Duration
	queue  chan *waiting
	queued atomic.Int64 // bytes
	trying atomic.Bool  // an entry is under way
	ailing atomic.Bool  // the last one was not confirmed in time
	spare  sync.Pool    // of *waiting
	done   chan struct{}
	keys   []string // known after the first contact with Redis
	turn   int
	made   map[string]bool      // streams that have the group
	rested map[string]time.Time // streams of a cluster, until when they rest
}

// waiting is one request in the queue.
type waiting struct {
	payload   []byte
	trace     string
	since     time.Time
	abandoned atomic.Bool
	result    chan error
}

// NewProducer returns a Producer; Run must be running for Publish to succeed. partitions counts only at the very first
// start of an installation.
func NewProducer(client redis.UniversalClient, partitions int, log *slog.Logger, tracer trace.Tracer, metrics *ProducerMetrics) *Producer {
	return &Producer{
		client: client, want: partitions, log: log, tracer: tracer, metrics: metrics,
		budget: publishBudget, queue: make(chan *waiting, maxQueued), done: make(chan struct{}),
		made: map[string]bool{}, rested: map[string]time.Time{},
	}
}

// Publish appends an encoded request (event.AppendRequest) and returns once Redis has it. traceparent is that of a
// sampled request, else empty. Payload must not be changed afterwards, unless Publish returned nil.
func (p *Producer) Publish(ctx context.Context, payload []byte, traceparent string) error {
	if p.ailing.Load() && p.trying.Load() { // one waits for Redis to come back; more would only wait as well
		return errors.Join(ErrRefused, errAiling)
	}
	size := int64(len(payload))
	if p.queued.Add(size) > maxQueuedBytes {
		p.queued.Add(-size)
		return ErrOverloaded
	}
	w, _ := p.spare.Get().(*waiting)
	if w == nil {
		w = &waiting{result: make(chan error, 1)}
	}
	w.payload, w.trace, w.since = payload, traceparent, time.Now()
	select {
	case p.queue <- w:
	default:
		p.queued.Add(-size)
		return ErrOverloaded
	}
	select {
	case err := <-w.result:
		w.payload = nil
		p.spare.Put(w) // nobody else has it any more
		return err
	case <-ctx.Done():
		w.abandoned.Store(true)
		return ctx.Err()
	case <-p.done:
		select {
		case err := <-w.result:
			return err
		default:
			return ErrStopped
		}
	}
}

// Ailing tells that the last entry was not confirmed in time, whether or not Redis has come back since.
func (p *Producer) Ailing() bool { return p.ailing.Load() }

// Run appends what is published until the context ends, and then what still waits. Stop the callers of Publish first.
func (p *Producer) Run(ctx context.Context) error {
	defer close(p.done)
	var buffer []byte
	var held *waiting // taken from the queue, but too large for the entry before
	for {
		first := held
		if first == nil {
			select {
			case first = <-p.queue:
			case <-ctx.Done():
				select {
				case first = <-p.queue:
				default:
					return nil
				}
			}
		}
		var group []*waiting
		group, buffer, held = p.gather(first, buffer[:0])
		if len(group) > 0 {
			p.trying.Store(true)
			err := p.append(buffer, group)
			p.ailing.Store(errors.Is(err, ErrUnavailable))
			p.trying.Store(false)
			for _, w := range group {
				w.result <- err
			}
		}
		if cap(buffer) > 2*maxEntryBytes {
			buffer = nil // one large request must not hold its size for ever
		}
	}
}

// gather joins what waits now into one entry.
func (p *Producer) gather(first *waiting, buffer []byte) (group []*waiting, entry []byte, held *waiting) {
	for w := first; ; {
		switch {
		case w.abandoned.Load():
			p.queued.Add(-int64(len(w.payload)))
		case time.Since(w.since) > p.budget:
			p.queued.Add(-int64(len(w.payload)))
			w.result <- ErrOverloaded
		default:
			if len(group) > 0 && len(buffer)+len(w.payload) > maxEntryBytes {
				return group, buffer, w
			}
			p.queued.Add(-int64(len(w.payload)))
			group, buffer = append(group, w), append(buffer, w.payload...)
		}
		select {
		case w = <-p.queue:
		default:
			return group, buffer, nil
		}
	}
}

// append tries until Redis has confirmed, refused, or the budget is used up. What is repeated after a lost answer may
// be in two entries: the sequences in them are the same, and the store counts them once. A refusal after a lost answer
// says nothing about what the lost one was.
func (p *Producer) append(entry []byte, group []*waiting) error {
	ctx, cancel := context.WithTimeout(context.Background(), p.budget)
	defer cancel()
	traces := joinTraces(group)
	ctx, span := p.tracer.Start(ctx, "send theeye:events", trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithLinks(links(traces)...), trace.WithAttributes(
			attribute.String("messaging.system", "redis"),
			attribute.String("messaging.destination.name", "theeye:events"),
			attribute.String("messaging.operation.type", "send"),
			attribute.Int("messaging.batch.message_count", len(group))))
	defer span.End()
	for lost := false; ; {
		begin := time.Now()
		key, err := p.add(ctx, entry, traces)
		p.metrics.appended(ctx, len(group), time.Since(begin), err)
		switch {
		case err == nil:
			failpoint.Hit(failpoint.Appended)
			return nil
		case errors.Is(err, errNoStream):
			p.keys = nil
		case !isAnswer(err):
			lost = true
			p.rest(ctx, key)
		case errPrefix(err, elsewhere...):
			p.rest(ctx, key)
		case errPrefix(err, "NOREPLICAS") && p.rest(ctx, key): // another master may have its own
		case lost:
			return errors.Join(ErrUnavailable, err)
		default:
			return errors.Join(ErrRefused, err)
		}
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
			span.RecordError(err)
			return errors.Join(ErrUnavailable, err)
		}
	}
}

var errAiling = errors.New("redis has not confirmed of late")

// errNoStream is what add answers when Redis has lost the streams. They are never made by appending alone: without
// asking for the record of partitions again, entries could go where nobody reads.
var errNoStream = errors.New("append entry: the stream is not there")

// elsewhere begins what Redis answers that takes no entry now, on this partition.
var elsewhere = []string{
	"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "MOVED", "ASK",
}

// add appends one entry to the next partition, which it names: order needs no partition, so a repetition may go elsewhere.
func (p *Producer) add(ctx context.Context, entry []byte, traces string) (key string, err error) {
	if p.keys == nil {
		if p.keys, err = Partitions(ctx, p.client, p.want, p.log); err != nil {
			return "", err
		}
		clear(p.made)
	}
	key = p.next()
	if !p.made[key] {
		if err := createGroups(ctx, p.client, event.PersistenceGroup, []string{key}); err != nil {
			return key, err
		}
		p.made[key] = true
	}
	values := []any{event.FieldBatch, entry}
	if traces != "" {
		values = append(values, event.FieldTraces, traces)
	}
	id, err := p.xadd(ctx, &redis.XAddArgs{Stream: key, NoMkStream: true, Values: values})
	if errors.Is(err, redis.Nil) {
		return key, errNoStream
	}
	if err == nil && id == "" {
		return key, errors.New("append entry: redis answered without an id")
	}
	return key, wrap("append entry", err)
}

func joinTraces(group []*waiting) string {
	var traces []string
	for _, w := range group {
		if w.trace != "" && len(traces) < maxTraces {
			traces = append(traces, w.trace)
		}
	}
	return strings.Join(traces, " ")
}
