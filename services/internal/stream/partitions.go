package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/event"
)

// maxPartitions keeps one XREADGROUP over all partitions reasonable.
const maxPartitions = 1024

// Partitions returns the streams' keys. Their number is recorded by the first start, with want; afterwards the record
// holds, for a stream that nobody reads any more would keep its events for ever.
func Partitions(ctx context.Context, client redis.UniversalClient, want int, log *slog.Logger) ([]string, error) {
	// Read first: a full Redis refuses to write, and those who would make room in it start here.
	n, err := client.Get(ctx, event.PartitionsKey).Int()
	if errors.Is(err, redis.Nil) {
		if want < 1 || want > maxPartitions {
			return nil, fmt.Errorf("record partitions: %d wanted, must be 1 to %d", want, maxPartitions)
		}
		if err := client.SetNX(ctx, event.PartitionsKey, want, 0).Err(); err != nil {
			return nil, fmt.Errorf("record partitions: %w", err)
		}
		n, err = client.Get(ctx, event.PartitionsKey).Int()
	}
	if err != nil {
		return nil, fmt.Errorf("read partitions: %w", err)
	}
	if n < 1 || n > maxPartitions {
		return nil, fmt.Errorf("read partitions: %s holds %d, want 1 to %d", event.PartitionsKey, n, maxPartitions)
	}
	if n != want {
		log.WarnContext(ctx, "recorded number of partitions holds", "recorded", n, "flag", want)
	}
	keys := make([]string, n)
	for i := range keys {
		keys[i] = event.StreamKey(i)
	}
	return keys, nil
}

// createGroups makes the group on every stream, at 0: a group created at $ would never see what came before it. A full
// Redis refuses without saying whether the group is there: whoever reads or appends next will see.
func createGroups(ctx context.Context, client redis.UniversalClient, group string, keys []string) error {
	for _, key := range keys {
		err := client.XGroupCreateMkStream(ctx, key, group, "0").Err()
		if err != nil && !errPrefix(err, "BUSYGROUP", "OOM") {
			return fmt.Errorf("create group on %s: %w", key, err)
		}
	}
	return nil
}
