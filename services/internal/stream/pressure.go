package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

const (
	// DefaultMaxBacklog is what fits the chart's Redis of 512 MB when every entry has one small event; under load entries
	// are shared, and memory is what ends first.
	DefaultMaxBacklog = 1_000_000
	// DefaultMaxMemory is in percent of what Redis may hold. The rest is for who must write when events may not: auth its
	// application log, persistence its acknowledgements.
	DefaultMaxMemory = 90
	// pressureInterval is how often is looked: at 50 MB/s of events, which is more than one Redis takes with fsync, what
	// comes in between is a tenth of the chart's Redis.
	pressureInterval = time.Second
	// pressureRetry is for clients: a backlog does not go within a second.
	pressureRetry = 5 * time.Second
)

// Limits of what may wait to be stored; 0 is none.
type Limits struct {
	Entries int // of all event streams together
	Memory  int // of Redis, in percent of its maxmemory
}

// Pressure tells when so much waits in Redis that nothing more should be taken, before Redis itself refuses.
type Pressure struct {
	client redis.UniversalClient
	want   int
	limits Limits
	log    *slog.Logger

	interval time.Duration
	refusal  atomic.Pointer[fault.Error] // nil: there is room
	blind    bool                        // it was logged that nothing can be seen
}

// NewPressure returns a Pressure that lets everything pass until Run has looked. partitions is as for NewProducer.
func NewPressure(client redis.UniversalClient, partitions int, limits Limits, log *slog.Logger) *Pressure {
	return &Pressure{client: client, want: partitions, limits: limits, log: log, interval: pressureInterval}
}

// Check answers nil while there is room; else a fault of kind Unavailable.
func (p *Pressure) Check() error {
	if refusal := p.refusal.Load(); refusal != nil {
		return refusal
	}
	return nil
}

// Run looks until the context ends. What cannot be seen limits nothing: whether Redis takes events is then for Redis to
// tell.
func (p *Pressure) Run(ctx context.Context) error {
	ticker := time.NewTicker(p.interval)
	defer ticker.Stop()
	for {
		refusal, err := p.look(ctx)
		switch before := p.refusal.Swap(refusal); {
		case ctx.Err() != nil:
			return nil
		case refusal != nil && before == nil:
			p.log.WarnContext(ctx, "no more events are taken until some are stored", "reason", refusal.Err)
		case refusal == nil && before != nil:
			p.log.InfoContext(ctx, "events are taken again")
		}
		p.tell(ctx, err)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// tell logs once that Redis does not let the backlog be seen; an outage others log.
func (p *Pressure) tell(ctx context.Context, err error) {
	if err != nil && isAnswer(err) && !p.blind {
		p.blind = true
		p.log.WarnContext(ctx, "the backlog cannot be seen and is not limited", "error", err)
	}
}

func (p *Pressure) look(ctx context.Context) (*fault.Error, error) {
	if p.limits.Memory > 0 {
		if full, known := fullness(ctx, p.client); known && full*100 >= float64(p.limits.Memory) {
			return overfull(fmt.Sprintf("Redis holds %.0f %% of what it may", full*100)), nil
		}
	}
	if p.limits.Entries <= 0 {
		return nil, nil
	}
	keys, err := Partitions(ctx, p.client, p.want, p.log)
	if err != nil {
		return nil, err
	}
	lengths, err := p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, key := range keys {
			pipe.XLen(ctx, key)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("measure streams: %w", err)
	}
	var entries int64
	for _, length := range lengths {
		entries += length.(*redis.IntCmd).Val() //nolint:forcetypeassert // XLEN's
	}
	if entries >= int64(p.limits.Entries) {
		return overfull(fmt.Sprintf("%d entries wait to be stored", entries)), nil
	}
	return nil, nil
}

// overfull keeps the reason for the log: how much waits is nothing for clients.
func overfull(reason string) *fault.Error {
	return &fault.Error{
		Code: fault.CodeOverloaded, Detail: "too much waits to be stored; nothing was stored", Err: errors.New(reason),
		RetryAfter: pressureRetry,
	}
}
