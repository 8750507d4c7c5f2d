package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// claimIdle is when an entry's consumer counts as dead. A batch takes at most the statement time-out of 15 s.
	claimIdle     = 30 * time.Second
	claimInterval = 5 * time.Second
)

// pending handles what was delivered to this consumer and never acknowledged.
func (l *lane) pending(ctx context.Context) error {
	for {
		entries, err := l.read(ctx, "0", -1)
		if err != nil || len(entries) == 0 {
			return err
		}
		if entries, err = l.dropDeleted(ctx, entries); err != nil {
			return err
		}
		l.Metrics.redeliver.Add(ctx, int64(len(entries)))
		if err := l.process(ctx, entries); err != nil {
			return err
		}
	}
}

// dropDeleted acknowledges the pending entries that were deleted from their streams, and returns the others.
func (l *lane) dropDeleted(ctx context.Context, entries []Entry) ([]Entry, error) {
	var kept, gone []Entry
	for _, e := range entries {
		if e.deleted {
			gone = append(gone, e)
		} else {
			kept = append(kept, e)
		}
	}
	if len(gone) == 0 {
		return kept, nil
	}
	if err := l.ack(ctx, gone); err != nil {
		return nil, err
	}
	for _, e := range gone {
		l.lost(ctx, e.Stream, e.ID)
	}
	return kept, nil
}

// lost tells of pending entries that were deleted from their stream: what was in them is gone.
func (c *Consumer) lost(ctx context.Context, key string, ids ...string) {
	c.Metrics.lost.Add(ctx, int64(len(ids)))
	c.Log.ErrorContext(ctx, "pending entries were deleted from the stream", "stream", key, "ids", ids)
}

// claim takes over what other consumers got and left for claimIdle.
func (l *lane) claim(ctx context.Context) error {
	for _, key := range l.streams {
		for cursor := "0"; ; {
			messages, next, deleted, err := l.Client.XAutoClaimWithDeleted(ctx, &redis.XAutoClaimArgs{
				Stream: key, Group: l.Group, Consumer: l.Name, MinIdle: claimIdle, Start: cursor, Count: int64(l.count()),
			}).Result()
			if err != nil {
				return fmt.Errorf("claim entries of %s: %w", key, err)
			}
			if len(deleted) > 0 {
				l.lost(ctx, key, deleted...)
			}
			l.Metrics.claimed.Add(ctx, int64(len(messages)))
			if err := l.process(ctx, entriesOf(key, messages)); err != nil {
				return err
			}
			if cursor = next; cursor == "0-0" {
				break
			}
		}
	}
	return nil
}
