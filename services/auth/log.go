package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/registry"
)

// logLength is about how many entries the application log keeps. A reader that was away for longer finds that the
// oldest entry does not follow the last one it knows, and takes a new snapshot: trimming loses nothing.
const logLength = 10_000

// absent is the revision of a record that the log does not have.
const absent = -1

// errUnreadable is what the log answers about a record that no auth has written so.
var errUnreadable = errors.New("unreadable application record")

// Log is the application log in Redis: the stream of changes and the hash with the newest record of each application.
// Every method is one command or one script, so it is safe for concurrent use, also by other replicas; and every script
// may be run again, so that a caller who got no answer simply repeats.
type Log struct{ client redis.UniversalClient }

// NewLog returns the application log behind a client.
func NewLog(client redis.UniversalClient) *Log { return &Log{client} }

// Ping tells whether Redis answers.
func (l *Log) Ping(ctx context.Context) error { return l.client.Ping(ctx).Err() }

// Publish offers a record. It returns the revision that the log holds afterwards: the record's own, or a newer one,
// which stays; appended tells whether the record was written.
func (l *Log) Publish(ctx context.Context, app registry.Application) (stored int64, appended bool, err error) {
	record, err := json.Marshal(app)
	if err != nil {
		return 0, false, fmt.Errorf("encode application record: %w", err)
	}
	answer, err := publishScript.Run(ctx, l.client, []string{registry.LogKey, registry.LatestKey},
		app.UID.String(), app.Revision, record, logLength).Int64Slice()
	if err != nil || len(answer) != 2 {
		return 0, false, errors.Join(errors.New("publish application record"), err)
	}
	return answer[0], answer[1] == 1, nil
}

// PublishKeys offers public signing keys. It returns the revision that the log holds afterwards, as Publish does.
func (l *Log) PublishKeys(ctx context.Context, keys registry.SigningKeys) (stored int64, appended bool, err error) {
	record, err := json.Marshal(keys)
	if err != nil {
		return 0, false, fmt.Errorf("encode signing keys: %w", err)
	}
	answer, err := publishKeysScript.Run(ctx, l.client, []string{registry.LogKey, registry.LatestKey},
		keys.Revision, record, logLength).Int64Slice()
	if err != nil || len(answer) != 2 {
		return 0, false, errors.Join(errors.New("publish signing keys"), err)
	}
	return answer[0], answer[1] == 1, nil
}

// Keys returns the public signing keys that the log has; revision 0 when it has none, or none that can be read.
func (l *Log) Keys(ctx context.Context) (keys registry.SigningKeys, err error) {
	record, err := l.client.HGet(ctx, registry.LatestKey, registry.FieldKeys).Bytes()
	if err != nil && !errors.Is(err, redis.Nil) {
		return keys, fmt.Errorf("read signing keys of application log: %w", err)
	}
	if err != nil || json.Unmarshal(record, &keys) != nil {
		return registry.SigningKeys{}, nil //nolint:nilerr // what cannot be read is replaced, as the script does
	}
	return keys, nil
}

// Stored returns the newest record of an application; found is false when the log has none.
func (l *Log) Stored(ctx context.Context, uid uuid.UUID) (app registry.Application, found bool, err error) {
	record, err := l.client.HGet(ctx, registry.LatestKey, uid.String()).Bytes()
	if errors.Is(err, redis.Nil) {
		return app, false, nil
	}
	if err != nil {
		return app, false, fmt.Errorf("read application record: %w", err)
	}
	if err := json.Unmarshal(record, &app); err != nil {
		return app, false, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if app.UID != uid {
		return app, false, fmt.Errorf("%w: it is of %s", errUnreadable, app.UID)
	}
	return app, true, nil
}

// State returns whether the log is complete, and the id of its newest entry ("" when it has none).
func (l *Log) State(ctx context.Context) (complete bool, tail string, err error) {
	values, err := l.client.HMGet(ctx, registry.LatestKey, registry.FieldComplete, registry.FieldTail).Result()
	if err != nil {
		return false, "", fmt.Errorf("read state of application log: %w", err)
	}
	tail, _ = values[1].(string)
	return values[0] != nil, tail, nil
}

// Applications returns the UIDs of all records.
func (l *Log) Applications(ctx context.Context) (map[uuid.UUID]struct{}, error) {
	fields, err := l.client.HKeys(ctx, registry.LatestKey).Result()
	if err != nil {
		return nil, fmt.Errorf("list application log: %w", err)
	}
	uids := make(map[uuid.UUID]struct{}, len(fields))
	for _, field := range fields {
		if uid, err := uuid.Parse(field); err == nil { // the others are tail, complete and the like
			uids[uid] = struct{}{}
		}
	}
	return uids, nil
}

// Revisions returns the revisions of applications' records, in the order asked; absent where there is none. Only the
// numbers travel.
func (l *Log) Revisions(ctx context.Context, uids []uuid.UUID) ([]int64, error) {
	if len(uids) == 0 {
		return nil, nil
	}
	args := make([]any, len(uids))
	for i, uid := range uids {
		args[i] = uid.String()
	}
	revisions, err := revisionsScript.Run(ctx, l.client, []string{registry.LatestKey}, args...).Int64Slice()
	if err == nil && len(revisions) != len(uids) {
		err = fmt.Errorf("got %d of %d", len(revisions), len(uids))
	}
	if err != nil {
		return nil, fmt.Errorf("compare application log: %w", err)
	}
	return revisions, nil
}

// Forget drops an application's record if it has still this revision.
func (l *Log) Forget(ctx context.Context, uid uuid.UUID, revision int64) error {
	err := forgetScript.Run(ctx, l.client, []string{registry.LatestKey}, uid.String(), revision).Err()
	if err != nil {
		return fmt.Errorf("drop application record: %w", err)
	}
	return nil
}

// Begin starts a repair and returns its token. The token lies in the hash itself, so that it is lost with it; replicas
// that repair at the same time share it, and so don't undo each other's work.
func (l *Log) Begin(ctx context.Context) (token string, err error) {
	token, err = beginScript.Run(ctx, l.client, []string{registry.LatestKey}, uuid.NewString()).Text()
	if err != nil {
		return "", fmt.Errorf("begin repair of application log: %w", err)
	}
	return token, nil
}

// Finish marks the log complete, if nothing was lost since the repair began: its token is still there, and at least as
// many records as it found applications. It returns false when it has to be done again.
func (l *Log) Finish(ctx context.Context, token string, applications int) (bool, error) {
	done, err := finishScript.Run(ctx, l.client, []string{registry.LatestKey}, token, applications).Int64()
	if err != nil {
		return false, fmt.Errorf("finish repair of application log: %w", err)
	}
	return done == 1, nil
}
