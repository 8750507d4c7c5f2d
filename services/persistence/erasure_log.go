package persistence

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

const (
	// erasureKey is a sorted set of what was erased, by the millisecond that the cut-off ends with.
	erasureKey = "theeye:{erasures}"
	// erasedApplication begins the members that are applications, by their UID, and erasedSession those that are sessions, by
	// their salted hash.
	erasedApplication, erasedSession = "application/", "session/"
	// erasedSalt begins the member that is the salt of the hashes: a database that was made anew has another one.
	erasedSalt = "salt/"
	// erasureKept is longer than backups are kept, by far in most places: older ones must not be restored.
	erasureKept = 365 * day
	// erasureCompare is how often database and log are held against each other, beside every start: either may have
	// come back as an older copy of itself.
	erasureCompare = time.Minute
	// erasureRetry is how often before they ever were.
	erasureRetry = time.Second
)

// ErasureLog keeps in Redis what was erased, so that a database that was restored from a backup erases it again, and
// takes none of it from a stream.
type ErasureLog struct {
	client redis.UniversalClient
	store  *Postgres
	now    func() time.Time
	log    *slog.Logger

	seen string // the store that the log was compared with; of Anchor alone
}

// NewErasureLog returns the log of a store's erasures. now is persistence's clock.
func NewErasureLog(client redis.UniversalClient, store *Postgres, now func() time.Time, log *slog.Logger) *ErasureLog {
	return &ErasureLog{client: client, store: store, now: now, log: log}
}

// note writes an erasure down that the database has. Without it the answer to a request would be worth no more than the
// newest backup.
func (l *ErasureLog) note(ctx context.Context, erased ...noted) error {
	if len(erased) == 0 {
		return nil
	}
	members := make([]redis.Z, len(erased))
	for i, e := range erased {
		members[i] = redis.Z{Score: float64(e.at.UnixMilli()), Member: e.member}
	}
	err := l.client.ZAddArgs(ctx, erasureKey, redis.ZAddArgs{GT: true, Members: members}).Err()
	switch {
	case err == nil:
		return nil
	case unpermitted(err):
		return nil // compare tells
	}
	return &fault.Error{
		Code: fault.CodeUnavailable, Detail: "the erasure goes on; that a restored backup would be erased as well could not be written down yet",
		Err: fmt.Errorf("note erasure: %w", err),
	}
}

// unpermitted tells whether the user lacks a right that it had no need for in the release before.
func unpermitted(err error) bool {
	answer, ok := errors.AsType[redis.Error](err)
	return ok && strings.HasPrefix(answer.Error(), "NOPERM")
}

// noted is an erasure as the log has it: at is the last millisecond that is erased.
type noted struct {
	member string
	at     time.Time
}

// notedApplication is how an application is written down.
func notedApplication(application uuid.UUID, cutOff event.Sequence) noted {
	return noted{erasedApplication + application.String(), lastOf(cutOff)}
}

func notedSession(hash []byte, cutOff event.Sequence) noted {
	return noted{erasedSession + hex.EncodeToString(hash), lastOf(cutOff)}
}

// lastOf is the last millisecond up to a cut-off.
func lastOf(cutOff event.Sequence) time.Time { return endOf(cutOff).Add(-time.Millisecond) }

// noteTarget writes one erasure down.
func (l *ErasureLog) noteTarget(ctx context.Context, t target, cutOff event.Sequence) error {
	if t.session == "" {
		return l.note(ctx, notedApplication(t.application, cutOff))
	}
	hash, err := l.store.sessionHash(ctx, t.session)
	if err != nil {
		return err
	}
	return l.note(ctx, notedSession(hash, cutOff))
}

// Then returns an actor that runs once the database knows all erasures that the log has.
func (l *ErasureLog) Then(actor func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for failing := false; ; failing = true {
			err := l.Compare(ctx)
			if err == nil {
				return actor(ctx)
			}
			if !failing && ctx.Err() == nil {
				l.log.WarnContext(ctx, "erasures cannot be compared yet: nothing is stored before", "error", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(erasureRetry):
			}
		}
	}
}

// Run compares until the context ends.
func (l *ErasureLog) Run(ctx context.Context) error {
	ticker := time.NewTicker(erasureCompare)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := l.Compare(ctx); err != nil && ctx.Err() == nil {
			l.log.WarnContext(ctx, "erasures cannot be compared", "error", err)
		}
	}
}

// Compare gives the database what only the log has, and the log what only the database has.
func (l *ErasureLog) Compare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, eraseWait)
	defer cancel()
	since := l.now().Add(-erasureKept)
	err := l.client.ZRemRangeByScore(ctx, erasureKey, "-inf", fmt.Sprint("(", since.UnixMilli())).Err()
	if unpermitted(err) {
		l.log.ErrorContext(ctx, "the user of redis may not keep what was erased: a restored backup would bring it back", "key", erasureKey, "error", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("forget old erasures: %w", err)
	}
	if err := l.compareSalt(ctx); err != nil {
		return err
	}
	remembered, err := l.read(ctx)
	if err != nil {
		return err
	}
	again, err := l.store.restoreErasures(ctx, remembered)
	if err != nil {
		return err
	}
	if again > 0 {
		l.log.WarnContext(ctx, "the database had lost erasures: they are carried out again", "erasures", again)
	}
	stored, err := l.store.erasuresSince(ctx, since)
	if err != nil {
		return err
	}
	return l.note(ctx, stored...)
}

// Anchor is that of the store, and has a store that is another one know what was erased before anything is delivered to
// it again. One caller at a time may be in it.
func (l *ErasureLog) Anchor(ctx context.Context, settle stream.Settle) (marks map[string]string, err error) {
	return l.store.Anchor(ctx, func(store string, marks map[string]string) (map[string]string, error) {
		if store != l.seen {
			if err := l.Compare(ctx); err != nil {
				return nil, err
			}
			l.seen = store
		}
		return settle(store, marks)
	})
}

// compareSalt has the database take the log's salt when it has used none of its own yet, and the log the database's.
func (l *ErasureLog) compareSalt(ctx context.Context) error {
	salts, err := l.client.ZRangeArgs(ctx, redis.ZRangeArgs{Key: erasureKey, Start: "+inf", Stop: "+inf", ByScore: true}).Result()
	if err != nil {
		return fmt.Errorf("read salt: %w", err)
	}
	if len(salts) > 0 {
		salt, err := hex.DecodeString(strings.TrimPrefix(salts[0], erasedSalt))
		if err != nil {
			return fmt.Errorf("read salt: %w", err)
		}
		taken, err := l.store.takeSalt(ctx, salt)
		if err == nil && !taken {
			l.log.ErrorContext(ctx, "database and redis are of different installations: sessions that only redis knows as erased cannot be told")
		}
		return err
	}
	salt, err := l.store.salt(ctx)
	if err != nil {
		return err
	}
	err = l.client.ZAdd(ctx, erasureKey, redis.Z{Score: math.Inf(1), Member: erasedSalt + hex.EncodeToString(salt)}).Err()
	if err != nil {
		return fmt.Errorf("write salt: %w", err)
	}
	return nil
}

// read returns what the log has, but the salt and what another release erases.
func (l *ErasureLog) read(ctx context.Context) (erased []noted, err error) {
	members, err := l.client.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{Key: erasureKey, Start: "-inf", Stop: "(+inf", ByScore: true}).Result()
	if err != nil {
		return nil, fmt.Errorf("read erasures: %w", err)
	}
	for _, m := range members {
		name, _ := m.Member.(string)
		erased = append(erased, noted{name, time.UnixMilli(int64(m.Score))})
	}
	return erased, nil
}
