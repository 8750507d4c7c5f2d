package persistence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/registry"
)

// dueCounted bounds what is looked at to count what is due of one application: up to here it takes milliseconds.
const dueCounted = 10_000

// Due is what retention would delete if it ran now.
type Due struct {
	At           string           `json:"at"`
	Mode         string           `json:"mode"` // enforce or report
	Days         []DueDay         `json:"days"`
	Applications []DueApplication `json:"applications"`
}

// DueDay is a day that would be dropped whole, or is being.
type DueDay struct {
	Day   string `json:"day"`
	Bytes int64  `json:"bytes"`
	State string `json:"state"` // due, or detached: nobody reads it any more, and its table is about to go
}

// DueApplication is one that has something, or of which nothing is known.
type DueApplication struct {
	Application uuid.UUID          `json:"application"`
	Name        string             `json:"name,omitempty"`      // namespace/name; absent for one that is gone for long
	Gone        bool               `json:"gone,omitempty"`      // its resource is: the last known retention holds
	Known       bool               `json:"known"`               // false: nobody has told its retention, and it is kept
	Retention   *registry.Duration `json:"retention,omitempty"` // absent: for ever
	Before      string             `json:"before,omitempty"`    // events that occurred before are due
	Events      int                `json:"events"`              // at most dueCounted, as Failures
	Failures    int                `json:"failures"`
	More        bool               `json:"more,omitempty"` // there may be more than were counted
}

// dueQuestion asks what would be due, if one application had another retention.
type dueQuestion struct {
	application uuid.UUID // uuid.Nil: all as they are
	retention   time.Duration
}

// Due tells what retention would delete now. It deletes nothing, and asks what Round asks.
func (r *Retention) Due(ctx context.Context, store *Postgres, q dueQuestion) (Due, error) {
	records, err := r.Records(ctx)
	if err != nil {
		return Due{}, err
	}
	known, _, err := store.retentions(ctx, records)
	if err != nil {
		return Due{}, err
	}
	if q.application != uuid.Nil {
		known[q.application] = keeping{kept: q.retention}
	}
	now := r.Now()
	d := Due{At: now.UTC().Format(time.RFC3339), Mode: r.mode(), Applications: []DueApplication{}}
	if d.Days, err = store.dueDays(ctx, known, now); err != nil {
		return d, err
	}
	having, err := store.counted(ctx)
	if err != nil {
		return d, err
	}
	for _, a := range having {
		if q.application != uuid.Nil && q.application != a {
			continue
		}
		one, err := store.dueOf(ctx, a, known, now)
		if err != nil {
			return d, err
		}
		if record := records[a]; record != nil {
			one.Name, one.Gone = record.Namespace+"/"+record.Name, record.Deleted
		} else {
			_, unreadable := records[a]
			one.Gone = !unreadable
		}
		d.Applications = append(d.Applications, one)
	}
	return d, nil
}

func (r *Retention) mode() string {
	if r.ReportOnly {
		return RetentionReport
	}
	return RetentionEnforce
}

// counted lists the applications that have anything: whoever has was counted.
func (p *Postgres) counted(ctx context.Context) ([]uuid.UUID, error) {
	rows, err := p.pool.Query(ctx, "WITH RECURSIVE "+eachApplication+" SELECT application FROM applications WHERE application IS NOT NULL")
	if err != nil {
		return nil, fmt.Errorf("list applications: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("list applications: %w", err)
	}
	return found, nil
}

// dueDays lists the days that are detached, and those that would be.
func (p *Postgres) dueDays(ctx context.Context, known keepings, now time.Time) ([]DueDay, error) {
	rows, err := p.pool.Query(ctx, "SELECT day FROM persistence.expired_days ORDER BY day")
	if err != nil {
		return nil, fmt.Errorf("list expired days: %w", err)
	}
	states := map[time.Time]string{}
	var start time.Time
	if _, err := pgx.ForEachRow(rows, []any{&start}, func() error { states[start] = "detached"; return nil }); err != nil {
		return nil, fmt.Errorf("list expired days: %w", err)
	}
	attached, err := p.partitions(ctx)
	if err != nil {
		return nil, err
	}
	for _, start := range attached {
		if !start.Before(known.newest(now)) {
			break
		}
		applications, err := applicationsIn(ctx, p.pool, partitionTable(start))
		if errors.Is(err, errTaken) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if known.whole(now, start, applications) && states[start] == "" {
			states[start] = "due"
		}
	}
	return p.measure(ctx, states)
}

// measure tells how large days are, with their indexes.
func (p *Postgres) measure(ctx context.Context, states map[time.Time]string) ([]DueDay, error) {
	days := []DueDay{}
	for _, start := range slices.SortedFunc(maps.Keys(states), time.Time.Compare) {
		table := partitionTable(start)
		if states[start] == "detached" {
			table = expiredTable(start)
		}
		d := DueDay{Day: start.Format(time.DateOnly), State: states[start]}
		err := p.pool.QueryRow(ctx, "SELECT coalesce(pg_total_relation_size(to_regclass($1)), 0)", table).Scan(&d.Bytes)
		if err != nil {
			return nil, fmt.Errorf("measure %s: %w", table, err)
		}
		days = append(days, d)
	}
	return days, nil
}

// countDue counts along the indexes, the oldest first, which ends with its limit: of rows that it has looked at, for those that
// were received of late are not due. In no order PostgreSQL would look for an application's events in whole days of everybody's:
// counters tell nothing of it, for they are by receipt. Failures are compared by the whole key of their index, as a page of them
// is (failureRange).
const countDue = `
	SELECT e.*, f.* FROM (
	    SELECT count(*) FILTER (WHERE sequence <= $4), count(*) FROM (
	        SELECT sequence FROM persistence.events WHERE application = $1 AND occurred_at < $2 ORDER BY occurred_at, sequence LIMIT $5) AS e) AS e, (
	    SELECT count(*) FROM (
	        SELECT FROM persistence.failures
	        WHERE (application, received_at, sequence) >= ($1::uuid, '-infinity'::timestamptz, '00000000-0000-0000-0000-000000000000'::uuid)
	            AND (application, received_at, sequence) < ($1::uuid, $3::timestamptz, '00000000-0000-0000-0000-000000000000'::uuid)
	        ORDER BY application, received_at, sequence LIMIT $5) AS f) AS f`

// dueOf counts what is due of one application.
func (p *Postgres) dueOf(ctx context.Context, application uuid.UUID, known keepings, now time.Time) (DueApplication, error) {
	k, ok := known[application]
	d := DueApplication{Application: application, Known: ok}
	if k.kept == 0 {
		return d, nil
	}
	d.Retention = (*registry.Duration)(&k.kept)
	before := k.before(now)
	d.Before = before.UTC().Format(time.RFC3339)
	rows, err := p.inOrder(ctx, countDue,
		[]any{[16]byte(application), before, now.Add(-max(k.kept, settling)), [16]byte(cutOffAt(now.Add(-settling))), dueCounted + 1})
	var looked int // events before that time
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&d.Events, &looked, &d.Failures}, func() error { return nil })
	}
	if err != nil {
		return d, fmt.Errorf("count what is due: %w", err)
	}
	d.More = looked > dueCounted || d.Failures > dueCounted
	d.Events, d.Failures = min(d.Events, dueCounted), min(d.Failures, dueCounted)
	return d, nil
}

// byBytes orders ids.
func byBytes(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
