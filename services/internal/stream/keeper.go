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

	"github.com/theeye-dev/theeye/api/event"
)

// keepInterval is how often streams are trimmed and measured.
const keepInterval = 2 * time.Second

//go:embed trim.lua
var trimSource string

// trimScript deletes what every group has acknowledged, and nothing else.
var trimScript = redis.NewScript(trimSource)

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

	mu      sync.Mutex
	backlog Backlog
}

// NewKeeper registers theeye_oldest_unpersisted_seconds, theeye_pending_entries and theeye_stream_entries.
func NewKeeper(client redis.UniversalClient, partitions int, log *slog.Logger, meter metric.Meter) (*Keeper, error) {
	k := &Keeper{client: client, want: partitions, log: log}
	age, err := meter.Float64ObservableGauge("theeye.oldest_unpersisted", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest event that is accepted and not yet stored."))
	pending, err2 := meter.Int64ObservableGauge("theeye.pending_entries", metric.WithDescription("Entries delivered and not acknowledged."))
	length, err3 := meter.Int64ObservableGauge("theeye.stream_entries", metric.WithDescription("Entries in the streams."))
	_, err4 := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		b := k.Backlog()
		o.ObserveFloat64(age, b.OldestAge.Seconds())
		o.ObserveInt64(pending, b.Pending)
		o.ObserveInt64(length, b.Length)
		return nil
	}, age, pending, length)
	return k, errors.Join(err, err2, err3, err4)
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
	var total Backlog
	for _, key := range keys {
		answer, err := trimScript.Run(ctx, k.client, []string{key}, event.PersistenceGroup).Int64Slice()
		if err != nil {
			return fmt.Errorf("trim %s: %w", key, err)
		}
		oldest, pending, length := answer[0], answer[1], answer[2]
		if oldest > 0 {
			total.OldestAge = max(total.OldestAge, now.Sub(time.UnixMilli(oldest)))
		}
		total.Pending += pending
		total.Length += length
	}
	k.mu.Lock()
	k.backlog = total
	k.mu.Unlock()
	return nil
}
