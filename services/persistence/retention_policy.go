package persistence

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/registry"
)

const (
	// wholeDays is from which retention on events go by whole days, most often with their partition: they are kept up to
	// a day longer, which is a seventh at most. A shorter retention is kept to the moment, row by row.
	wholeDays = 7 * day
	// settling is how long after its receipt an event is kept at least, whatever time it carries: it is seen, and its
	// entry is acknowledged or delivered again before its id may be used again.
	settling = time.Hour
	// countedFor is how much longer than events their counters are kept: an event is counted in the hour of its receipt,
	// may be a day younger than that (registry.LimitMaxFuture), and goes up to a day late.
	countedFor = day + registry.LimitMaxFuture + settling
	// unattributed is how long Failures are kept of which not even the application could be read. Nobody has said how
	// long: a quarter is time to look at them.
	unattributed = 90 * day
)

// keeping is how long an application's events are kept, counted from when they occurred.
type keeping struct {
	kept     time.Duration // 0: for ever
	revision int64         // of the record that said so
}

// before returns the time before which events are to go.
func (k keeping) before(now time.Time) time.Time {
	switch {
	case k.kept == 0:
		return time.Time{}
	case k.kept < wholeDays:
		return now.Add(-k.kept)
	}
	return now.Add(-k.kept - settling).UTC().Truncate(day)
}

// whole tells whether all events of a day may go with its partition.
func (k keeping) whole(now, start time.Time) bool {
	return k.kept != 0 && !now.Add(-k.kept-settling).Before(start.Add(day))
}

// keepings by application. One that is missing is not known, and what it has is kept.
type keepings map[uuid.UUID]keeping

// newest returns the latest time before which anything is to go; zero for nothing.
func (k keepings) newest(now time.Time) (latest time.Time) {
	for _, one := range k {
		if t := one.before(now); t.After(latest) {
			latest = t
		}
	}
	return latest
}

// whole tells whether a day's partition may be dropped that has events of these applications. Today's and yesterday's are
// made ahead of their events, and stay.
func (k keepings) whole(now, start time.Time, applications []uuid.UUID) bool {
	if !start.Before(now.UTC().Truncate(day).Add(-day)) || start.Add(day).After(k.newest(now)) {
		return false
	}
	for _, a := range applications {
		if !k[a].whole(now, start) {
			return false
		}
	}
	return true
}

// retentions returns what is known of every application that ever was in the application log, by what was noted and by
// what the log says now; and whose noted retention is not the newest. One whose record cannot be read now is not known:
// its retention may have become longer.
func (p *Postgres) retentions(ctx context.Context, records map[uuid.UUID]*registry.Application) (known keepings, news []uuid.UUID, err error) {
	rows, err := p.pool.Query(ctx, "SELECT application, coalesce(kept, '0'), revision FROM persistence.retentions")
	if err != nil {
		return nil, nil, fmt.Errorf("read retentions: %w", err)
	}
	known = keepings{}
	var uid uuid.UUID
	var k keeping
	if _, err := pgx.ForEachRow(rows, []any{&uid, &k.kept, &k.revision}, func() error { known[uid] = k; return nil }); err != nil {
		return nil, nil, fmt.Errorf("read retentions: %w", err)
	}
	for uid, record := range records {
		noted, ok := known[uid]
		switch {
		case record == nil:
			delete(known, uid)
		case !ok || record.Revision > noted.revision:
			known[uid] = keepingOf(record)
			news = append(news, uid)
		}
	}
	slices.SortFunc(news, byBytes)
	return known, news, nil
}

func keepingOf(record *registry.Application) keeping {
	k := keeping{revision: record.Revision}
	if record.Policy.Retention != nil {
		k.kept = time.Duration(*record.Policy.Retention)
	}
	return k
}

// noteRetentions keeps what the application log says, which forgets an application some weeks after it is gone.
func (p *Postgres) noteRetentions(ctx context.Context, records map[uuid.UUID]*registry.Application) (keepings, error) {
	known, news, err := p.retentions(ctx, records)
	if err != nil || len(news) == 0 {
		return known, err
	}
	applications, revisions, kept := make([][16]byte, len(news)), make([]int64, len(news)), make([]time.Duration, len(news))
	for i, uid := range news { // in order: replicas lock rows alike
		applications[i], revisions[i], kept[i] = uid, known[uid].revision, known[uid].kept
	}
	_, err = p.pool.Exec(ctx, `
		INSERT INTO persistence.retentions AS r (application, revision, kept)
		SELECT application, revision, nullif(kept, '0') FROM unnest($1::uuid[], $2::bigint[], $3::interval[]) AS i (application, revision, kept)
		ON CONFLICT (application) DO UPDATE SET revision = excluded.revision, kept = excluded.kept
		WHERE excluded.revision > r.revision`, applications, revisions, kept)
	if err != nil {
		return nil, fmt.Errorf("note retentions: %w", err)
	}
	return known, nil
}
