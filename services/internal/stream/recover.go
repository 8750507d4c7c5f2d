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
func (c *Consumer) pending(ctx context.Context) error {
	for {
		entries, err := c.read(ctx, "0", -1)
		if err != nil || len(entries) == 0 {
			return err
		}
		if entries, err = c.dropDeleted(ctx, entries); err != nil {
			return err
		}
		c.Metrics.redeliver.Add(ctx, int64(len(entries)))
		if err := c.process(ctx, entries); err != nil {
			return err
		}
	}
}

// dropDeleted acknowledges the pending entries that were deleted from their streams, and returns the others.
func (c *Consumer) dropDeleted(ctx context.Context, entries []Entry) ([]Entry, error) {
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
	if err := c.ack(ctx, gone); err != nil {
		return nil, err
	}
	for _, e := range gone {
		c.lost(ctx, e.Stream, e.ID)
	}
	return kept, nil
}

// lost tells of pending entries that were deleted from their stream: what was in them is gone.
func (c *Consumer) lost(ctx context.Context, key string, ids ...string) {
	c.Metrics.lost.Add(ctx, int64(len(ids)))
	c.Log.ErrorContext(ctx, "pending entries were deleted from the stream", "stream", key, "ids", ids)
}

// claim takes over what other consumers got and left for claimIdle.
func (c *Consumer) claim(ctx context.Context) error {
	for _, key := range c.keys {
		for cursor := "0"; ; {
			messages, next, deleted, err := c.Client.XAutoClaimWithDeleted(ctx, &redis.XAutoClaimArgs{
				Stream: key, Group: c.Group, Consumer: c.Name, MinIdle: claimIdle, Start: cursor, Count: int64(c.count()),
			}).Result()
			if err != nil {
				return fmt.Errorf("claim entries of %s: %w", key, err)
			}
			if len(deleted) > 0 {
				c.lost(ctx, key, deleted...)
			}
			c.Metrics.claimed.Add(ctx, int64(len(messages)))
			if err := c.process(ctx, entriesOf(key, messages)); err != nil {
				return err
			}
			if cursor = next; cursor == "0-0" {
				break
			}
		}
	}
	return nil
}
