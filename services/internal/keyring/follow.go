package keyring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
)

const (
	// tailBlock is how long one read of the tail waits: a fraction of staleAfter, so that a lost answer or two do not
	// make a healthy replica answer 503.
	tailBlock = 100 * time.Millisecond
	tailCount = 1000 // records applied at once
	// attempt bounds one exchange with Redis.
	attempt    = 500 * time.Millisecond
	retryPause = 50 * time.Millisecond
)

// errGap is what makes a reader take a new snapshot.
var errGap = errors.New("a gap in the application log")

// errIncomplete is what readers get while auth fills the log.
var errIncomplete = errors.New("the application log is not complete")

// Follower keeps a Keyring up to date.
type Follower struct {
	client redis.UniversalClient
	ring   *Keyring
	log    *slog.Logger
}

// NewFollower returns a Follower of the application log.
func NewFollower(client redis.UniversalClient, ring *Keyring, log *slog.Logger) *Follower {
	return &Follower{client: client, ring: ring, log: log}
}

// Run follows the log until the context ends.
func (f *Follower) Run(ctx context.Context) error {
	failing := false
	for ctx.Err() == nil {
		err := f.step(ctx)
		if errors.Is(err, errGap) {
			err = f.snapshot(ctx)
		}
		if err != nil && !failing && ctx.Err() == nil {
			f.log.WarnContext(ctx, "application log cannot be followed", "error", err)
		}
		if err == nil && failing {
			f.log.InfoContext(ctx, "application log is followed again")
		}
		failing = err != nil
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(retryPause):
			}
		}
	}
	return nil
}

// step proves that the ring is up to date, or makes it so.
func (f *Follower) step(ctx context.Context) error {
	current := f.ring.ring.Load()
	if current == nil {
		return errGap
	}
	begin := f.ring.now()
	tail, err := f.tail(ctx)
	if err != nil {
		return err
	}
	if tail != current.position {
		return f.read(ctx, current, tail, begin)
	}
	f.ring.prove(begin)
	return f.wait(ctx, current.position)
}

// tail returns the id of the newest entry of a complete log.
func (f *Follower) tail(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	values, err := f.client.HMGet(ctx, registry.LatestKey, registry.FieldComplete, registry.FieldTail).Result()
	if err != nil {
		return "", fmt.Errorf("read end of application log: %w", err)
	}
	if values[0] == nil {
		return "", errIncomplete
	}
	tail, _ := values[1].(string)
	return tail, nil
}

// wait returns when there is news, or after tailBlock.
func (f *Follower) wait(ctx context.Context, position string) error {
	ctx, cancel := context.WithTimeout(ctx, tailBlock+attempt)
	defer cancel()
	err := f.client.XRead(ctx, &redis.XReadArgs{
		Streams: []string{registry.LogKey, orZero(position)}, Count: 1, Block: tailBlock,
	}).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("wait for application log: %w", err)
	}
	return nil
}

func orZero(id string) string {
	if id == "" {
		return "0-0"
	}
	return id
}

// read applies what came after the ring's position; entries that do not follow one another are a gap. tail is where the
// log ended at begin: a ring that got there is as fresh as that, however fast the log goes on growing.
func (f *Follower) read(ctx context.Context, current *ring, tail string, begin time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	streams, err := f.client.XRead(ctx, &redis.XReadArgs{
		Streams: []string{registry.LogKey, orZero(current.position)}, Count: tailCount, Block: -1,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return errGap // the log's end is elsewhere, and nothing leads there
	}
	if err != nil {
		return fmt.Errorf("read application log: %w", err)
	}
	next := &draft{applications: maps.Clone(current.byUID), unreadable: maps.Clone(current.unreadable), signing: current.signing}
	position, reached := current.position, false
	for _, m := range streams[0].Messages {
		if previous, _ := m.Values[registry.FieldPrevious].(string); previous != orZero(position) {
			return errGap
		}
		if err := next.apply(m.Values); err != nil {
			return errGap // the snapshot tells whose record it is
		}
		position = m.ID
		reached = reached || position == tail
	}
	f.ring.replace(next.ring(position, current))
	if reached {
		f.ring.prove(begin)
	}
	return nil
}

// snapshot reads the newest record of every application, and the signing keys, in one command, so that they are of one
// moment. A record that cannot be read harms only its own application, whose credentials are neither right nor wrong
// then; keys that cannot be read only tokens. Of an application of which the ring knows a newer record, that is kept: in a
// failover Redis may lose what auth wrote in the moment before, and auth writes it again.
func (f *Follower) snapshot(ctx context.Context) error {
	begin := f.ring.now()
	fields, err := f.client.HGetAll(ctx, registry.LatestKey).Result()
	if err != nil {
		return fmt.Errorf("read snapshot of application log: %w", err)
	}
	if _, complete := fields[registry.FieldComplete]; !complete {
		return errIncomplete
	}
	next := &draft{applications: make(map[uuid.UUID]*registry.Application, len(fields)), unreadable: map[string]struct{}{}}
	for field, record := range fields {
		uid, err := uuid.Parse(field)
		if err != nil {
			continue // tail, complete and what auth keeps beside them
		}
		if _, err := apply(next.applications, record); err != nil {
			f.log.ErrorContext(ctx, "application record cannot be read", "application", uid, "error", err)
			next.unreadable[apikey.ClientID(uid)] = struct{}{}
		}
	}
	if keys, ok := fields[registry.FieldKeys]; ok {
		if next.signing, err = readKeys(nil, keys); err != nil {
			f.log.ErrorContext(ctx, "signing keys cannot be read", "error", err)
		}
	}
	before := f.ring.ring.Load()
	next.keepNewer(before)
	f.ring.replace(next.ring(fields[registry.FieldTail], before))
	f.ring.prove(begin)
	f.log.InfoContext(ctx, "application log read", "applications", len(next.applications))
	return nil
}
