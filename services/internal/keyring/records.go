package keyring

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/registry"
)

// Records reads the newest record of every application that the log knows, in one command; also of those that are gone,
// which it remembers for some weeks and a Keyring does not. A record that cannot be read is nil. An incomplete log is an
// error.
func Records(ctx context.Context, client redis.UniversalClient) (map[uuid.UUID]*registry.Application, error) {
	fields, err := client.HGetAll(ctx, registry.LatestKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read records of application log: %w", err)
	}
	if _, complete := fields[registry.FieldComplete]; !complete {
		return nil, errIncomplete
	}
	records := make(map[uuid.UUID]*registry.Application, len(fields))
	for field, record := range fields {
		uid, err := uuid.Parse(field)
		if err != nil {
			continue // tail, complete and what auth keeps beside them
		}
		var a registry.Application
		if json.Unmarshal([]byte(record), &a) == nil && a.UID == uid {
			records[uid] = &a
		} else {
			records[uid] = nil
		}
	}
	return records, nil
}
