package stream

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/metric"

	"github.com/theeye-dev/theeye/services/internal/failpoint"
)

const (
	// keepInterval is how often streams are trimmed and measured.
	keepInterval = 2 * time.Second
	// keepFor is how long a measurement is shown: many intervals, and less than any alert or autoscaler waits.
	keepFor = 30 * time.Second
)

//go:embed groups.lua
var groupsSource string

//go:embed trim.lua
var trimSource string

// trimScript deletes what every group has acknowledged, but for the tail, and nothing else.
var trimScript = redis.NewScript(groupsSource + trimSource)

// Backlog is what is in the streams and not yet stored.
type Backlog struct {
	OldestAge time.Duration // since the oldest entry was appended that is not acknowledged; 0 when there is none
	Pending   int64         // entries delivered and not acknowledged
	Length    int64         // entries in the streams, acknowledged ones that were not trimmed included
}

// Keeper trims the streams and measures the backlog. Any number of replicas may keep the same streams.
type Keeper struct {
	client redis.UniversalClient
	want   int
	log    *slog.Logger
	tail   Tail
	tailed tailMetrics

	now func() time.Time

	mu       sync.Mutex
	backlog  Backlog
	memory   float64   // of Redis, by its limit; negative: not known
	measured time.Time // zero: never
}

// NewKeeper registers theeye_oldest_unpersisted_seconds, theeye_pending_entries, theeye_stream_entries and
// theeye_redis_memory_ratio: of all streams, so that every replica shows the same. Without a measurement of late they
// show nothing: an age that stands still would look like one that does not grow.
func NewKeeper(client redis.UniversalClient, partitions int, log *slog.Logger, meter metric.Meter) (*Keeper, error) {
	k := &Keeper{client: client, want: partitions, log: log, now: time.Now}
	age, err := meter.Float64ObservableGauge("theeye.oldest_unpersisted", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest event that is accepted and not yet stored."))
	pending, err2 := meter.Int64ObservableGauge("theeye.pending_entries", metric.WithDescription("Entries delivered and not acknowledged."))
	length, err3 := meter.Int64ObservableGauge("theeye.stream_entries", metric.WithDescription("Entries in the streams."))
	memory, err4 := meter.Float64ObservableGauge("theeye.redis.memory", metric.WithUnit("1"),
		metric.WithDescription("What Redis holds by what it may hold (maxmemory), of the fullest master."))
	_, err5 := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		b, full, known := k.shown()
		if !known {
			return nil
		}
		o.ObserveFloat64(age, b.OldestAge.Seconds())
		o.ObserveInt64(pending, b.Pending)
		o.ObserveInt64(length, b.Length)
		if full >= 0 {
			o.ObserveFloat64(memory, full)
		}
		return nil
	}, age, pending, length, memory)
	return k, errors.Join(err, err2, err3, err4, err5)
}

// shown is the newest measurement, if it is new enough to be shown.
func (k *Keeper) shown() (b Backlog, memory float64, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.backlog, k.memory, k.recent()
}

// recent tells whether the newest measurement is one that may be shown. The lock is held.
func (k *Keeper) recent() bool {
	return !k.measured.IsZero() && k.now().Sub(k.measured) <= keepFor
}

// Measured returns the newest measurement, and from when it is; false: there is none of late.
func (k *Keeper) Measured() (b Backlog, at time.Time, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.backlog, k.measured, k.recent()
}

// Backlog returns the newest measurement.
func (k *Keeper) Backlog() Backlog {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.backlog
}

// Run keeps the streams until the context ends.
func (k *Keeper) Run(ctx context.Context) error {
	ticker := time.NewTicker(keepInterval)
	defer ticker.Stop()
	failing := false
	for {
		err := k.Keep(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			k.log.WarnContext(ctx, "streams cannot be kept", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Keep trims and measures every stream once.
func (k *Keeper) Keep(ctx context.Context) error {
	keys, err := Partitions(ctx, k.client, k.want, k.log)
	if err != nil {
		return err
	}
	now, err := k.client.Time(ctx).Result()
	if err != nil {
		return fmt.Errorf("read redis time: %w", err)
	}
	marks, holding := k.hold(ctx, keys) // without the store nothing is trimmed, and everything measured
	var total Backlog
	var errs []error // a master of a cluster may be away, and the others' streams grow
	for _, key := range keys {
		answer, err := trimScript.Run(ctx, k.client, []string{key}, k.trimming(key, marks, now, len(keys))...).Int64Slice()
		if err != nil {
			errs = append(errs, fmt.Errorf("trim %s: %w", key, err))
			continue
		}
		failpoint.Hit(failpoint.Trim)
		oldest, pending, length := answer[0], answer[1], answer[2]
		if oldest > 0 {
			total.OldestAge = max(total.OldestAge, now.Sub(time.UnixMilli(oldest)))
		}
		total.Pending += pending
		total.Length += length
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	memory, known := fullness(ctx, k.client)
	if !known {
		memory = -1
	}
	k.mu.Lock()
	k.backlog, k.memory, k.measured = total, memory, k.now()
	k.mu.Unlock()
	return holding
}
