package persistence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// The states of a Replay.
const (
	stateRunning   = "running"
	stateFinished  = "finished"
	stateCancelled = "cancelled"
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
	Total       int64            `json:"total"`    // when it was asked for, and what was stored since of what was received by then
	Done        int64            `json:"done"`     // of them, so far
	Outcomes    map[string]int64 `json:"outcomes"` // how many ended how
	Codes       map[string]int64 `json:"codes"`    // why those that stay open do
	RequestedAt string           `json:"requested_at"`
	FinishedAt  string           `json:"finished_at,omitempty"`
	Yours       bool             `json:"yours,omitempty"` // whoever reads it has begun it

	requestedAt time.Time
	asker       []byte // askerDigest of who began it; nil: a release before did not say
}

// ReplayPage is a page of replays, the newest first.
type ReplayPage struct {
	Replays    []*Replay `json:"replays"`
	NextCursor string    `json:"next_cursor,omitempty"`
	Partial    bool      `json:"partial,omitempty"` // of the permitted applications only
}

func scanReplay(row pgx.CollectableRow) (*Replay, error) {
	r := &Replay{}
	var since, finished *time.Time
	var until time.Time
	err := row.Scan(&r.ID, &r.State, &r.DryRun, &r.Application, &r.Code, &r.Stage, &since, &until, &r.Total, &r.Done, &r.Outcomes, &r.Codes,
		&r.requestedAt, &finished, &r.asker)
	r.Total = max(r.Total, r.Done)
	r.To, r.RequestedAt = event.FormatTimestamp(until), event.FormatTimestamp(r.requestedAt)
	if since != nil {
		r.From = event.FormatTimestamp(*since)
	}
	if finished != nil {
		r.FinishedAt = event.FormatTimestamp(*finished)
	}
	return r, err
}

// seenBy notes whether whoever reads a replay has begun it.
func (r *Replay) seenBy(asker string) { r.Yours = bytes.Equal(r.asker, askerDigest(asker)) }

// replayQuestion asks for one replay.
type replayQuestion struct {
	id    uuid.UUID
	scope Scope  // of whose Failures it must be, once that is found out
	who   sender // asks
}

// conditions find it.
func (q replayQuestion) conditions() *conditions {
	var c conditions
	c.add("id = %s", q.id)
	q.scope.narrow(&c, "application")
	return &c
}

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
	replay.seenBy(q.asker)
	select {
	case r.nudge <- struct{}{}:
	default: // the worker was told already
	}
	return replay, nil
}

// Cancel ends a replay where it is; what it has done stays. One that has ended stays as it is.
func (r *Replayer) Cancel(ctx context.Context, q replayQuestion) (*Replay, error) {
	c := q.conditions()
	where := c.String()
	c.add("finished_at = coalesce(finished_at, %s)", r.now())
	return r.store.oneReplay(ctx, "UPDATE persistence.replays SET state = CASE state WHEN 'running' THEN 'cancelled' ELSE state END, "+
		c.clauses[len(c.clauses)-1]+" WHERE "+where+" RETURNING "+replayFields, c.args...)
}

// Replay finds one.
func (p *Postgres) Replay(ctx context.Context, q replayQuestion) (*Replay, error) {
	c := q.conditions()
	return p.oneReplay(ctx, "SELECT "+replayFields+" FROM persistence.replays WHERE "+c.String(), c.args...)
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

// Replays returns a page, the newest first.
func (p *Postgres) Replays(ctx context.Context, q Query) (ReplayPage, error) {
	var c conditions
	q.applications(&c, "application")
	if q.State != "" {
		c.add("state = %s", q.State)
	}
	if q.dryGiven {
		c.add("dry_run = %s", q.DryRun)
	}
	if q.After != nil {
		c.add("(requested_at, id) < (%s, %s)", q.After.Time, [16]byte(q.After.Sequence))
	}
	rows, err := p.pool.Query(ctx, fmt.Sprintf("SELECT %s FROM persistence.replays WHERE %s ORDER BY requested_at DESC, id DESC LIMIT %d",
		replayFields, &c, q.Limit+1), c.args...)
	if err != nil {
		return ReplayPage{}, fmt.Errorf("list replays: %w", err)
	}
	replays, more, err := collect(rows, q.Limit, scanReplay, p.room(ctx, maxPageBytes), func(r **Replay) int { return (*r).weight() })
	if err != nil {
		return ReplayPage{}, fmt.Errorf("list replays: %w", err)
	}
	for _, r := range replays {
		r.seenBy(q.asker)
	}
	page := ReplayPage{Replays: replays, Partial: q.partial()}
	if more {
		last := replays[len(replays)-1]
		page.NextCursor = q.cursors()(Position{last.requestedAt, last.ID}.bytes())
	}
	return page, nil
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
