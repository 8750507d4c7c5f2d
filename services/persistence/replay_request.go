package persistence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

const (
	// maxReplays is how many replays of one application, or of everybody's Failures, may run: all together replay no
	// faster than one.
	maxReplays = 10
	// replaysShown is how many of the newest are listed, and how many ended ones of one application are kept.
	replaysShown = 100
)

// Replay is a replay of all open Failures that a filter finds, as far as it is.
type Replay struct {
	ID          uuid.UUID        `json:"id"`
	State       string           `json:"state"` // running, finished or cancelled
	DryRun      bool             `json:"dry_run"`
	Application *uuid.UUID       `json:"application,omitempty"` // absent: everybody's Failures
	Code        string           `json:"code,omitempty"`
	Stage       string           `json:"stage,omitempty"`
	From        string           `json:"from,omitempty"`
	To          string           `json:"to"`
	Total       int64            `json:"total"`    // when it was asked for
	Done        int64            `json:"done"`     // of them, so far
	Outcomes    map[string]int64 `json:"outcomes"` // how many ended how
	Codes       map[string]int64 `json:"codes"`    // why those that stay open do
	RequestedAt string           `json:"requested_at"`
	FinishedAt  string           `json:"finished_at,omitempty"`
}

// ReplayPage is the newest replays.
type ReplayPage struct {
	Replays []*Replay `json:"replays"`
}

func scanReplay(row pgx.CollectableRow) (*Replay, error) {
	r := &Replay{}
	var since, finished *time.Time
	var until, requested time.Time
	err := row.Scan(&r.ID, &r.State, &r.DryRun, &r.Application, &r.Code, &r.Stage, &since, &until, &r.Total, &r.Done, &r.Outcomes, &r.Codes,
		&requested, &finished)
	r.To, r.RequestedAt = event.FormatTimestamp(until), event.FormatTimestamp(requested)
	if since != nil {
		r.From = event.FormatTimestamp(*since)
	}
	if finished != nil {
		r.FinishedAt = event.FormatTimestamp(*finished)
	}
	return r, err
}

// replayQuestion asks for one replay: own is of whose Failures it must be; uuid.Nil: of any.
type replayQuestion struct{ id, own uuid.UUID }

// Begin makes a replay durable, of what is received until now. Any replica carries it out.
func (r *Replayer) Begin(ctx context.Context, q Query) (*Replay, error) {
	now := r.now().UTC().Truncate(time.Microsecond)
	if q.To.IsZero() || q.To.After(now) {
		q.To = now
	}
	q.State = stateOpen
	replay, err := r.store.requestReplay(ctx, q, now)
	if err != nil {
		return nil, err
	}
	select {
	case r.nudge <- struct{}{}:
	default: // the worker was told already
	}
	return replay, nil
}

// Cancel ends a replay where it is; what it has done stays. One that has ended stays as it is.
func (r *Replayer) Cancel(ctx context.Context, q replayQuestion) (*Replay, error) {
	return r.store.oneReplay(ctx, `
		UPDATE persistence.replays SET state = CASE state WHEN 'running' THEN 'cancelled' ELSE state END, finished_at = coalesce(finished_at, $3)
		WHERE id = $1 AND ($2::uuid IS NULL OR application = $2) RETURNING `+replayFields, q.id, optionalID(q.own), r.now())
}

// Replay finds one.
func (p *Postgres) Replay(ctx context.Context, q replayQuestion) (*Replay, error) {
	return p.oneReplay(ctx, "SELECT "+replayFields+" FROM persistence.replays WHERE id = $1 AND ($2::uuid IS NULL OR application = $2)",
		q.id, optionalID(q.own))
}

func (p *Postgres) oneReplay(ctx context.Context, sql string, args ...any) (*Replay, error) {
	rows, err := p.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read replay: %w", err)
	}
	replay, err := pgx.CollectExactlyOneRow(rows, scanReplay)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errNoReplay
	}
	if err != nil {
		return nil, fmt.Errorf("read replay: %w", err)
	}
	return replay, nil
}

// errNoReplay is what is said of an unknown replay and of another one's alike.
var errNoReplay = fault.New(fault.CodeNotFound, "there is no such replay, or none that you may see; one is forgotten some weeks after its end")

// Replays lists the newest of own; uuid.Nil: of all.
func (p *Postgres) Replays(ctx context.Context, own uuid.UUID) (ReplayPage, error) {
	var c conditions
	if own != uuid.Nil {
		c.add("application = %s", own)
	}
	rows, err := p.pool.Query(ctx, fmt.Sprintf("SELECT %s FROM persistence.replays WHERE %s ORDER BY requested_at DESC, id DESC LIMIT %d", replayFields, &c, replaysShown), c.args...)
	if err != nil {
		return ReplayPage{}, fmt.Errorf("list replays: %w", err)
	}
	replays, err := pgx.CollectRows(rows, scanReplay)
	if err != nil {
		return ReplayPage{}, fmt.Errorf("list replays: %w", err)
	}
	return ReplayPage{append([]*Replay{}, replays...)}, nil
}

// requestLock is the advisory lock of whoever asks for a replay: the bound on those that run is exact.
const requestLock = 0x7468656579650008

// requestReplay counts what is to be replayed, and forgets old replays for it.
func (p *Postgres) requestReplay(ctx context.Context, q Query, now time.Time) (replay *Replay, err error) {
	total, err := p.countFailures(ctx, &q)
	if err != nil {
		return nil, err
	}
	owner := optionalID(q.Application)
	err = pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(requestLock)); err != nil {
			return err
		}
		var running int64
		err := tx.QueryRow(ctx, "SELECT count(*) FROM persistence.replays WHERE state = 'running' AND application IS NOT DISTINCT FROM $1", owner).Scan(&running)
		if err != nil {
			return err
		}
		if running >= maxReplays {
			return fault.New(fault.CodeConflict, fmt.Sprintf("%d replays are running, which is the limit; cancel one, or wait", running))
		}
		if _, err := tx.Exec(ctx, `
			DELETE FROM persistence.replays WHERE state <> 'running' AND id IN (
			    SELECT id FROM persistence.replays WHERE application IS NOT DISTINCT FROM $1 ORDER BY requested_at DESC, id DESC OFFSET $2)`,
			owner, replaysShown-1); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `
			INSERT INTO persistence.replays (id, application, code, stage, since, until, dry_run, total, after_at, after_sequence, requested_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING `+replayFields,
			uuid.New(), owner, q.Code, q.Stage, optionalTime(q.From), q.To, q.DryRun, total, q.From, [16]byte{}, now)
		if err != nil {
			return err
		}
		replay, err = pgx.CollectExactlyOneRow(rows, scanReplay)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("record replay: %w", err)
	}
	return replay, nil
}

// countFailures counts those that a replay finds, along the indexes by which it reads them.
func (p *Postgres) countFailures(ctx context.Context, q *Query) (total int64, err error) {
	kinds, err := p.failureKinds(ctx, q)
	if err != nil || len(kinds) == 0 {
		return 0, err
	}
	r := q.failureRange(kinds, false)
	sql := "SELECT sum(n.failures)::bigint FROM " + r.source + " CROSS JOIN LATERAL (SELECT count(*) AS failures FROM persistence.failures f WHERE " +
		r.String() + " AND " + uncounted + ") n"
	if err := p.pool.QueryRow(ctx, sql, r.args...).Scan(&total); err != nil {
		return 0, fmt.Errorf("count failures: %w", err)
	}
	return total, nil
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
