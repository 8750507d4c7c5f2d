package persistence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

const (
	// erasureKey is a sorted set of what was erased, by the millisecond that the cut-off ends with.
	erasureKey = "theeye:{erasures}"
	// erasedApplication begins the members that are applications, by their UID.
	erasedApplication = "application/"
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
		members[i] = redis.Z{Score: float64(e.at.UnixMilli()), Member: erasedApplication + e.application.String()}
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
	application uuid.UUID
	at          time.Time
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
	remembered, err := l.read(ctx)
	if err != nil {
		return err
	}
	again, err := l.store.restoreErasures(ctx, remembered)
	if err != nil {
		return err
	}
	if again > 0 {
		l.log.WarnContext(ctx, "the database had lost erasures: they are carried out again", "applications", again)
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

func (l *ErasureLog) read(ctx context.Context) (erased []noted, err error) {
	members, err := l.client.ZRangeWithScores(ctx, erasureKey, 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("read erasures: %w", err)
	}
	for _, m := range members {
		name, _ := m.Member.(string)
		text, ok := strings.CutPrefix(name, erasedApplication)
		uid, err := uuid.Parse(text)
		if !ok || err != nil {
			continue // of a release that erases more than applications
		}
		erased = append(erased, noted{uid, time.UnixMilli(int64(m.Score))})
	}
	return erased, nil
}

// restoreErasures records erasures that the database does not know, and tells how many.
func (p *Postgres) restoreErasures(ctx context.Context, erased []noted) (int64, error) {
	applications, cutOffs, at := make([][16]byte, len(erased)), make([][16]byte, len(erased)), make([]time.Time, len(erased))
	for i, e := range erased {
		applications[i], cutOffs[i], at[i] = e.application, cutOffAt(e.at), e.at
	}
	tag, err := p.pool.Exec(ctx, `
		INSERT INTO persistence.erasures AS e (application, cut_off, requested_at)
		SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[])
		ON CONFLICT (application) DO UPDATE SET
		    cut_off = excluded.cut_off,
		    requested_at = CASE WHEN e.finished_at IS NULL THEN e.requested_at ELSE excluded.requested_at END,
		    erased = CASE WHEN e.finished_at IS NULL THEN e.erased ELSE 0 END,
		    finished_at = NULL
		WHERE e.cut_off < excluded.cut_off`, applications, cutOffs, at)
	if err != nil {
		return 0, fmt.Errorf("restore erasures: %w", err)
	}
	return tag.RowsAffected(), nil
}

// erasuresSince lists what was asked to be erased since a time.
func (p *Postgres) erasuresSince(ctx context.Context, since time.Time) ([]noted, error) {
	rows, err := p.pool.Query(ctx, "SELECT application, cut_off FROM persistence.erasures WHERE requested_at >= $1", since)
	if err != nil {
		return nil, fmt.Errorf("list erasures: %w", err)
	}
	erased, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (n noted, err error) {
		var cutOff uuid.UUID
		err = row.Scan(&n.application, &cutOff)
		n.at = endOf(cutOff).Add(-time.Millisecond)
		return n, err
	})
	if err != nil {
		return nil, fmt.Errorf("list erasures: %w", err)
	}
	return erased, nil
}
