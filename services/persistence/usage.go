package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/registry"
)

// What an application's usage is read from: the counters, by the beginning of their primary keys, and no event.
const (
	usageOutcomes = `
		SELECT outcome, sum(events)::bigint FROM persistence.usage
		WHERE application = $1 AND hour >= $2 GROUP BY outcome`
	usageUses = `
		SELECT credential, max(last_used_at), max(last_event_at) FROM persistence.credential_usage
		WHERE application = $1 GROUP BY credential ORDER BY credential`
	// usageLastHour tells to the hour what last_event_at tells exactly: of the rows that a replica of the release
	// before has written last.
	usageLastHour = `
		SELECT hour FROM persistence.usage WHERE application = $1 AND outcome = 'stored' ORDER BY hour DESC LIMIT 1`
)

// left tells whether there is anything of an application: a counter, the key of an event, or a Failure. Each is the first
// in the order of an index: to look for any row at all, a plan that expects many of the application's reads the table,
// and of one that has none all of it.
const left = `
	SELECT coalesce(
	    (SELECT true FROM persistence.usage WHERE application = $1 ORDER BY hour LIMIT 1),
	    (SELECT true FROM persistence.credential_usage WHERE application = $1 ORDER BY credential LIMIT 1),
	    (SELECT true FROM persistence.ledger WHERE application = $1 ORDER BY id LIMIT 1),
	    (SELECT true FROM persistence.failures WHERE application = $1 ORDER BY received_at, sequence LIMIT 1), false)`

// Left tells whether anything is stored of an application.
func (p *Postgres) Left(ctx context.Context, application uuid.UUID) (is bool, err error) {
	if err := p.pool.QueryRow(ctx, left, [16]byte(application)).Scan(&is); err != nil {
		return false, fmt.Errorf("look for an application: %w", err)
	}
	return is, nil
}

// Usage returns what an application sent in the hours that began within the last 24; zeros for one that is not known.
// It is one round trip.
func (p *Postgres) Usage(ctx context.Context, application uuid.UUID, now time.Time) (registry.Usage, error) {
	u := registry.Usage{Outcomes24h: map[string]int64{}, Credentials: []registry.CredentialUse{}}
	for _, o := range []Outcome{Stored, Duplicate, Conflict, Failed, Refused} {
		u.Outcomes24h[string(o)] = 0
	}
	uid := [16]byte(application)
	batch := &pgx.Batch{}
	batch.Queue(usageOutcomes, uid, now.Add(-24*time.Hour)).Query(func(rows pgx.Rows) error {
		var outcome string
		var n int64
		_, err := pgx.ForEachRow(rows, []any{&outcome, &n}, func() error { u.Outcomes24h[outcome] = n; return nil })
		return err
	})
	batch.Queue(usageUses, uid).Query(func(rows pgx.Rows) error { return scanCredentials(rows, &u) })
	batch.Queue(usageLastHour, uid).Query(func(rows pgx.Rows) error {
		var hour time.Time
		_, err := pgx.ForEachRow(rows, []any{&hour}, func() error { noteEvent(&u, hour); return nil })
		return err
	})
	if err := p.pool.SendBatch(ctx, batch).Close(); err != nil {
		return registry.Usage{}, fmt.Errorf("read usage: %w", err)
	}
	u.Accepted24h = u.Outcomes24h[string(Stored)]
	u.Failed24h = u.Outcomes24h[string(Conflict)] + u.Outcomes24h[string(Failed)] + u.Outcomes24h[string(Refused)]
	return u, nil
}

// scanCredentials reads the last use of each credential. One without an id is no credential: a browser's origin.
func scanCredentials(rows pgx.Rows, u *registry.Usage) error {
	var id string
	var used time.Time
	var stored *time.Time
	_, err := pgx.ForEachRow(rows, []any{&id, &used, &stored}, func() error {
		if id != "" {
			u.Credentials = append(u.Credentials, registry.CredentialUse{ID: id, LastUsedAt: used.UTC()})
		}
		if stored != nil {
			noteEvent(u, *stored)
		}
		return nil
	})
	return err
}

// noteEvent keeps the newest.
func noteEvent(u *registry.Usage, t time.Time) {
	if u.LastEventAt == nil || t.After(*u.LastEventAt) {
		t = t.UTC()
		u.LastEventAt = &t
	}
}
