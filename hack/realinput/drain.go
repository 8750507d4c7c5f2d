package main

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/event"
)

const pollEvery = 50 * time.Millisecond

// drained waits until persistence has acknowledged everything that is in the event streams, which it does after it
// committed. Only then does a row that is not there prove something.
func drained(ctx context.Context, c *config) error {
	options, err := redis.ParseURL(c.redisURL)
	if err != nil {
		return fmt.Errorf("read Redis URL: %w", err)
	}
	client := redis.NewClient(options)
	defer client.Close() //nolint:errcheck // only read from
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	partitions, err := client.Get(ctx, event.PartitionsKey).Int()
	if err != nil {
		return fmt.Errorf("read number of event streams: %w", err)
	}
	for p := range partitions {
		if err := streamDrained(ctx, client, event.StreamKey(p)); err != nil {
			return fmt.Errorf("wait until %s is stored: %w", event.StreamKey(p), err)
		}
	}
	return nil
}

// streamDrained waits for one stream: until nothing is pending and nothing follows what was delivered last.
func streamDrained(ctx context.Context, client *redis.Client, key string) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		groups, err := client.XInfoGroups(ctx, key).Result()
		if err != nil {
			return err //nolint:wrapcheck // drained says what for
		}
		for _, g := range groups {
			if g.Name != event.PersistenceGroup || g.Pending > 0 {
				continue
			}
			rest, err := client.XRangeN(ctx, key, "("+g.LastDeliveredID, "+", 1).Result()
			if err != nil || len(rest) == 0 {
				return err //nolint:wrapcheck // as above
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // as above
		case <-ticker.C:
		}
	}
}
